"""Files that are written, rotated, compressed, truncated and removed while they are read: every line once."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.following import Follower
from trine.live import file_source, identity, tail
from trine.live.file_source import FileSource


def follow(*patterns: Path | str) -> Follower:
    return Follower(lambda: FileSource([str(pattern) for pattern in patterns]))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look and search at every poll; a rotated file's last line is whole at once."""
    for name in ("POLL", "SEARCH", "PAUSE"):
        monkeypatch.setattr(file_source, name, 0.0)


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def test_lines_arrive_as_they_are_written_and_a_half_line_waits(tmp_path):
    path = tmp_path / "app.log"
    append(path, "one\ntwo\nthr")
    follower = follow(path)
    assert follower.until(2) == ["one", "two"]
    append(path, "ee\nfour\n")
    assert follower.until(4) == ["one", "two", "three", "four"]
    assert follower.lines[2] == (str(path), 3, "three")


def test_a_line_arrives_within_a_tenth_of_a_second(tmp_path):
    path = tmp_path / "app.log"
    append(path, "begin\n")
    follower = follow(path)
    follower.until(1)
    delays = []
    for i in range(10):
        append(path, f"line {i}\n")
        written = time.monotonic()
        while not follower.poll() and time.monotonic() < written + 2:
            time.sleep(0.005)
        delays.append(time.monotonic() - written)
    assert sorted(delays)[5] < 0.1


def test_files_that_appear_later_are_read_from_their_beginning(tmp_path, at_once):
    follower = follow(tmp_path / "*.log", tmp_path / "later" / "named.txt")
    follower.poll()
    append(tmp_path / "a.log", "a1\n")
    assert follower.until(1) == ["a1"]
    (tmp_path / "later").mkdir()
    append(tmp_path / "later" / "named.txt", "n1\n")
    append(tmp_path / "b.log", "b1\n")
    assert sorted(follower.until(3)) == ["a1", "b1", "n1"]


def test_a_folder_stands_for_the_texts_below_it(tmp_path):
    (tmp_path / "logs" / "x").mkdir(parents=True)
    append(tmp_path / "logs" / "a.log", "a\n")
    append(tmp_path / "logs" / "x" / "b", "b\n")
    append(tmp_path / "logs" / ".hidden", "no\n")
    append(tmp_path / "logs" / "data.bin", bytes(range(256)) * 8)
    follower = follow(tmp_path / "logs")
    assert sorted(follower.until(2)) == ["a", "b"]
    assert "no text, left out" in follower.reasons


@pytest.mark.parametrize("packed", [False, True])
def test_the_head_of_a_file_is_known_after_a_restart(tmp_path, packed, at_once):
    path = tmp_path / "table.csv"
    rows = ["time,user,event", *(f"{i},ann,login" for i in range(50))]
    append(path, "".join(f"{row}\n" for row in rows))
    follower = follow(path)
    follower.until(51)
    follower.kill()
    append(path, "51,bob,logout\n")
    if packed:
        subprocess.run(["gzip", path], check=True)
        path.with_suffix(".csv.gz").rename(tmp_path / "table.csv.1.gz")
    follower.start()
    (batch,) = follower.source.poll(10)
    assert [line.text for line in batch.lines] == ["51,bob,logout"]
    assert follower.source.head(batch.lines[0].source) == rows[:20]
    follower.kill()


def test_a_file_that_may_not_be_read_is_named_once_and_read_when_it_may(tmp_path, at_once, monkeypatch):
    path = tmp_path / "app.log"
    append(path, "one\n")
    really = os.open

    def refuse(name, *rest, **more):
        if name == path:
            raise PermissionError(13, "Permission denied", str(path))
        return really(name, *rest, **more)

    with monkeypatch.context() as patch:  # the tests run as root, who may read everything
        patch.setattr("os.open", refuse)
        follower = follow(path)
        for _ in range(5):
            follower.poll()
    assert f"cannot be read (Permission denied), left out (1: {path})" in follower.reasons
    append(path, "two\n")
    assert follower.until(2) == ["one", "two"]


def test_an_archive_is_named_and_left_out(tmp_path):
    append(tmp_path / "a.log", "a\n")
    for name in ("logs.zip", "logs.tar.gz"):
        shutil.make_archive(str(tmp_path / "logs"), {"logs.zip": "zip"}.get(name, "gztar"), tmp_path, "a.log")
        follower = follow(tmp_path / name, tmp_path / "a.log")
        assert follower.until(1) == ["a"]
        assert f"an archive, left out (1: {tmp_path / name})" in follower.reasons


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_rotation_while_reading(tmp_path, pattern, method, at_once):
    path = tmp_path / "app.log"
    append(path, "1\n2\n")
    follower = follow(tmp_path / pattern)
    follower.until(2)
    append(path, "3\n")  # not read before the rotation
    if method == "rename":
        path.rename(tmp_path / "app.log.1")
        append(tmp_path / "app.log.1", "4\n")  # the program still writes to the file that it has open
        append(path, "5\n")
    else:
        shutil.copy(path, tmp_path / "app.log.1")
        follower.poll(commit=True)
        append(path, "")
        os.truncate(path, 0)
        append(tmp_path / "app.log.1", "4\n")
        append(path, "5\n")
    assert sorted(follower.until(5)) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("rotations", [1, 3])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_rotation_while_nothing_reads(tmp_path, rotations, compress, pattern, at_once):
    path, numbers = tmp_path / "app.log", count()
    append(tmp_path / "app.log.5", "2026-01-01T00:00:00Z old, from before the start\n")

    def write(lines: int) -> list[str]:
        texts = [f"2026-05-01T10:00:{number:02}Z event {number}" for number in (next(numbers) for _ in range(lines))]
        append(path, "".join(f"{text}\n" for text in texts))
        return texts

    written = write(3)
    follower = follow(tmp_path / pattern)
    before = follower.until(3 + (pattern != "app.log"))
    follower.kill()
    for _ in range(rotations):
        written += write(2)
        for number in range(3, 0, -1):
            for ending in ("", ".gz"):
                old = tmp_path / f"app.log.{number}{ending}"
                if old.exists():
                    old.rename(tmp_path / f"app.log.{number + 1}{ending}")
        path.rename(tmp_path / "app.log.1")
        if compress:
            subprocess.run(["gzip", tmp_path / "app.log.1"], check=True)
    written += write(2)
    follower.start()
    follower.until(len(written) + len(before) - 3)
    assert follower.texts[len(before) :] == written[3:]


def test_a_file_that_is_overwritten_in_place_is_read_from_its_beginning(tmp_path, at_once):
    path = tmp_path / "app.log"
    append(path, "header\nold 1\nold 2\n")
    follower = follow(path)
    follower.until(3)
    path.write_text("header\nnew 1\nnew 2 and longer than before\n")
    assert follower.until(6)[3:] == ["header", "new 1", "new 2 and longer than before"]


def test_files_with_the_same_long_header_are_different_files(tmp_path, at_once):
    header = "".join(f"#Fields {i} {'x' * 100}\n" for i in range(20))
    append(tmp_path / "a.log", header + "a 1\n")
    follower = follow(tmp_path / "*.log")
    follower.until(21)
    append(tmp_path / "b.log", header + "b 1\n")
    assert follower.until(42)[-1] == "b 1"
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", header + "a 2\n")
    assert follower.until(63)[-1] == "a 2"
    assert len(follower.lines) == 63


def test_logs_without_times_that_repeat_themselves_are_read_through_rotation(tmp_path, at_once):
    path = tmp_path / "app.log"
    append(path, "ping\nping\n")
    follower = follow(path)
    follower.until(2)
    for number in (1, 2, 3):
        path.rename(tmp_path / f"app.log.{number}")
        append(path, "ping\nping\n")
        assert len(follower.until(2 + 2 * number)) == 2 + 2 * number


def test_a_removed_file_is_read_to_its_end_and_named(tmp_path, at_once, caplog):
    path = tmp_path / "app.log"
    append(path, "one\n")
    follower = follow(path)
    follower.until(1)
    append(path, "two\nthree without a break")
    path.unlink()
    with caplog.at_level("INFO", "trine.live"):
        assert follower.until(3) == ["one", "two", "three without a break"]
    assert f"{path}: removed" in caplog.text


def test_what_was_removed_while_nothing_read_is_named(tmp_path, at_once):
    path = tmp_path / "app.log"
    append(path, "one\ntwo\n")
    follower = follow(path)
    follower.until(2)
    follower.kill()
    path.unlink()
    append(path, "another file\n")
    follower.start()
    assert follower.until(3) == ["one", "two", "another file"]
    assert f"{path} line 2" in follower.reasons
    assert "lost" in follower.reasons


def test_a_compressed_part_that_is_still_being_written_is_waited_for(tmp_path, at_once, monkeypatch):
    path = tmp_path / "app.log"
    lines = [f"line {i} {os.urandom(8).hex()}" for i in range(2000)]
    append(path, "".join(f"{line}\n" for line in lines[:1000]))
    follower = follow(path)
    follower.until(1000)
    follower.kill()
    append(path, "".join(f"{line}\n" for line in lines[1000:]))
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    append(path, "new\n")
    append(tmp_path / "app.log.1.gz", packed[: len(packed) // 2])
    monkeypatch.setattr(file_source, "PAUSE", 5.0)
    follower.start()
    follower.until(1500, 1)
    append(tmp_path / "app.log.1.gz", packed[len(packed) // 2 :])
    follower.until(2001)
    assert sorted(follower.texts) == sorted([*lines, "new"])


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_a_part_that_was_read_and_is_compressed_slowly_is_not_read_again(tmp_path, at_once, monkeypatch, pattern):
    monkeypatch.setattr(file_source, "KEPT", 0.0)
    path = tmp_path / "app.log"
    lines = [f"line {i} {os.urandom(8).hex()}" for i in range(2000)]
    append(path, "".join(f"{line}\n" for line in lines))
    follower = follow(tmp_path / pattern)
    follower.until(2000)
    path.rename(tmp_path / "app.log.1")
    append(path, "new 1\n")
    follower.until(2001)
    path.rename(tmp_path / "app.log.2")  # the parts are looked at again, while one of them is being compressed
    append(path, "new 2\n")
    packed = gzip.compress((tmp_path / "app.log.1").read_bytes())
    append(tmp_path / "app.log.1.gz", packed[: len(packed) // 2])
    (tmp_path / "app.log.1").unlink()
    follower.until(2002)
    append(tmp_path / "app.log.1.gz", packed[len(packed) // 2 :])
    follower.until(2003, 0.5)
    follower.kill()
    follower.start()
    follower.until(2003, 0.5)
    assert sorted(follower.texts) == sorted([*lines, "new 1", "new 2"])


def test_a_compressed_part_is_unpacked_once(tmp_path, at_once, monkeypatch):
    for number in (1, 2, 3):
        (tmp_path / f"app.log.{number}.gz").write_bytes(
            gzip.compress(b"".join(b"%d line\n" % number for _ in range(9)))
        )
    append(tmp_path / "app.log", "now\n")
    follower = follow(tmp_path / "app.log*")
    follower.until(28)
    follower.kill()
    follower.start()
    unpacked = []
    really = identity.chunks_of
    monkeypatch.setattr(identity, "chunks_of", lambda file: unpacked.append(file) or really(file))
    for number in (3, 2, 1):
        (tmp_path / f"app.log.{number}.gz").rename(tmp_path / f"app.log.{number + 1}.gz")
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    append(tmp_path / "app.log", "next\n")
    assert len(follower.until(29)) == 29
    assert unpacked == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_encodings_and_colours(tmp_path, encoding):
    path = tmp_path / "app.log"
    append(path, "\x1b[31mgrün\x1b[0m\r\nzwei\nsieben und acht\ndr".encode(encoding))
    follower = follow(path)
    follower.until(3)
    follower.kill()
    follower.start()
    append(path, "ei\n".encode(encoding.replace("-sig", "") + ("-le" if encoding in ("utf-16", "utf-32") else "")))
    assert follower.until(4) == ["grün", "zwei", "sieben und acht", "drei"]


def test_bad_bytes_and_long_lines_are_kept_as_far_as_they_can_be_counted_and_named(tmp_path):
    path = tmp_path / "app.log"
    append(path, b"good\nbad \xff\xfe\n")
    append(path, b"x" * 10_000_000 + b"\n" + b"after\n")
    follower = follow(path)
    texts = follower.until(4)
    assert [text[:20] for text in texts] == ["good", "bad \\xff\\xfe", "x" * 20, "after"]
    assert len(texts[2]) == 1 << 16
    assert "not UTF-8, bytes kept as \\xNN (1:" in follower.reasons
    assert f"cut to 65,536 (1: {path} line 3)" in follower.reasons


def test_a_long_line_is_cut_once_even_if_reading_stops_in_its_middle(tmp_path):
    path = tmp_path / "app.log"
    append(path, b"x" * 3_000_000)
    follower = follow(path)
    follower.until(1)
    follower.kill()
    follower.start()
    append(path, b"x" * 3_000_000 + b"\nafter\n")
    assert [text[:5] for text in follower.until(2)] == ["xxxxx", "after"]


MARKS = [b"", b"\xff\xfe", b"\x1f\x8b"]

OPERATIONS = st.sampled_from(
    ["write", "write", "half", "poll", "poll", "lost poll", "restart", "rename", "copytruncate", "gzip"]
)


@settings(max_examples=60)
@given(operations=st.lists(OPERATIONS, min_size=3, max_size=25), glob=st.booleans(), data=st.data())
def test_every_line_once_whatever_happens(operations, glob, data):
    """Writing, rotation, compression, stops and restarts in any order."""
    constants = {(module, name): getattr(module, name) for module, name in QUICK}
    for module, name in QUICK:
        setattr(module, name, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _run(Path(folder), operations, glob, data)
        finally:
            for (module, name), value in constants.items():
                setattr(module, name, value)


QUICK = [(file_source, "POLL"), (file_source, "SEARCH"), (tail, "COPYING"), (file_source, "COPYING")]


def _run(folder: Path, operations: list[str], glob: bool, data: st.DataObject) -> None:
    path, numbers, written, half = folder / "app.log", count(), [], ""
    path.touch()
    follower = follow(folder / ("app.log*" if glob else "app.log"))
    follower.poll()
    for operation in operations:
        parts = sorted(folder.glob("app.log.*"), key=lambda part: int(part.name.split(".")[2]))
        if operation in ("rename", "copytruncate"):
            for part in reversed(parts):
                number = int(part.name.split(".")[2])
                part.rename(str(part).replace(f"log.{number}", f"log.{number + 1}"))
        if operation == "write":
            lines = [f"{next(numbers)} {data.draw(st.sampled_from(['', 'x' * 50, 'y' * 2000]))}" for _ in range(3)]
            append(path, "".join(f"{line}\n" for line in lines))
            written, half = [*written, half + lines[0], *lines[1:]], ""
        elif operation == "half":
            text = f"half {next(numbers)} "
            append(path, text)
            half += text
        elif operation == "poll":
            follower.poll(data.draw(st.sampled_from([1, 5, 1000])))
        elif operation == "lost poll":
            follower.poll(commit=False)
            follower.kill()
            follower.start()
        elif operation == "restart":
            follower.kill()
            follower.start()
        elif operation == "rename":
            append(path, "\n" if half else "")
            written, half = [*written, half] if half else written, ""
            path.rename(folder / "app.log.1")
            path.touch()
        elif operation == "copytruncate":
            append(path, "\n" if half else "")
            written, half = [*written, half] if half else written, ""
            shutil.copy(path, folder / "app.log.1")
            os.truncate(path, 0)
        elif parts and parts[0].suffix != ".gz":
            subprocess.run(["gzip", "-f", parts[0]], check=True)
    for _ in range(8):
        follower.poll()
    follower.kill()
    assert sorted(follower.texts) == sorted(written)


READER = """
import json, sys, time
from trine.live.file_source import FileSource
path, store = sys.argv[1:]
source = FileSource([path])
try: position = json.loads(open(store).readlines()[-1])["position"]
except (OSError, IndexError): position = None
source.resume(position)
out = open(store, "a")
while True:
    for batch in source.poll(500):
        out.write(json.dumps({"lines": [line.text for line in batch.lines], "position": batch.position}) + "\\n")
        out.flush()
    time.sleep(0.01)
"""


def test_kill_9_between_batches_loses_and_repeats_nothing(tmp_path):
    path, store, written = tmp_path / "app.log", tmp_path / "store", []
    path.touch()
    for round_ in range(6):
        reader = subprocess.Popen([sys.executable, "-c", READER, path, store])
        while not store.exists() or not store.stat().st_size:
            time.sleep(0.05)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            lines = [f"{len(written) + i} event" for i in range(200)]
            append(path, "".join(f"{line}\n" for line in lines))
            written += lines
            if len(written) % 3000 == 0:
                for number in range(60, 0, -1):
                    old = tmp_path / f"app.log.{number}"
                    if old.exists():
                        old.rename(tmp_path / f"app.log.{number + 1}")
                path.rename(tmp_path / "app.log.1")
            time.sleep(0.02)
        if round_ == 5:
            time.sleep(2)
        reader.kill()
        reader.wait()
        if store.exists() and not store.read_text().endswith("\n"):  # a torn last batch was never committed
            whole = store.read_text().rpartition("\n")[0]
            store.write_text(whole + "\n" if whole else "")
    read = [text for line in store.read_text().splitlines() for text in json.loads(line)["lines"]]
    assert read == written


def test_a_file_that_nothing_here_unpacks_is_named_and_left_out(tmp_path, monkeypatch):
    for module in ("compression", "zstandard"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "app.log").write_text("one\n")
    (tmp_path / "app.log.2.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(40))
    follower = follow(tmp_path / "app.log*")
    assert follower.until(1) == ["one"]
    assert "needs Python 3.14 or the package zstandard" in follower.reasons
    follower.kill()


@pytest.mark.parametrize("header", [True, False])
def test_random_bytes_never_stop_the_source(tmp_path, header):
    @settings(max_examples=40)
    @given(
        pieces=st.lists(st.binary(max_size=300), max_size=6), encoding=st.sampled_from([b"", b"\xff\xfe", b"\x1f\x8b"])
    )
    def check(pieces, encoding):
        path = Path(tempfile.mkdtemp(dir=tmp_path)) / "app.log"
        path.write_bytes(encoding if header else b"")
        follower = follow(path)
        for piece in pieces:
            append(path, piece)
            follower.source._next_look = 0
            follower.poll()
        follower.kill()
        if not header:
            whole = b"".join(pieces)
            if not identity.is_compressed(whole) and b"\0" not in whole and whole[:2] not in (b"\xff\xfe", b"\xfe\xff"):
                assert len(follower.lines) <= whole.count(b"\n")

    check()


def test_position_of_a_thousand_files_is_small_and_quick(tmp_path):
    for i in range(1000):
        append(tmp_path / f"{i}.log", f"first line of {i}\n")
    follower = follow(tmp_path / "*.log")
    follower.until(1000)
    began = time.process_time()
    for _ in range(10):
        follower.source._next_look = 0
        follower.poll()
    assert time.process_time() - began < 1.0
    assert len(follower.position or "") < 400_000
