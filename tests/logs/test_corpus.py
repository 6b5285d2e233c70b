"""Every line of a corpus of log formats is read right, or said; none is lost in silence.

`corpus/` holds a small log for each kind, and beside each `NAME.truth.jsonl` with a row per event, written by hand:

- `line`: number of the (first) line; `kind`: `event`; `unparsed`, an event of another format; `header`, a line that
  belongs to the format and holds no event, also an empty one; `continued`, a further line of the event before.
- `time`: ISO; null if the line has none; `year-05-01T10:00:00Z` if the log does not say the year, `year+1-…` for the
  year after that of the first such line; `day 10:00:00.5` if the log says no date, `day+1 …` for the day after; `boot
  12.5` for seconds since an unknown moment.
- `entity`: the entities that the line names, by kind or column. Host and address are exact; the others are parts, so
  that `sshd[1201]` may be named `1201` and `ann` may be a part of an ARN.
- `event`: a part, or several, of the event's readable name.
"""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.logs.read_logs import read_events
from trine.log_formats.registry import FORMATS
from trine.logs import readers

CORPUS = Path(__file__).parent / "corpus"
LOGS = sorted(path for path in CORPUS.rglob("*") if path.is_file() and not path.name.endswith(".truth.jsonl"))
SETTINGS: dict[str, dict[str, Any]] = {
    "csv_comma.csv": {"event": ("action",), "entity": "user", "time": "time"},
    "csv_semicolon.csv": {"event": ("Aktion",), "entity": "Benutzer", "time": "Zeit"},
    "csv_tab.tsv": {"event": ("event",), "entity": "host", "time": "timestamp"},
}
"""What a user says about a log that names nothing by itself."""
KNOWN_SHORTFALLS: dict[str, str] = {}
"""Files of the corpus that are not read right yet, each with the reason."""
EXACT = ("host", "address")
TEXT = "apache_combined.log"
"""The log that is read again in other encodings and archives."""

Row = dict[str, Any]


def truth_of(path: Path) -> list[Row]:
    name = path.name if path.suffix in (".101", ".102") else path.stem
    return [json.loads(line) for line in (path.parent / f"{name}.truth.jsonl").read_text("utf-8").splitlines()]


def name_of(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


def number_of_lines(path: Path) -> int:
    return path.read_text("utf-8").count("\n")


# --- the corpus itself


def test_the_corpus_has_more_than_forty_kinds_of_logs():
    assert len({path.stem for path in LOGS}) >= 80


@pytest.mark.parametrize("path", LOGS, ids=name_of)
def test_every_line_of_a_log_has_a_truth(path):
    rows = truth_of(path)
    kinds: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        kinds[row["line"]].add(row["kind"])
        assert row["kind"] in {"event", "unparsed", "header", "continued"}
        assert (row["kind"] in {"event", "unparsed"}) == ("event" in row)
    assert list(kinds) == list(range(1, number_of_lines(path) + 1)), "each line once, in order"
    assert all(len(of_line) == 1 for of_line in kinds.values()), "a line is of one kind"


def test_every_truth_belongs_to_a_log():
    expected = {path.parent / f"{path.stem}.truth.jsonl" for path in LOGS if path.parent == CORPUS}
    assert set(CORPUS.glob("*.truth.jsonl")) == expected


# --- reading it


def read(paths: list[Path], name: str = "") -> tuple[list[Any], Any]:
    return read_events(paths, readers.LogSettings(**SETTINGS[name]) if name in SETTINGS else None)


@pytest.fixture
def known(request):
    """Marks a file with a known shortfall as one: it must fail."""
    path = request.getfixturevalue("path")
    if reason := KNOWN_SHORTFALLS.get(name_of(path)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("path", LOGS, ids=name_of)
def test_every_line_is_read_right_or_said(path):
    events, reading = read([path], name_of(path))
    check_lines(events, truth_of(path))
    check_times(events, truth_of(path))
    check_sum(events, reading, truth_of(path))


def check_lines(events: list[Any], truth: list[Row]) -> None:
    """Each event of the truth is read, with its entities and its name, and no other is."""
    expected = [row for row in truth if row["kind"] in {"event", "unparsed"}]
    assert sorted((event.line, event.kind) for event in events) == [(row["line"], row["kind"]) for row in expected]
    for event, row in zip(in_order(events), expected, strict=True):
        where = f"line {row['line']}: {event}"
        for kind, value in row["entity"].items():
            read_value = event.entities.get(kind, "")
            assert read_value == value if kind in EXACT else value in read_value, f"{where}: {kind} is {value}"
        for part in [row["event"]] if isinstance(row["event"], str) else row["event"]:
            assert part in event.event, f"{where}: {part!r} is not in the name"


def in_order(events: list[Any]) -> list[Any]:
    """By line; the events of one line stay in the order in which they were read."""
    return sorted(events, key=lambda event: event.line)


def check_sum(events: list[Any], reading: Any, truth: list[Row]) -> None:
    """No line is lost: each has an event, or is counted as something else."""
    lines = truth[-1]["line"]
    assert reading.lines == lines
    others = reading.headers + reading.continued + reading.blank + reading.left_out
    assert reading.unaccounted == 0
    assert others == sum(row["kind"] in {"header", "continued"} for row in truth)
    assert reading.events == sum(event.kind == "event" for event in events)
    assert reading.unparsed == sum(event.kind == "unparsed" for event in events)


def check_times(events: list[Any], truth: list[Row]) -> None:
    expected = [row for row in truth if row["kind"] in {"event", "unparsed"}]
    first: dict[str, float] = {}
    for event, row in zip(in_order(events), expected, strict=True):
        if row["kind"] == "unparsed":
            continue
        time, where = row["time"], f"line {row['line']}: {event}"
        if time is None:
            assert event.time is None, where
        elif time.startswith("boot"):
            assert event.time is not None, where
            zero = first.setdefault("boot", event.time - float(time.split()[1]))
            assert event.time - zero == pytest.approx(float(time.split()[1]), abs=2e-6), where
        else:
            assert event.time is not None, where
            assert event.time == pytest.approx(seconds_of(time, event.time, first), abs=2e-6), where


def seconds_of(time: str, read_time: float, first: dict[str, float]) -> float:
    """Seconds since 1970 of a time of the truth; the year or the day is that of the first event without one."""
    kind = time[:4] if time.startswith("year") else "day" if time.startswith("day") else ""
    if not kind:
        return datetime.fromisoformat(time).timestamp()
    head, _, rest = time.partition("-") if kind == "year" else time.partition(" ")
    ahead = int(head[len(kind) :] or 0)
    if kind == "year":
        year = int(first.setdefault("year", datetime.fromtimestamp(read_time).year - ahead))
        return datetime.fromisoformat(f"{year + ahead}-{rest}").timestamp()
    day = first.setdefault("day", read_time // 86400 - ahead)
    clock = datetime.fromisoformat(f"1970-01-01T{rest}+00:00").timestamp()
    return timedelta(days=day + ahead).total_seconds() + clock


def test_the_files_of_strace_ff_are_one_log_whose_processes_are_in_the_names():
    paths = [CORPUS / "strace_ff" / "trace.101", CORPUS / "strace_ff" / "trace.102"]
    events, reading = read(paths)
    assert sorted(event.entities["process"] for event in events) == ["101"] * 4 + ["102"] * 3
    assert reading.lines == 7


# --- the same log in other clothes


def compressed(compress: Callable[[bytes], bytes], suffix: str) -> Callable[[Path, bytes], Path]:
    def write(folder: Path, content: bytes) -> Path:
        path = folder / f"access.log{suffix}"
        path.write_bytes(compress(content))
        return path

    return write


def zipped(folder: Path, content: bytes) -> Path:
    with zipfile.ZipFile(folder / "access.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("access.log", content)
    return folder / "access.zip"


def tarred(folder: Path, content: bytes) -> Path:
    with tarfile.open(folder / "access.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("logs/access.log")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return folder / "access.tar.gz"


def recoded(encoding: str) -> Callable[[bytes], bytes]:
    return lambda content: content.decode("utf-8").encode(encoding)


CLOTHES: dict[str, Callable[[Path, bytes], Path]] = {
    "gz": compressed(gzip.compress, ".gz"),
    "bz2": compressed(bz2.compress, ".bz2"),
    "xz": compressed(lzma.compress, ".xz"),
    "zip": zipped,
    "tar": tarred,
    "UTF-16 with a byte order mark": compressed(recoded("utf-16"), ""),
    "UTF-16 big endian with a byte order mark": compressed(
        lambda content: b"\xfe\xff" + recoded("utf-16-be")(content), ""
    ),
    "UTF-8 with a byte order mark": compressed(lambda content: b"\xef\xbb\xbf" + content, ""),
    "CRLF": compressed(lambda content: content.replace(b"\n", b"\r\n"), ""),
    "no last line break": compressed(lambda content: content.rstrip(b"\n"), ""),
    "two members of gzip": compressed(
        lambda content: gzip.compress(content[:700]) + gzip.compress(content[700:]), ".gz"
    ),
    "a name that says nothing": compressed(gzip.compress, ".old"),
}


@pytest.mark.parametrize("clothes", CLOTHES)
@pytest.mark.parametrize("name", [TEXT, "python_logging.log", "windows_events.xml", "csv_comma.csv"])
def test_a_log_is_the_same_in_other_clothes(name, clothes, tmp_path):
    path = CLOTHES[clothes](tmp_path, (CORPUS / name).read_bytes())
    events, reading = read([path], name)
    check_lines(events, truth_of(CORPUS / name))
    check_times(events, truth_of(CORPUS / name))
    check_sum(events, reading, truth_of(CORPUS / name))


def rotated(folder: Path, lines: list[str]) -> Iterator[Path]:
    """A rotated set of the lines: the oldest are in `app.log.2.gz`, the newest in `app.log`."""
    thirds = [lines[:3], lines[3:6], lines[6:]]
    for name, part in zip(("app.log.2.gz", "app.log.1", "app.log"), thirds, strict=True):
        content = "".join(f"{line}\n" for line in part).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        yield folder / name


def test_a_rotated_set_is_read_in_the_order_of_its_times(tmp_path):
    lines = (CORPUS / "syslog_iso.log").read_text("utf-8").splitlines()
    lines = [line for line in lines if "web1 " in line and "leap day" not in line]
    paths = sorted(rotated(tmp_path, lines))
    for order in (paths, paths[::-1], [tmp_path]):
        events, reading = read(order)
        times = [event.time for event in events if event.kind == "event"]
        assert times == sorted(times)
        assert len(times) == len(lines) == reading.lines


def test_an_empty_log_has_no_events(tmp_path):
    path = tmp_path / "empty.log"
    path.write_bytes(b"")
    events, reading = read([path])
    assert events == []
    assert reading.lines == 0


def test_a_log_of_two_formats_loses_no_line(tmp_path):
    """A third of the lines in another format: each is an event, and those that do not fit are said to."""
    access = (CORPUS / "apache_common.log").read_text("utf-8").splitlines()[:4]
    auth = (CORPUS / "auth.log").read_text("utf-8").splitlines()[:2]
    path = tmp_path / "mixed.log"
    path.write_text("".join(f"{line}\n" for line in access[:2] + auth + access[2:]), "utf-8")
    events, reading = read([path])
    assert [event.line for event in in_order(events)] == [1, 2, 3, 4, 5, 6]
    assert reading.lines == 6
    assert reading.left_out == 0


LINES = sorted({line for path in LOGS for line in path.read_text("utf-8").splitlines()})


@settings(max_examples=60)
@given(name=st.sampled_from(list(FORMATS)), lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=12))
def test_whatever_the_lines_and_the_format_each_is_accounted_for(name, lines):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.log"
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        _, reading = read_events([path], readers.LogSettings(format=name))
    assert (reading.lines, reading.unaccounted) == (len(lines), 0)
