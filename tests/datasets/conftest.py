"""Every test here has a cache of its own."""

import pytest


@pytest.fixture(autouse=True)
def apart(own_cache):
    """No test finds what another one stored."""
