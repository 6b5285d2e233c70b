import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trine.datasets.tables import READERS
from trine.errors import DataError, TrineError, UsageError
from trine.sequences.readers import open_sequences
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
    table, message = read_or_error(path)
    assert table is not None or (path.name in message and "\n" not in message)


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@anywhere
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["events", "times", "name", "kind", "x"]), json_value), max_size=4)
)
def test_any_json_fields_end_in_a_table_or_a_named_error(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    path = write(tmp_path / "t.jsonl", "\n".join(map(json.dumps, rows)))
    table, message = read_or_error(path)
    assert table is not None or path.name in message


@pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")
def test_the_adfa_ld_table_has_the_published_counts() -> None:
    path = Path(os.environ["TRINE_DATA"]) / "adfa-ld.tsv.gz"
    if not path.exists():
        pytest.skip("no adfa-ld in TRINE_DATA")
    table = open_sequences(path)
    assert Counter(zip(table.splits, table.labels.tolist(), strict=True)) == {
        ("train", 0): 833,
        ("test", 0): 4372,
        ("test", 1): 746,
    }
    assert (len(table.events), len(table.vocabulary), table.skipped) == (2_747_550, 175, ())


def test_a_raw_log_is_no_table_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give its format"):
        open_sequences(write(tmp_path / "auth.log", "Nov 30 06:39:00 host sshd[1]: hello\n"))


def test_a_set_of_pictures_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="mnist: a set of pictures, not of sequences"):
        open_sequences("mnist")


def test_invalid_utf_8_is_kept_and_counted(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", b"events\na \xff\nb \xfe\n"))
    assert table.vocabulary == ("a", "\\xff", "b", "\\xfe")
    assert table.skipped == ("t.tsv: not UTF-8, bytes kept as \\xNN (2: line 2, line 3)",)


def test_a_row_of_10_mb_is_a_sequence(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.csv", "events\n" + "17 " * 3_400_000 + "\n"))
    assert table.lengths.tolist() == [3_400_000]


@pytest.mark.parametrize("ending", [".tsv.gz", ".csv.gz", ".jsonl.gz"])
def test_a_truncated_gz_is_a_clear_error(tmp_path: Path, ending: str) -> None:
    whole = gzip.compress(b"events\n" + b"".join(b"%d %d\n" % (i, i * i) for i in range(20_000)))
    with pytest.raises(DataError, match="cut off or damaged"):
        open_sequences(write(tmp_path / f"t{ending}", whole[: len(whole) // 2]))


def test_rows_without_events_are_left_out_by_line(tmp_path: Path) -> None:
    table = open_sequences(write(tmp_path / "t.tsv", "events\tname\na\tx\n\ty\nb\tz\nc\n"))
    assert table.names.tolist() == ["x", "z"]
    assert table.skipped == (
        "t.tsv: no events, row left out (1: line 3)",
        "t.tsv: another number of cells than the header, row left out (1: line 5)",
    )


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
    with pytest.raises(DataError, match="1 sequence could be read and 2 not"):
        open_sequences(write(tmp_path / "t.jsonl", '{"events": "a b"}\nx\ty\nz\n'))
