import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from trine.measures import roc


@st.composite
def scored(draw):
    """Scores with many ties, and labels of both classes."""
    scores = draw(st.lists(st.integers(-3, 3), min_size=2, max_size=40))
    abnormal = draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    abnormal[0], abnormal[-1] = True, False
    return np.array(scores, float), np.array(abnormal)


# ---- scores and labels


@given(scored())
def test_the_area_equals_scikit_learns(pair):
    scores, abnormal = pair
    assert roc.auc(scores, abnormal) == pytest.approx(roc_auc_score(abnormal, scores))


@given(scored())
def test_the_curve_equals_scikit_learns(pair):
    scores, abnormal = pair
    fpr, tpr, _ = roc_curve(abnormal, scores, drop_intermediate=False)
    curve = roc.roc(scores, abnormal)
    assert np.allclose(curve.fpr, fpr)
    assert np.allclose(curve.tpr, tpr)


@given(scored(), st.floats(0, 1))
def test_the_detection_rate_at_a_false_alarm_rate_is_the_best_that_does_not_exceed_it(pair, share):
    fpr, tpr, _ = roc_curve(pair[1], pair[0], drop_intermediate=False)
    curve = roc.roc(*pair)
    assert curve.tpr_at(share) == pytest.approx(tpr[fpr <= share].max())
    assert curve.fpr_at(share) == pytest.approx(fpr[tpr >= share].min())


@given(scored())
def test_the_interval_of_the_area_contains_the_area(pair):
    low, high = roc.auc_interval(*pair)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= roc.auc(*pair) <= high + 1e-9


def test_the_interval_of_the_area_narrows_with_more_sequences():
    draw = np.random.default_rng(0)
    widths = []
    for n in (50, 2_000):
        abnormal = np.arange(n) % 2 == 0
        low, high = roc.auc_interval(draw.normal(size=n) + abnormal, abnormal)
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


@given(scored())
def test_precision_recall_and_f1_equal_scikit_learns(pair):
    flagged, abnormal = pair[0] > 0, pair[1]
    figures = roc.at_threshold(flagged, abnormal)
    known = precision_recall_fscore_support(abnormal, flagged, average="binary", zero_division=0)
    assert [figures["precision"], figures["recall"], figures["f1"]] == pytest.approx(list(known[:3]))


# ---- figures of a table
