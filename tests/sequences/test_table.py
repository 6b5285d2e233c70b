from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import DataError
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable


def words_of(table: SequenceTable, i: int) -> list[str]:
    return [table.vocabulary[code] for code in table.sequence(i)]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> SequenceTable:
    text = "name\tsplit\tlabel\tevents\na\ttrain\t0\t7 7 8\nb\tval\t0\t8\nc\ttest\t1\t9 7 9 9 9\nd\ttrain\t1\t7 9\n"
    return open_sequences(write(tmp_path / "t.tsv", text))


def test_a_table_is_one_flat_array_with_offsets(table: SequenceTable) -> None:
    assert len(table) == 4
    assert table.vocabulary == ("7", "8", "9")
    assert table.events.tolist() == [0, 0, 1, 1, 2, 0, 2, 2, 2, 0, 2]
    assert table.offsets.tolist() == [0, 3, 4, 9, 11]
    assert table.labels.tolist() == [0, 0, 1, 1]
    assert table.splits.tolist() == ["train", "validation", "test", "train"]
    assert table.kinds.tolist() == ["normal", "normal", "attack", "attack"]


def test_rows_keep_their_order_and_the_vocabulary(table: SequenceTable) -> None:
    part = table.rows(np.array([2, 0]))
    assert part.names.tolist() == ["c", "a"]
    assert [words_of(part, i) for i in range(2)] == [["9", "7", "9", "9", "9"], ["7", "7", "8"]]
    assert part.vocabulary == table.vocabulary
    assert table.split("validation").names.tolist() == ["b"]
    assert len(table.rows(table.labels == -1)) == 0


def test_attacks_in_the_training_rows_stay_in_the_table(table: SequenceTable) -> None:
    assert ((table.splits == "train") & (table.labels == 1)).sum() == 1


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=40), budget=st.integers(1, 100))
def test_batches_hold_every_sequence_once_within_the_budget(lengths: list[int], budget: int) -> None:
    empty = np.array([""] * len(lengths), object)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    labels = np.zeros(len(lengths), np.int8)
    table = SequenceTable("t", "", np.zeros(offsets[-1], np.int32), offsets, ("a",), empty, empty, labels, empty)
    batches = list(table.batches(budget))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * table.lengths[batch].max() <= budget for batch in batches)


def test_the_same_content_has_the_same_fingerprint_under_any_format(tmp_path: Path) -> None:
    tsv = open_sequences(write(tmp_path / "t.tsv", "name\tevents\nx\t1 2\n"))
    table = open_sequences(write(tmp_path / "t.csv", "events,name\n1 2,x\n"))
    lines = open_sequences(write(tmp_path / "t.jsonl", '{"name": "x", "events": [1, 2]}\n'))
    other = open_sequences(write(tmp_path / "o.tsv", "name\tevents\nx\t1 3\n"))
    assert tsv.fingerprint == table.fingerprint == lines.fingerprint != other.fingerprint


def test_times_and_attributes_are_kept_per_event(tmp_path: Path) -> None:
    rows = (
        "events\ttimes\tprocess\thost\n"
        "open read\t1.5 2\tsh cat\talpha\n"
        "read\t2026-01-01T00:00:00Z\tsh\tbeta\n"
        "open x y\t\ta b c\tg\n"
    )
    table = open_sequences(write(tmp_path / "t.tsv", rows))
    assert table.times is not None
    assert table.times[:3].tolist() == [1.5, 2.0, 1767225600.0]
    assert np.isnan(table.times[3:]).all()
    process = table.attributes["process"]
    assert [process.values[code] for code in process.codes] == ["sh", "cat", "sh", "a", "b", "c"]
    assert "host" not in table.attributes
    assert any("'host'" in message for message in table.skipped)
    assert table.rows(np.array([1])).attributes["process"].codes.tolist() == [0]


@pytest.mark.parametrize("text", ["events\nx\n", "events\n1 1 1 1\n1 1\n"])
def test_one_sequence_and_one_distinct_event_are_read(tmp_path: Path, text: str) -> None:
    assert len(open_sequences(write(tmp_path / "t.tsv", text)).vocabulary) == 1


def test_negative_and_huge_numbers_are_events(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", f"events\n-1 {10**30} -1\n"))
    assert table.vocabulary == ("-1", str(10**30))


def test_times_that_run_backwards_are_held_and_counted(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", "events\ttimes\na b c\t5 3 6\n"))
    assert table.times is not None
    assert table.times.tolist() == [5, 5, 6]
    assert table.skipped == ("t.tsv: times run backwards, held at the latest so far (1: line 2)",)


@pytest.mark.parametrize("times", ["1 2", "1 nan 3", "x y z"])
def test_times_that_do_not_fit_are_unknown_and_counted(tmp_path: Path, times: str) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", f"events\ttimes\na b c\t{times}\n"))
    assert table.times is None
    assert "not one time in seconds per event" in table.skipped[0]


def test_a_strange_label_names_file_line_and_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.tsv: line 3: label 'maybe' is none of: 0, "):
        open_sequences(write(tmp_path / "t.tsv", "label\tevents\n0\ta\nmaybe\tb\n"))


def test_lone_surrogates_of_json_are_written_out(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.jsonl", '{"events": ["\\ud800"], "name": "\\udc00"}\n'))
    assert (table.vocabulary, table.names[0]) == (("\\ud800",), "\\udc00")


def test_a_header_alone_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 sequences could be read"):
        open_sequences(write(tmp_path / "t.tsv", "events\n"))
