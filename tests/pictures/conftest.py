"""Each test in this folder has its own cache."""

import pytest


@pytest.fixture(autouse=True)
def apart(own_cache):
    """No test opens a store that another test wrote."""
