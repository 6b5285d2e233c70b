"""The p-values of sessions that have ended beside uniform ones."""

import numpy as np
import pytest
from scipy import stats

from trine.live.realised import BINS, Realised, bin_of, kolmogorov


def realised(p_values: np.ndarray, target: float = 0.01, calibrated_on: int = 100_000) -> Realised:
    bins, counts = np.unique([bin_of(p) for p in p_values.tolist()], return_counts=True)
    return Realised.of(
        dict(zip(bins.tolist(), counts.tolist(), strict=True)), int((p_values <= target).sum()), target, calibrated_on
    )


@pytest.mark.parametrize("seed", range(5))
def test_uniform_p_values_are_no_drift(seed):
    found = realised(np.random.default_rng(seed).uniform(size=2_000))
    assert found.distance < 0.05
    assert found.p_value > 0.005
    assert not found.drifted
    assert found.share == pytest.approx(0.01, abs=0.01)


def test_smaller_p_values_are_drift_and_the_line_says_what_to_do():
    found = realised(np.random.default_rng(0).uniform(size=2_000) ** 2)
    assert found.distance == pytest.approx(0.25, abs=0.03)
    assert found.drifted
    assert "trine detect recalibrate" in found.line()
    assert found.line().startswith(f"findings in {100 * found.share:.2f} % of 2,000 sessions that ended")


def test_kinds_of_sessions_that_are_all_alike_are_no_drift_as_long_as_their_shares_stay():
    kinds = np.array([0.25, 0.5, 0.75, 1.0])
    assert not realised(np.repeat(kinds, 200)).drifted
    assert realised(np.repeat(kinds, [500, 100, 100, 100])).drifted
    assert not realised(np.ones(500)).drifted


def test_few_sessions_and_a_small_calibration_prove_little():
    p_values = np.random.default_rng(0).uniform(size=40) ** 1.3
    assert realised(p_values, calibrated_on=40).p_value > realised(p_values).p_value
    assert not realised(p_values).drifted


@pytest.mark.parametrize("scaled", [0.0, 0.1, 0.3, 0.5, 0.8, 1.0, 1.36, 2.0, 5.0])
def test_the_distribution_is_that_of_kolmogorov(scaled):
    assert kolmogorov(scaled) == pytest.approx(stats.kstwobign.sf(scaled), abs=1e-9)


def test_every_p_value_has_a_bin_whose_upper_edge_it_does_not_exceed():
    for p in (1e-9, 0.01, 0.0100001, 0.5, 0.995, 1.0):
        assert 0 <= bin_of(p) < BINS
        assert bin_of(p) / BINS - 1e-9 <= p <= (bin_of(p) + 1) / BINS + 1e-9
