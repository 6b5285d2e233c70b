import json
from itertools import product
from pathlib import Path

import pytest

from tests.detect.conftest import write_log
from trine.detect.detector import Detector
from trine.detect.explain import explain
from trine.detect.scored import Scored, score_data
from trine.errors import UsageError
from trine.logs.carried import Carried

FOREIGN = "kernel module evil loaded by nobody at all"


@pytest.fixture(scope="module")
def model(make_detector, tmp_path_factory) -> Detector:
    """A detector of SSH sessions, loaded from its bundle."""
    log = write_log(tmp_path_factory.mktemp("log") / "auth.log", 40)
    return Detector.load(make_detector(log, epochs=2, false_alarms=0.1).run)


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    """Five sessions; the first one has a line that was never seen."""
    return write_log(tmp_path_factory.mktemp("second") / "second.log", 5, foreign=FOREIGN)


def test_the_line_that_was_never_seen_comes_first_with_file_number_time_and_text(model, log) -> None:
    scored = score_data(model, log)
    (finding,) = scored.findings
    first = finding.events[0]
    assert first.never_seen
    assert (Path(str(first.file)).name, first.line) == ("second.log", 2)
    assert first.text is not None
    assert first.text.endswith(FOREIGN)
    assert str(first.time).endswith("-01-01T00:00:01Z")
    assert (finding.length, finding.never_seen, finding.entity) == (4, 1, "sshd[100]")
    assert (scored.sessions, scored.flagged) == (5, 1)


def test_what_was_expected_instead_is_named(model, log) -> None:
    first = score_data(model, log).findings[0].events[0]
    assert "Accepted password" in first.expected[0][0]


def test_the_strangest_sessions_and_all_sessions_can_be_asked_for(model, log) -> None:
    assert len(score_data(model, log, most=3).findings) == 3
    everything = score_data(model, log, everything=True)
    assert len(everything.findings) == 5
    order = [(each.p_value, -each.score) for each in everything.findings]
    assert order == sorted(order), "by p-value, then by how far beyond all normal ones"


def test_findings_are_grouped_by_the_kind_that_is_asked_for(model, log) -> None:
    scored = score_data(model, log, everything=True, group_by="host")
    assert [(group.source, len(group.findings)) for group in scored.groups] == [("host", 5)]
    with pytest.raises(UsageError, match=r"the events name no address; they name .*host"):
        score_data(model, log, everything=True, group_by="address")


def test_an_empty_hour_is_no_failure(model, tmp_path) -> None:
    (tmp_path / "empty.log").write_text("")
    scored = score_data(model, tmp_path / "empty.log")
    assert (scored.sessions, scored.findings) == (0, ())
    assert any("no events" in remark for remark in scored.remarks)


def test_a_share_of_unparsed_lines_that_is_far_from_the_training_is_said(model, log, tmp_path) -> None:
    mixed = tmp_path / "mixed.log"
    mixed.write_text("\n".join([line + "\n?? odd" for line in log.read_text().splitlines()]))
    scored = score_data(model, mixed)
    assert any("do not have the format syslog, in training 0 %" in remark for remark in scored.remarks)
    assert scored.reading is not None
    assert scored.reading["unparsed"] == 16
    assert not any("do not have the format" in remark for remark in score_data(model, log).remarks)


def test_the_document_is_json(model, log) -> None:
    document = json.loads(json.dumps(score_data(model, log).as_json()))
    assert (document["sessions"], document["flagged"]) == (5, 1)
    assert document["reading"]["lines"] == 16
    assert document["findings"][0]["events"][0]["never_seen"] is True
    assert document["groups"][0]["findings"] == [document["findings"][0]["name"]]


def test_a_log_scored_in_pieces_has_the_findings_of_the_whole(model, log, tmp_path) -> None:
    lines, state = log.read_text().splitlines(keepends=True), tmp_path / "state.json"
    pieces = tmp_path / "second.log"
    last: dict[str, Scored] = {}
    for end in (1, 3, 16):
        pieces.write_text("".join(lines[:end]))
        carried = Carried.load(state, "model")
        scored = score_data(model, pieces, everything=True, carried=carried)
        carried.save(state)
        last |= {finding.name: finding for finding in scored.findings}
    whole = score_data(model, log, everything=True)
    assert {name: (each.p_value, each.length) for name, each in last.items()} == {
        each.name: (each.p_value, each.length) for each in whole.findings
    }


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> list[Path]:
    """Two logs of sessions stranger than all normal ones, some of them equal; one lies between those of the other."""
    folder = tmp_path_factory.mktemp("many")
    for name, hours in (("b.log", [5]), ("a.log", [3, 7])):
        lines = []
        for hour, i in product(hours, range(12)):
            said = ["Connection opened", *[FOREIGN] * (1 + i % 3), "Connection closed"]
            lines += [
                f"Jan  1 0{hour}:{i:02}:{n:02} host sshd[{100 * hour + i}]: {text}\n" for n, text in enumerate(said)
            ]
        (folder / name).write_text("".join(lines))
    return [folder / "b.log", folder / "a.log"]


def test_findings_of_the_smallest_p_value_are_ordered_by_score_and_then_by_time(model, many) -> None:
    found = score_data(model, many).findings
    smallest = [each for each in found if each.p_value == found[0].p_value]
    assert len(smallest) > 10
    assert len({each.score for each in smallest}) < len(smallest), "some are equal"
    keys = [(each.p_value, -each.score, each.first_time) for each in found]
    assert keys == sorted(keys)


def test_the_strangest_findings_are_the_first_of_all_in_every_view(model, many) -> None:
    everything = score_data(model, many, everything=True)
    names = [each.name for each in everything.findings]
    for most in (1, 5, 20):
        assert [each.name for each in score_data(model, many, most=most).findings] == names[:most]
        strangest = model.strangest(model.read([str(path) for path in many]), most)
        assert strangest.names.tolist() == names[:most]
        assert [each.name for each in explain(model, strangest)] == names[:most]
    assert [each["name"] for each in everything.as_json()["findings"]] == names
    by_host = score_data(model, many, everything=True, group_by="host")
    assert [each.name for each in by_host.groups[0].findings] == names
    firsts = [names.index(group.findings[0].name) for group in everything.groups]
    assert firsts == sorted(firsts)
