"""Every test in this folder has its own cache."""

import pytest


@pytest.fixture(autouse=True)
def apart(own_cache):
    """No test can see what another test stored."""
