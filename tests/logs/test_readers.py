import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.logs.read_logs import read_events
from trine.errors import DataError, TrineError, UsageError
from trine.log_formats.registry import FORMATS
from trine.logs import encodings
from trine.logs.readers import LogSettings, OpenedSequences, open_events
from trine.logs.record_texts import Place
from trine.sequences.table import SequenceTable, source_and_line

anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4)
SYSLOG = "Dec 31 23:59:59 web1 sshd[7]: Failed password for root from 192.0.2.9 port 22 ssh2"
ACCESS = '192.0.2.{} - - [10/Oct/2024:13:55:{:02} +0000] "GET {} HTTP/1.1" 200 26 "-" "Mozilla/5.0"'


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def open_log(*paths: Path | str, **kept: object) -> OpenedSequences:
    return open_events(list(paths), settings=LogSettings(**kept))


def words_of(table: SequenceTable, i: int) -> list[str]:
    return [table.vocabulary[code] for code in table.sequence(i)]


# --- what is a log, and what is a table


def test_a_table_is_opened_as_it_is_and_a_folder_of_sequences_too(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", "events\nopen read\n\t\n")
    opened = open_events(tmp_path / "t.tsv")
    assert (opened.table.vocabulary, opened.reading) == (("open", "read"), None)
    write(tmp_path / "traces" / "one.txt", "3 4 5 6")
    write(tmp_path / "traces" / "two.txt", "open\nread\nclose\n")
    assert open_events(tmp_path / "traces").table.names.tolist() == ["one", "two"]


def test_a_folder_of_logs_is_read_as_logs(tmp_path: Path) -> None:
    for hour in range(3):
        write(tmp_path / "www" / f"access-{hour}.log", "\n".join(ACCESS.format(hour, i, "/a") for i in range(5)))
    opened = open_events(tmp_path / "www")
    assert opened.reading is not None
    assert (opened.reading.format, opened.reading.events) == ("web", 15)


def test_json_lines_without_the_column_events_are_a_log_whatever_their_name(tmp_path: Path) -> None:
    lines = [{"ts": 1714557600 + i, "user": "ann", "action": "login" if i % 2 else "logout"} for i in range(6)]
    opened = open_log(write(tmp_path / "app.jsonl", "\n".join(map(json.dumps, lines))))
    assert opened.reading is not None
    assert opened.reading.events == 6
    assert set(opened.table.vocabulary) == {"login", "logout"}


def test_a_named_set_is_opened_by_its_name(tmp_path: Path) -> None:
    write(tmp_path / "hadoop.tsv.gz", gzip.compress(b"events\na b\n"))
    assert open_events("hadoop", tmp_path).table.vocabulary == ("a", "b")


def test_options_of_a_log_are_refused_for_a_table(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", "events\nopen read\n")
    for option, kept in (
        ("--format", {"format": "web"}),
        ("--entity", {"entity": "user"}),
        ("--pattern", {"pattern": "x"}),
    ):
        with pytest.raises(UsageError, match=option):
            open_events(tmp_path / "t.tsv", settings=LogSettings(**kept))


def test_a_source_that_does_not_exist_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.log"):
        open_events(tmp_path / "nothing.log")
    with pytest.raises(DataError, match=r"no such file or folder, nor a named set of sequences \(adfa-ld,.*hostlab"):
        open_events("hostlob")


# --- how it was read is said


def test_the_remarks_say_how_a_log_was_read_and_what_became_of_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", "\n".join([SYSLOG] * 9 + ["x"]))
    first, second, *_ = open_log(path).remarks
    assert first.startswith("a.log: looks like syslog (syslog fits 90 % of the first lines")
    assert first.endswith("; a session is one process; 2 sessions")
    assert second == "a.log: 10 lines: 9 events, 1 unparsed (10 %)"
    first = open_log(path, format="syslog", entity="host").remarks[0]
    assert first == "a.log: read as syslog; a session is one host; 2 sessions"


def test_every_file_has_its_own_format(tmp_path: Path) -> None:
    write(tmp_path / "var" / "auth.log", "\n".join([SYSLOG] * 5))
    write(tmp_path / "var" / "access.log", "\n".join(ACCESS.format(1, i, "/a") for i in range(5)))
    opened = open_log(tmp_path / "var", entity="address")
    assert opened.reading is not None
    assert sorted(opened.reading.formats.values()) == ["syslog", "web"]
    assert opened.reading.unparsed == 0
    assert set(opened.table.entities["address"]) == {"192.0.2.1", "192.0.2.9"}


def test_a_log_is_divided_by_pattern_entity_and_gap(tmp_path: Path) -> None:
    lines = ["1700000000 ann login", "1700000010 bob login", "1700000020 ann read", "1700009000 ann logout"]
    path = write(tmp_path / "a.log", "\n".join(lines))
    pattern = r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+)"
    table = open_log(path, pattern=pattern, gap_seconds=600.0).table
    assert table.names.tolist() == ["ann", "bob", "ann#2"]
    assert [words_of(table, i) for i in range(3)] == [["login", "read"], ["login"], ["logout"]]
    assert table.times is not None
    assert table.times.tolist() == [1700000000, 1700000020, 1700000010, 1700009000]
    assert len(open_log(path, pattern=pattern, gap_seconds=None).table) == 2


def test_each_event_knows_its_file_and_line_and_the_text_can_be_read_again(tmp_path: Path) -> None:
    old = write(tmp_path / "a.log.1.gz", gzip.compress(f"{SYSLOG}\nodd one\n".encode()))
    new = write(tmp_path / "a.log", SYSLOG.replace("23:59:59", "23:59:58").replace("root", "ann"))
    opened = open_log(old, new)
    assert opened.table.positions is not None
    assert opened.records is not None
    places = {Place(*source_and_line(int(position))) for position in opened.table.positions}
    texts = opened.records.texts(places)
    assert sorted(texts.values()) == sorted([SYSLOG, "odd one", new.read_text()])
    assert {opened.table.sources[place.source] for place in places} == {str(old), str(new)} or {
        Path(opened.table.sources[place.source]).name for place in places
    } == {"a.log.1.gz", "a.log"}


def test_names_of_a_fitted_log_are_matched_and_no_new_one_is_learned(tmp_path: Path) -> None:
    users = ["ann", "bob", "cyd", "dan", "eve"]
    lines = [f"Dec 10 06:55:4{i} web1 sshd[{i}]: Invalid login {user} here" for i, user in enumerate(users)]
    path = write(tmp_path / "a.log", "\n".join(lines))
    opened = open_log(path)
    assert opened.table.vocabulary == ("sshd: Invalid login <*> here",)
    again = open_events(path, names=opened.names)
    assert again.table.fingerprint == opened.table.fingerprint
    other = write(tmp_path / "b.log", "\n".join([*lines[:2], "Dec 10 06:55:50 web1 kernel: module evil loaded"]))
    vocabulary = open_events(other, settings=LogSettings(format="syslog"), names=opened.names).table.vocabulary
    assert vocabulary == ("sshd: Invalid login <*> here", "kernel: module evil loaded")


def test_pages_that_were_never_seen_are_values_of_a_place_that_takes_many(tmp_path: Path) -> None:
    words = "alder birch cedar dogwood elder fir gorse hazel".split()  # noqa: SIM905
    posts = [f"/blog/{first}-{second}" for first in words for second in words]
    paths = [*posts, *["/login", "/"] * 60]
    train = [ACCESS.format(i % 7, i % 60, path) for i, path in enumerate(paths)]
    opened = open_log(write(tmp_path / "a.log", "\n".join(train)))
    assert set(opened.table.vocabulary) == {"GET /blog/<*> 200", "GET /login 200", "GET / 200"}
    new = write(tmp_path / "b.log", "\n".join(ACCESS.format(1, 1, f"/blog/new-{word}") for word in words))
    table = open_events(new, settings=LogSettings(format="web"), names=opened.names).table
    assert table.vocabulary == ("GET /blog/<*> 200",)
    odd = write(tmp_path / "c.log", ACCESS.format(1, 1, "/wp-admin"))
    table = open_events(odd, settings=LogSettings(format="web"), names=opened.names).table
    assert table.vocabulary == ("GET /wp-admin 200",)


# --- bad input


@anywhere
@given(raw=st.binary(max_size=300))
@pytest.mark.parametrize("name", [None, *FORMATS])
def test_arbitrary_bytes_of_a_log_end_in_a_table_or_a_named_error(tmp_path: Path, name: str | None, raw: bytes) -> None:
    path = write(tmp_path / "a.log", raw)
    try:
        open_log(path, format=name)
    except TrineError as error:
        message = str(error)
    else:
        message = "a.log"
    assert "a.log" in message


def test_an_empty_log_cannot_be_learned_but_scored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", b"")
    with pytest.raises(DataError, match=r"a\.log: the log is empty"):
        open_log(path)
    learned = open_log(write(tmp_path / "b.log", "\n".join([SYSLOG] * 3)))
    assert len(open_events(path, names=learned.names).table) == 0


def test_a_log_of_another_format_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line has the format strace; give another format, or a pattern"):
        open_log(write(tmp_path / "a.log", "something happened to disk 7"), format="strace")


def test_json_whose_event_nothing_names_says_which_fields_there_are(tmp_path: Path) -> None:
    lines = [json.dumps({"colour": "red", "shape": {"kind": "round"}, "n": i}) for i in range(5)]
    with pytest.raises(DataError, match=r"colour.*shape\.kind.*--event"):
        open_log(write(tmp_path / "a.json", "\n".join(lines)), format="json")


def test_a_log_that_is_cut_off_is_read_to_there_and_said(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(f"thing {i * i}" for i in range(600)).encode())
    opened = open_log(write(tmp_path / "a.log.gz", whole[: len(whole) // 2]))
    assert len(opened.table.events) > 100
    assert any("cut off or damaged" in remark for remark in opened.remarks)


def test_a_line_of_10_mb_is_cut_and_counted(tmp_path: Path) -> None:
    opened = open_log(write(tmp_path / "a.log", b"one\n" + b"x" * 10_000_000 + b"\nthree\n"))
    assert len(opened.table.events) == 3
    assert any("longer than" in remark and "line 2" in remark for remark in opened.remarks)


def test_invalid_utf_8_in_a_log_is_kept_and_counted(tmp_path: Path) -> None:
    opened = open_log(write(tmp_path / "a.log", b"caf\xe9 opens\n"))
    assert any("not UTF-8" in remark for remark in opened.remarks)


def test_lines_without_the_entity_are_in_a_session_of_their_own_and_counted(tmp_path: Path) -> None:
    lines = ["Dec 10 06:55:46 web1 a: b", SYSLOG, SYSLOG]
    opened = open_log(write(tmp_path / "a.log", "\n".join(lines)), entity="address")
    assert len(opened.table) == 2
    assert any("1 event names no address" in remark for remark in opened.remarks)


def test_an_unknown_format_or_entity_is_wrong_use(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", SYSLOG)
    with pytest.raises(UsageError, match=r"choose one of .*syslog"):
        open_log(path, format="nothing")
    with pytest.raises(UsageError, match="one of host, user"):
        open_log(path, entity="planet", format="syslog")


@pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")
def test_a_raw_ssh_log_becomes_sessions() -> None:
    path = Path(os.environ["TRINE_DATA"]) / "ssh" / "openssh_2k_loghub.log.gz"
    if not path.exists():
        pytest.skip("no such log in TRINE_DATA")
    opened = open_log(path, entity="address")
    assert "a session is one address" in opened.remarks[0]
    assert opened.reading is not None
    assert (opened.reading.events, opened.reading.unparsed) == (2000, 0)
    assert "sshd: Failed password for <*> from <*> port <*>" in opened.table.vocabulary
    assert len(opened.table.vocabulary) < 30
    assert len(opened.table) > 30


# --- JSON in one line


def cloud_trail(count: int) -> list[dict[str, object]]:
    return [
        {
            "eventTime": f"2024-05-01T10:{i // 60 % 60:02}:{i % 60:02}Z",
            "eventSource": "iam.amazonaws.com",
            "eventName": "ListUsers" if i % 2 else "GetUser",
            "sourceIPAddress": "192.0.2.1",
            "userIdentity": {"arn": "arn:aws:iam::123456789012:user/ann"},
            "requestParameters": {"text": "y" * 9_000},
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_an_export_of_megabytes_in_one_line_is_one_event_per_record(tmp_path: Path, name: str) -> None:
    content = json.dumps({"Records": cloud_trail(560)}).encode()
    assert len(content) > 5_000_000
    path = write(tmp_path / name, gzip.compress(content, 1) if name.endswith(".gz") else content)
    events, reading = read_events([path])
    assert (reading.format, reading.lines, reading.unparsed, reading.unaccounted) == ("cloudtrail", 1, 0, 0)
    assert [event.line for event in events] == [1] * 560
    assert {event.event for event in events} == {"iam:GetUser", "iam:ListUsers"}
    assert events[-1].time == 1714557600 + 559


def test_an_export_that_is_cut_off_is_read_to_there_and_the_rest_is_an_event(tmp_path: Path) -> None:
    content = json.dumps(cloud_trail(300)).encode()[:2_000_000]
    whole = content.count(b'y"}}')
    events, reading = read_events([write(tmp_path / "a.json", content)])
    assert (len(events), reading.unparsed, reading.unaccounted) == (whole + 1, 1, 0)
    assert events[-1].kind == "unparsed"


def test_a_long_line_of_json_is_cut_where_the_file_is_no_json_or_the_line_beyond_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps(cloud_trail(150)).encode()
    opened = open_log(write(tmp_path / "a.log", b"starting\n" + content))
    assert any("longer than" in remark and "line 2" in remark for remark in opened.remarks)
    monkeypatch.setattr(encodings, "MAX_JSON_LINE", 1_200_000)
    opened = open_log(write(tmp_path / "b.log", content))
    assert any("longer than" in remark and "line 1" in remark for remark in opened.remarks)
