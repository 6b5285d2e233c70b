import numpy as np
import pytest

from trine.detect import evaluation


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
