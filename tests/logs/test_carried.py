import json
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.errors import DataError, UsageError
from trine.logs import carried as carried_sessions
from trine.logs.carried import Carried
from trine.logs.events import EventNames
from trine.logs.readers import LogSettings, OpenedSequences, open_events

PATTERN = r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+)"
SETTINGS = LogSettings(pattern=PATTERN, gap_seconds=600.0)


def lines(*rows: tuple[int, str]) -> str:
    return "".join(f"{1_700_000_000 + second} {rest}\n" for second, rest in rows)


def call(log: Path, state: Path, owner: str = "model") -> OpenedSequences:
    """One call of an hourly job: read what is new, and keep what is open."""
    carried = Carried.load(state, owner)
    opened = open_events(log, settings=SETTINGS, names=EventNames(learn=False), carried=carried)
    carried.save(state)
    return opened


def sessions(opened: OpenedSequences) -> dict[str, list[str]]:
    table = opened.table
    return {str(name): [table.vocabulary[code] for code in table.sequence(i)] for i, name in enumerate(table.names)}


def test_a_session_goes_on_where_the_last_call_stopped(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "bob open"), (20, "ann read")))
    assert sessions(call(log, state)) == {"ann": ["open", "read"], "bob": ["open"]}
    log.write_text(log.read_text() + lines((100, "ann close"), (900, "bob open")))
    second = call(log, state)
    assert sessions(second) == {"ann": ["open", "read", "close"], "bob#2": ["open"]}
    assert second.reading is not None
    assert (second.reading.lines, second.reading.left_out, second.reading.events) == (5, 3, 2)


def test_a_session_without_new_events_is_not_scored_again(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "bob open")))
    call(log, state)
    assert len(call(log, state).table) == 0
    log.write_text(log.read_text() + lines((20, "bob read")))
    assert sessions(call(log, state)) == {"bob": ["open", "read"]}


def test_a_file_that_was_rotated_away_is_read_from_its_beginning(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "ann read")))
    call(log, state)
    log.write_text(lines((20, "ann close")))
    assert sessions(call(log, state)) == {"ann": ["open", "read", "close"]}


def test_a_rotated_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "ann read")))
    call(log, state)
    log.rename(tmp_path / "a.log.1")
    log.write_text(lines((20, "ann close")))
    carried = Carried.load(state, "model")
    opened = open_events([log, tmp_path / "a.log.1"], settings=SETTINGS, names=EventNames(learn=False), carried=carried)
    assert sessions(opened) == {"ann": ["open", "read", "close"]}
    assert opened.reading is not None
    assert (opened.reading.events, opened.reading.left_out) == (1, 2)


def test_another_file_that_begins_alike_is_read(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "ann read"), (20, "ann close")))
    call(log, state)
    log.write_text(lines((0, "ann open"), (11, "eve open")))
    assert sessions(call(log, state))["eve"] == ["open"]


def test_a_line_that_is_still_being_written_is_left_for_the_next_call(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    whole = lines((0, "ann open"), (10, "ann read"))
    log.write_text(whole[:-6])
    first = call(log, state)
    assert sessions(first) == {"ann": ["open"]}
    assert any("without a line break" in remark for remark in first.remarks)
    log.write_text(whole)
    assert sessions(call(log, state)) == {"ann": ["open", "read"]}


def test_a_last_line_that_stays_without_a_line_break_is_read_at_last(tmp_path: Path) -> None:
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines((0, "ann open"), (10, "ann read")).rstrip("\n"))
    assert sessions(call(log, state)) == {"ann": ["open"]}
    assert sessions(call(log, state)) == {"ann": ["open", "read"]}
    assert sessions(call(log, state)) == {}


def test_sessions_of_one_call_are_those_of_many(tmp_path: Path) -> None:
    rows = [(i * 97 % 1_000 + i * 40, f"u{i % 3} e{i % 5}") for i in range(40)]
    rows.sort()
    whole, pieces = tmp_path / "whole.log", tmp_path / "pieces.log"
    whole.write_text(lines(*rows))
    expected = sessions(open_events(whole, settings=SETTINGS, names=EventNames(learn=False)))
    last: dict[str, list[str]] = {}
    for end in range(5, 41, 5):
        pieces.write_text(lines(*rows[:end]))
        last |= sessions(call(pieces, tmp_path / "state.json"))
    assert last == expected


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from("abc")), min_size=2, max_size=12),
    cuts=st.sets(st.integers(1, 11), max_size=3),
)
def test_lines_that_come_late_are_in_the_sessions_that_one_call_puts_them_in(
    rows: list[tuple[int, str]], cuts: set[int]
) -> None:
    texts = [lines((second, f"{user} e{i}")) for i, (second, user) in enumerate(rows)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "whole.log"
        whole.write_text("".join(texts))
        expected = sessions(open_events(whole, settings=SETTINGS, names=EventNames(learn=False)))
        last: dict[str, list[str]] = {}
        bounds = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
        for begin, end in pairwise(bounds):
            piece = folder / f"{begin}.log"
            piece.write_text("".join(texts[begin:end]))
            last |= sessions(call(piece, folder / "state.json"))
    assert last == expected


def test_a_file_that_comes_late_is_scored_and_said(tmp_path: Path) -> None:
    state, late = tmp_path / "state.json", tmp_path / "late.log"
    (tmp_path / "new.log").write_text(lines((0, "ann open"), (9_000, "bob open"), (9_100, "ann read")))
    call(tmp_path / "new.log", state)
    late.write_text(lines((50, "ann close"), (60, "cyd open"), (9_050, "bob read")))
    opened = call(late, state)
    assert sessions(opened) == {"ann#3": ["close"], "cyd": ["open"], "bob": ["open", "read"]}
    said = [line for line in opened.remarks if "older than the lines of earlier calls" in line]
    assert said == [
        "late.log: older than the lines of earlier calls by more than the gap, scored all the same (2: line 1, line 2)"
    ]


def test_sessions_that_ended_are_forgotten_beyond_a_number_of_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_sessions, "MOST_ENDED", 10)
    log, state = tmp_path / "a.log", tmp_path / "state.json"
    log.write_text(lines(*((i * 1_000, f"u{i} open") for i in range(100))))
    call(log, state)
    kept = [session["entity"] for session in json.loads(state.read_text())["sessions"]]
    assert kept == [f"u{i}" for i in range(89, 100)]


def test_a_damaged_state_and_that_of_another_model_are_clear_errors(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{")
    with pytest.raises(DataError, match=r"state\.json: damaged, or not the state of a scored log; delete it"):
        Carried.load(state, "model")
    Carried("other").save(state)
    with pytest.raises(UsageError, match="the state of another model"):
        Carried.load(state, "model")
    state.write_text(json.dumps({"version": 99}))
    with pytest.raises(UsageError, match="version 99"):
        Carried.load(state, "model")
