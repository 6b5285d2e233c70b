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
from trine.logs.formats import FORMATS
from trine.sequences.readers import LogSettings, OpenedSequences, open_events, open_sequences
from trine.sequences.table import SequenceTable
from trine.logs.templates import TemplateMiner

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
    with pytest.raises(DataError, match="1 sequences could be read and 2 not"):
        open_sequences(write(tmp_path / "t.jsonl", '{"events": "a b"}\nx\ty\nz\n'))


# --- raw logs


SYSLOG = "Dec 31 23:59:59 web1 sshd[7]: Failed password for root from 10.0.0.9 port 22 ssh2"
STRACE = [
    '[pid  4242] 1700000000.100000 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = -1 ENOENT (No such file)',
    "4243 1700000000.200000 read(3,  <unfinished ...>",
    '4243 1700000000.300000 <... read resumed>"", 4096) = 0',
    "--- SIGCHLD {si_signo=SIGCHLD} ---",
    "4243 1700000000.400000 +++ exited with 0 +++",
]


def read_log(path: Path, templates: TemplateMiner | None = None, **settings: str | float | None) -> OpenedSequences:
    return open_events(path, settings=LogSettings(**settings), templates=templates)


def test_a_table_or_a_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", "events\nopen read\n\t\n")
    for source in (tmp_path / "t.tsv", str(tmp_path / "t.tsv")):
        opened = open_events(source)
        assert (opened.table.vocabulary, opened.format, opened.miner) == (("open", "read"), None, None)
        assert opened.remarks == opened.table.skipped != ()
    (tmp_path / "t.tsv").rename(tmp_path / "trace.txt")
    assert open_events(tmp_path).table.names.tolist() == ["trace"]


def test_a_named_set_is_opened_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "hadoop.tsv.gz", gzip.compress(b"events\na b\n"))
    assert open_events("hadoop", tmp_path).table.vocabulary == ("a", "b")


def test_a_source_that_does_not_exist_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"nothing\.log: no such file or folder, nor a named set of sequences \(adfa-ld,"
    ):
        open_events(tmp_path / "nothing.log")


def test_the_first_remark_says_how_a_log_was_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "\n".join([SYSLOG] * 3 + ["x"]))
    opened = read_log(path)
    assert opened.remarks == ("a.log: looks like syslog; a session is one process; 1 sessions", *opened.table.skipped)
    assert (opened.format, len(opened.remarks)) == ("syslog", 2)
    opened = read_log(path, format="syslog", entity="host")
    assert opened.remarks[0] == "a.log: read as syslog; a session is one host; 1 sessions"
    assert read_log(path, format="plain").remarks == ("a.log: read as plain; one session; 1 sessions",)


def test_a_log_is_divided_by_pattern_entity_and_gap(tmp_path: Path) -> None:
    lines = ["1700000000 ann login", "1700000010 bob login", "1700000020 ann read", "1700009000 ann logout"]
    path = write(tmp_path / "a.log", "\n".join(lines))
    pattern = r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+)"
    table = read_log(path, pattern=pattern, gap_seconds=600).table
    assert table.names.tolist() == ["ann", "bob", "ann#2"]
    assert [words_of(table, i) for i in range(3)] == [["login", "read"], ["login"], ["logout"]]
    assert table.times is not None
    assert table.times.tolist() == [1700000000, 1700000020, 1700000010, 1700009000]
    assert len(read_log(path, pattern=pattern, gap_seconds=None).table) == 2


def test_attributes_of_a_log_are_columns_of_the_table(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", "\n".join(STRACE)), format="strace").table
    result = table.attributes["result"]
    assert table.names.tolist() == ["4242", "4243", "0"]
    assert [result.values[code] for code in result.codes] == ["ENOENT", "", "ok", "", ""]


def test_known_templates_are_matched_and_no_new_one_is_learned(tmp_path: Path) -> None:
    users = ["ann", "bob", "cyd", "dan", "eve"]
    lines = [f"Dec 10 06:55:4{i} web1 sshd[{i}]: Invalid login {user} here" for i, user in enumerate(users)]
    opened = read_log(write(tmp_path / "a.log", "\n".join(lines)))
    assert opened.table.vocabulary == ("sshd: Invalid login <*> here",)
    again = read_log(tmp_path / "a.log", opened.miner)
    assert again.table.fingerprint == opened.table.fingerprint
    other = write(tmp_path / "b.log", "\n".join([*lines[:2], "Dec 10 06:55:50 web1 kernel: module evil.ko loaded"]))
    assert read_log(other, opened.miner).table.vocabulary == ("sshd: Invalid login <*> here", "<*>")
    assert opened.miner is not None
    assert len(opened.miner) == 1


@pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")
@pytest.mark.parametrize("entity", ["process", "address"])
def test_a_raw_ssh_log_becomes_sessions(entity: str) -> None:
    path = Path(os.environ["TRINE_DATA"]) / "ssh" / "openssh_2k_loghub.log.gz"
    if not path.exists():
        pytest.skip("no such log in TRINE_DATA")
    opened = read_log(path, entity=entity)
    assert opened.remarks[0].startswith(f"openssh_2k_loghub.log.gz: looks like syslog; a session is one {entity}; ")
    assert "sshd: Failed password for <*> from <*> port <*>" in opened.table.vocabulary
    assert len(opened.table.vocabulary) < 30
    assert len(opened.table) > 30


@anywhere
@given(raw=st.binary(max_size=300))
@pytest.mark.parametrize("name", [None, *FORMATS])
def test_arbitrary_bytes_of_a_log_end_in_a_table_or_a_named_error(tmp_path: Path, name: str | None, raw: bytes) -> None:
    path = write(tmp_path / "a.log", raw)
    try:
        read_log(path, format=name)
    except TrineError as error:
        message = str(error)
    else:
        message = "a.log"
    assert "a.log" in message


def test_an_empty_log_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.log: the log is empty"):
        read_log(write(tmp_path / "a.log", b""))


def test_a_log_of_another_format_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 lines of the format strace could be read and 1 not"):
        read_log(write(tmp_path / "a.log", "something happened to disk 7"), format="strace")


def test_a_few_lines_of_a_log_in_another_format_are_left_out_by_line(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", "\n".join([*[SYSLOG] * 9, *["10.0.0.1 - ann"] * 2]))).table
    assert len(table.events) == 9
    assert table.skipped == ("a.log: not of the format syslog, left out (2: line 10, line 11)",)


def test_a_truncated_log_is_a_clear_error(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(f"{i * i} things" for i in range(20_000)).encode())
    with pytest.raises(DataError, match="cut off or damaged"):
        read_log(write(tmp_path / "a.log.gz", whole[: len(whole) // 2]))


def test_a_line_of_10_mb_is_left_out_by_number(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", b"one\n" + b"x" * 10_000_000 + b"\nthree\n")).table
    assert len(table.events) == 2
    assert "longer than 1,048,576 bytes, left out (1: line 2)" in table.skipped[0]


def test_invalid_utf_8_in_a_log_is_kept_and_counted(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", b"caf\xe9 opens\n")).table
    assert "not UTF-8" in table.skipped[0]


def test_times_of_a_log_that_run_backwards_are_held_and_counted(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", "1700000005 a\n1700000003 b\n1700000006 c")).table
    assert table.times is not None
    assert table.times.tolist() == [1700000005, 1700000005, 1700000006]
    assert table.skipped == ("a.log: times run backwards, held at the latest so far (1: line 2 by 2 s)",)


def test_lines_without_the_entity_are_counted(tmp_path: Path) -> None:
    lines = ["Dec 10 06:55:46 web1 a: b", SYSLOG, SYSLOG]
    table = read_log(write(tmp_path / "a.log", "\n".join(lines)), entity="address").table
    assert table.skipped == ("a.log: no address, in no session (1: line 1)",)


def test_an_unknown_format_or_entity_is_wrong_use(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "x")
    with pytest.raises(UsageError, match="choose one of audit"):
        read_log(path, format="nothing")
    with pytest.raises(UsageError, match="choose one of host"):
        read_log(path, entity="planet")
