import gzip
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trine.datasets.lines import Skips, text_lines
from trine.errors import DataError, TrineError, UsageError
from trine.sequences.readers import READERS, open_sequences
from trine.sequences.table import SequenceTable

anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
blank_free = st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=8)
event = st.one_of(blank_free, st.integers(-(10**20), 10**20).map(str))
sequences = st.lists(st.lists(event, min_size=1, max_size=12), min_size=1, max_size=8)


def words_of(table: SequenceTable, i: int) -> list[str]:
    return [table.vocabulary[code] for code in table.sequence(i)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read_or_error(path: Path) -> tuple[SequenceTable | None, str]:
    try:
        return open_sequences(path), ""
    except TrineError as error:
        return None, str(error)


@pytest.fixture
def table(tmp_path: Path) -> SequenceTable:
    text = "name\tsplit\tlabel\tevents\na\ttrain\t0\t7 7 8\nb\tval\t0\t8\nc\ttest\t1\t9 7 9 9 9\nd\ttrain\t1\t7 9\n"
    return open_sequences(write(tmp_path / "t.tsv", text))


# --- the table


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


def test_attacks_in_the_training_rows_are_carried_for_fit_to_leave_out(table: SequenceTable) -> None:
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
    packed = open_sequences(write(tmp_path / "t.tsv.gz", gzip.compress(b"name\tevents\nx\t1 2\n")))
    lines = open_sequences(write(tmp_path / "t.jsonl", '{"name": "x", "events": [1, 2]}\n'))
    other = open_sequences(write(tmp_path / "o.tsv", "name\tevents\nx\t1 3\n"))
    assert tsv.fingerprint == packed.fingerprint == lines.fingerprint != other.fingerprint


# --- the readers


@anywhere
@given(rows=sequences)
@pytest.mark.parametrize("ending", [".tsv", ".csv", ".jsonl", ".tsv.gz", ".jsonl.gz", ".parquet"])
def test_every_format_gives_back_the_events_that_were_written(
    tmp_path: Path, ending: str, rows: list[list[str]]
) -> None:
    path = tmp_path / f"t{ending}"
    texts = [" ".join(row) for row in rows]
    if ending == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"events": rows}), path)
    else:
        lines = {
            ".tsv": ["events", *texts],
            ".csv": ["events", *('"' + text.replace('"', '""') + '"' for text in texts)],
            ".jsonl": [json.dumps({"events": row}) for row in rows],
        }[ending.removesuffix(".gz")]
        raw = ("\n".join(lines) + "\n").encode()
        write(path, gzip.compress(raw) if ending.endswith(".gz") else raw)
    table = open_sequences(path)
    assert [words_of(table, i) for i in range(len(table))] == rows


@anywhere
@given(raw=st.binary(max_size=400))
@pytest.mark.parametrize("ending", [*READERS, ".tsv.gz"])
def test_arbitrary_bytes_end_in_a_table_or_a_named_error(tmp_path: Path, ending: str, raw: bytes) -> None:
    path = write(tmp_path / f"t{ending}", raw)
    table, said = read_or_error(path)
    assert table is not None or (path.name in said and "\n" not in said)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@anywhere
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["events", "times", "name", "kind", "x"]), json_value), max_size=4)
)
def test_any_json_fields_end_in_a_table_or_a_named_error(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    table, said = read_or_error(path)
    assert table is not None or path.name in said


def test_times_and_attributes_ride_along(tmp_path: Path) -> None:
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
    assert any("'host'" in said for said in table.skipped)
    assert table.rows(np.array([1])).attributes["process"].codes.tolist() == [0]


def test_an_own_adfa_ld_folder_has_its_splits_and_kinds(tmp_path: Path) -> None:
    for inside, text in {
        "Training_Data_Master/UTD-0001.txt": "6 6 63 ",
        "Validation_Data_Master/UVD-0001.txt": "6 3",
        "Attack_Data_Master/Hydra_FTP_7/UAD-Hydra-FTP-7-1.txt": "102 7",
    }.items():
        path = tmp_path / "ADFA-LD" / inside
        path.parent.mkdir(parents=True)
        path.write_text(text)
    table = open_sequences(tmp_path / "ADFA-LD")
    rows = zip(table.names, table.splits, table.labels, table.kinds, strict=True)
    assert list(rows) == [
        ("Hydra_FTP_7/UAD-Hydra-FTP-7-1", "test", 1, "Hydra_FTP"),
        ("UTD-0001", "train", 0, "normal"),
        ("UVD-0001", "test", 0, "normal"),
    ]


def test_a_plain_folder_is_one_sequence_a_file(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    write(tmp_path / "normal" / "a.txt", "open read\nclose")
    write(tmp_path / "b", "open")
    write(tmp_path / "empty.txt", "")
    write(tmp_path / "notes.csv", "a,b")
    table = open_sequences(tmp_path)
    assert table.names.tolist() == ["b", "normal/a"]
    assert table.labels.tolist() == [-1, 0]
    assert sorted(said.split(": ")[1] for said in table.skipped) == [
        "a table, no sequence, left out (1",
        "no events, row left out (1",
    ]


@pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")
def test_the_adfa_ld_table_has_the_published_counts() -> None:
    path = Path(os.environ["TRINE_DATA"]) / "adfa-ld.tsv.gz"
    if not path.exists():
        pytest.skip("adfa-ld is not there")
    table = open_sequences(path)
    assert Counter(zip(table.splits, table.labels.tolist(), strict=True)) == {
        ("train", 0): 833,
        ("test", 0): 4372,
        ("test", 1): 746,
    }
    assert (len(table.events), len(table.vocabulary), table.skipped) == (2_747_550, 175, ())


# --- bad input


@pytest.mark.parametrize("ending", READERS)
def test_an_empty_file_is_a_clear_error(tmp_path: Path, ending: str) -> None:
    with pytest.raises(DataError, match="t" + ending):
        open_sequences(write(tmp_path / f"t{ending}", ""))


def test_a_header_alone_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 sequences could be read"):
        open_sequences(write(tmp_path / "t.tsv", "events\n"))


@pytest.mark.parametrize("text", ["events\nx\n", "events\n1 1 1 1\n1 1\n"])
def test_one_sequence_and_one_distinct_event_are_read(tmp_path: Path, text: str) -> None:
    assert len(open_sequences(write(tmp_path / "t.tsv", text)).vocabulary) == 1


def test_a_table_without_events_names_the_columns_it_has(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'events' among: name, calls"):
        open_sequences(write(tmp_path / "t.tsv", "name\tcalls\na\t1 2\n"))


def test_a_raw_log_is_no_table_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give its format"):
        open_sequences(write(tmp_path / "auth.log", "Nov 30 06:39:00 host sshd[1]: hello\n"))


def test_a_source_that_is_nowhere_is_wrong_use(tmp_path: Path) -> None:
    pytest.importorskip("trine.datasets.catalogue")
    with pytest.raises(UsageError):
        open_sequences(tmp_path / "nothing.tsv")


def test_negative_and_huge_ids_are_words(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", f"events\n-1 {10**30} -1\n"))
    assert table.vocabulary == ("-1", str(10**30))


def test_invalid_utf_8_is_kept_and_counted(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", b"events\na \xff\nb \xfe\n"))
    assert table.vocabulary == ("a", "\\xff", "b", "\\xfe")
    assert table.skipped == ("t.tsv: no UTF-8, its bytes are kept as \\xNN (2: line 2, line 3)",)


def test_a_row_of_10_mb_is_a_sequence(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.csv", "events\n" + "17 " * 3_400_000 + "\n"))
    assert table.lengths.tolist() == [3_400_000]


def test_a_line_beyond_the_limit_is_left_out_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", b"one\n" + b"x" * 10_000_000 + b"\nthree\r\n" + b"y" * (1 << 20))
    skips = Skips("a.log")
    assert [(number, line[:5]) for number, line in text_lines(path, skips)] == [(1, "one"), (3, "three"), (4, "yyyyy")]
    assert skips.messages() == ("a.log: longer than 1,048,576 bytes, left out (1: line 2)",)


@pytest.mark.parametrize("ending", [".tsv.gz", ".csv.gz", ".jsonl.gz"])
def test_a_truncated_gz_is_a_clear_error(tmp_path: Path, ending: str) -> None:
    whole = gzip.compress(b"events\n" + b"".join(b"%d %d\n" % (i, i * i) for i in range(20_000)))
    with pytest.raises(DataError, match="cut off or damaged"):
        open_sequences(write(tmp_path / f"t{ending}", whole[: len(whole) // 2]))


def test_times_that_run_backwards_are_held_and_counted(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", "events\ttimes\na b c\t5 3 6\n"))
    assert table.times is not None
    assert table.times.tolist() == [5, 5, 6]
    assert table.skipped == ("t.tsv: times run backwards, held at the latest so far (1: line 2)",)


@pytest.mark.parametrize("times", ["1 2", "1 nan 3", "x y z"])
def test_times_that_do_not_fit_are_unknown_and_counted(tmp_path: Path, times: str) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", f"events\ttimes\na b c\t{times}\n"))
    assert table.times is None
    assert "not one time in seconds an event" in table.skipped[0]


def test_a_few_lines_of_another_format_are_left_out_by_name(tmp_path: Path) -> None:
    rows = '{"events": "a b"}\n{"events": ["a"]}\nsplit\tevents\n[1, 2]\n{"events": "c"}\n{"events": [[1]]}\n'
    rows += '{"events": 7}\n'
    table = open_sequences(write(tmp_path / "t.jsonl", rows))
    assert table.names.tolist() == ["line 1", "line 2", "line 5", "line 7"]
    assert table.skipped == (
        "t.jsonl: no JSON object, row left out (2: line 3, line 4)",
        "t.jsonl: an event that is neither word nor number, row left out (1: line 6)",
    )


def test_a_file_that_is_mostly_another_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 sequences could be read and 2 not"):
        open_sequences(write(tmp_path / "t.jsonl", '{"events": "a b"}\nx\ty\nz\n'))


def test_an_unclosed_quote_does_not_swallow_the_rest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="close the quotes"):
        open_sequences(write(tmp_path / "t.csv", 'events\na b\n"c d\ne\nf\n'))


def test_a_strange_label_names_file_line_and_what_is_accepted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.tsv: line 3: label 'maybe' is none of: 0, "):
        open_sequences(write(tmp_path / "t.tsv", "label\tevents\n0\ta\nmaybe\tb\n"))


def test_lone_surrogates_of_json_are_written_out(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.jsonl", '{"events": ["\\ud800"], "name": "\\udc00"}\n'))
    assert (table.vocabulary, table.names[0]) == (("\\ud800",), "\\udc00")
