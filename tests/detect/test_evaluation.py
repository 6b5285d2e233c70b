import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, roc_curve

from trine.detect import evaluation


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
    assert evaluation.auc(scores, abnormal) == pytest.approx(roc_auc_score(abnormal, scores))


@given(scored())
def test_the_curve_equals_scikit_learns(pair):
    scores, abnormal = pair
    fpr, tpr, _ = roc_curve(abnormal, scores, drop_intermediate=False)
    curve = evaluation.roc(scores, abnormal)
    assert np.allclose(curve.fpr, fpr)
    assert np.allclose(curve.tpr, tpr)


@given(scored(), st.floats(0, 1))
def test_the_detection_rate_at_a_false_alarm_rate_is_the_best_that_does_not_exceed_it(pair, share):
    fpr, tpr, _ = roc_curve(pair[1], pair[0], drop_intermediate=False)
    curve = evaluation.roc(*pair)
    assert curve.tpr_at(share) == pytest.approx(tpr[fpr <= share].max())
    assert curve.fpr_at(share) == pytest.approx(fpr[tpr >= share].min())


@given(scored())
def test_the_interval_of_the_area_contains_the_area(pair):
    low, high = evaluation.auc_interval(*pair)
    assert 0 <= low <= high <= 1
    assert low - 1e-9 <= evaluation.auc(*pair) <= high + 1e-9


def test_the_interval_of_the_area_narrows_with_more_sequences():
    draw = np.random.default_rng(0)
    widths = []
    for n in (50, 2_000):
        abnormal = np.arange(n) % 2 == 0
        low, high = evaluation.auc_interval(draw.normal(size=n) + abnormal, abnormal)
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129), (1, 100, 0.0003, 0.0545), (0, 0, 0.0, 1.0)],
)
def test_the_interval_of_a_share_is_clopper_and_pearsons(count, total, low, high):
    assert evaluation.share_interval(count, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(scored())
def test_precision_recall_and_f1_equal_scikit_learns(pair):
    flagged, abnormal = pair[0] > 0, pair[1]
    figures = evaluation.at_threshold(flagged, abnormal)
    known = precision_recall_fscore_support(abnormal, flagged, average="binary", zero_division=0)
    assert [figures["precision"], figures["recall"], figures["f1"]] == pytest.approx(list(known[:3]))


# ---- figures of a table


@pytest.fixture(scope="module")
def test_split(detector, programs):
    return detector.read(programs).split("test")


@pytest.fixture(scope="module")
def metrics(detector):
    """The figures of a table under the small detector."""

    def measure(table):
        return evaluation.metrics(table, detector.scores(table), detector.ensemble.names, 0.05)

    return measure


def test_duplicates_count_once_in_the_distinct_figures(metrics, make_table):
    loop = ["open", "read", "read", "close"] * 5
    figures = metrics(make_table(loop, loop, ["ptrace"] * 5, ["ptrace"] * 5, loop, label=[0, 0, 1, 1, 1]))
    assert figures["distinct"] == 3
    assert figures["auc"] == pytest.approx(5 / 6)
    assert figures["auc_distinct"] == pytest.approx(3 / 4)


def test_normal_sequences_alone_have_a_false_alarm_rate_and_no_separation(metrics, test_split):
    figures = metrics(test_split.rows(test_split.labels == 0))
    assert "auc" not in figures
    assert (figures["normal"], figures["abnormal"]) == (60, 0)
    assert figures["fpr_interval"][0] <= figures["fpr_realised"] <= figures["fpr_interval"][1]


def test_abnormal_sequences_alone_are_measured(metrics, test_split):
    figures = metrics(test_split.rows(test_split.labels == 1))
    assert figures["normal"] == 0
    assert "auc" not in figures


def test_each_kind_of_abnormal_sequence_has_figures(detector, metrics, test_split):
    per_kind = metrics(test_split)["per_kind"]
    assert list(per_kind) == ["splice"]
    flagged = detector.scores(test_split).flagged
    assert per_kind["splice"]["recall"] == np.mean(flagged[test_split.labels == 1])


def test_normal_sequences_of_the_same_kind_do_not_count_among_the_abnormal_ones(metrics, make_table):
    loop = ["open", "read", "read", "close"] * 5
    kinds = ["web", "web", "web", "job"]
    table = make_table(loop, loop, ["ptrace"] * 9, ["ptrace"] * 9, label=[0, 0, 1, 1], kind=kinds)
    per_kind = metrics(table)["per_kind"]
    assert {kind: (figures["n"], figures["recall"]) for kind, figures in per_kind.items()} == {
        "web": (1, 1.0),
        "job": (1, 1.0),
    }
