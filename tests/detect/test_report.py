import numpy as np
import pytest

from trine.detect import report


@pytest.fixture(scope="module")
def tested(detector, programs):
    table = detector.read(programs).split("test")
    return table, detector.scored(table)


def test_duplicates_count_once_in_the_distinct_figures(detector, make_table):
    loop = ["open", "read", "read", "close"] * 5
    table = make_table(loop, loop, ["ptrace"] * 5, ["ptrace"] * 5, loop, label=[0, 0, 1, 1, 1])
    found = report.metrics_of(table, detector.scored(table), detector.ensemble.names, 0.05)
    assert found["distinct"] == 3
    assert found["auc"] == pytest.approx(5 / 6)
    assert found["auc_distinct"] == pytest.approx(3 / 4)


def test_without_labels_there_are_false_alarms_only(detector, tested):
    table, _ = tested
    normal = table.rows(table.labels == 0)
    found = report.metrics_of(normal, detector.scored(normal), detector.ensemble.names, 0.05)
    assert "auc" not in found
    assert (found["normal"], found["abnormal"]) == (60, 0)
    assert found["fpr_interval"][0] <= found["fpr_realised"] <= found["fpr_interval"][1]


def test_all_abnormal_is_no_failure(detector, tested):
    table, _ = tested
    odd = table.rows(table.labels == 1)
    found = report.metrics_of(odd, detector.scored(odd), detector.ensemble.names, 0.05)
    assert found["normal"] == 0
    assert {*report.pictures(odd, detector.scored(odd), detector.ensemble.names)} == {"scores.png"}


def test_pictures_are_pngs(detector, tested):
    drawn = report.pictures(*tested, detector.ensemble.names)
    assert {*drawn} == {"scores.png", "roc.png"}
    assert all(content[:4] == b"\x89PNG" for content in drawn.values())


def test_the_card_states_the_figures(detector):
    card = detector.card()
    assert f"| auc | {detector.result.metrics['auc']:.4f} |" in card
    assert "| measured on test (80 sequences) | |" in card


def test_kinds_are_apart(tested, detector):
    table, scored = tested
    found = report.metrics_of(table, scored, detector.ensemble.names, 0.05)["per_kind"]
    assert list(found) == ["splice"]
    assert found["splice"]["recall"] == np.mean(scored.flagged[table.labels == 1])
