import pytest

from trine.measures import shares


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (1, 100, 0.0003, 0.0545), (0, 0, 0.0, 1.0)],
)
def test_the_interval_of_a_share_is_clopper_and_pearsons(count, total, low, high):
    assert shares.share_interval(count, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
