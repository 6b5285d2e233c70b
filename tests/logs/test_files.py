import bz2
import gzip
import io
import lzma
import os
import random
import sys
import tarfile
import tempfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.errors import DataError, UnsafeDataError, UsageError
from trine.log_formats.log_event import Line
from trine.logs.encodings import looks_like_text
from trine.logs.files import LogFiles
from trine.logs.sources import Tar

NOT_UTF8 = "not UTF-8, bytes kept as \\xNN"


def read(*paths: str | Path) -> tuple[list[str], Skips]:
    """The texts of a log and what was skipped."""
    skips = Skips("log")
    return [line.text for line in LogFiles(paths, skips)], skips


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_lines_have_their_source_and_number(tmp_path: Path) -> None:
    write(tmp_path / "a.log", b"2024-05-02 x\n2024-05-02 y\n")
    write(tmp_path / "a.log.1", b"2024-05-01 z")
    log = LogFiles([tmp_path], Skips("log"))
    assert log.names == (f"{tmp_path}/a.log.1", f"{tmp_path}/a.log")
    assert list(log) == [Line(0, 1, "2024-05-01 z"), Line(1, 1, "2024-05-02 x"), Line(1, 2, "2024-05-02 y")]
    assert all(type(line) is Line for line in log)


def test_the_last_line_needs_no_line_break(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a", b"x\n\ny"))[0] == ["x", "", "y"]
    assert read(write(tmp_path / "b", b"x\n\n"))[0] == ["x", ""]
    assert read(write(tmp_path / "c", b""))[0] == []


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    content = "a\x0bb\x0cc\u2028d\u0085e\rf\r\ng\r\r\nh\x1ci\n"
    assert read(write(tmp_path / "a", content.encode()))[0] == ["a\x0bb\x0cc\u2028d\u0085e\rf", "g", "h\x1ci"]


def test_bytes_that_are_not_utf8_are_kept_and_counted(tmp_path: Path) -> None:
    texts, skips = read(write(tmp_path / "a", b"good \xc3\xa4\nbad \xff\xfe\nnul \x00 here\n"))
    assert texts == ["good ä", "bad \\xff\\xfe", "nul \\x00 here"]
    assert skips.positions(NOT_UTF8) == ["line 2"]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b""),
        ("utf-16-be", b""), ("utf-32-le", b"\xff\xfe\0\0"), ("utf-32-be", b"\0\0\xfe\xff"),
    ],
)  # fmt: skip
def test_other_encodings_are_recognised(tmp_path: Path, encoding: str, mark: bytes) -> None:
    texts = [f"2024-05-01 10:00:00 Läufer 😀 {number}" for number in range(20_000)]
    path = write(tmp_path / "a.log", mark + "\r\n".join(texts).encode(encoding))
    assert read(path)[0] == texts
    assert read(tmp_path)[0] == texts


def test_utf16_that_is_damaged_is_kept_and_counted(tmp_path: Path) -> None:
    content = "one\ntwo".encode("utf-16-le") + b"\x00\xd8" + "\nthree".encode("utf-16-le") + b"\x41"
    texts, skips = read(write(tmp_path / "a", b"\xff\xfe" + content))
    assert texts[0] == "one"
    assert texts[1].startswith("two\\x")
    assert texts[2] == "three\\x41"
    assert "not UTF-16" in " ".join(skips.messages())


def test_escape_sequences_are_removed_and_nothing_else(tmp_path: Path) -> None:
    lines = {
        b"\x1b[31mERROR\x1b[0m disk \x1b[1;32;40mfull\x1b[K": "ERROR disk full",
        b"\x1b]0;title\x07shell": "shell",
        b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
        b"\x1b(Btext\x1b7": "text",
        b"cut \x1b[12": "cut \\x1b[12",
        b"open \x1b]0;never closed": "open \\x1b]0;never closed",
        b"twice \x1b\x1b[0m[0m": "twice \\x1b[0m",
        b"plain [0m": "plain [0m",
    }
    assert read(write(tmp_path / "a", b"\n".join(lines)))[0] == list(lines.values())


def test_a_very_long_line_is_cut_and_said(tmp_path: Path) -> None:
    long = b"x" * (1 << 20)
    content = b"first\n" + long + b"\n" + long + b"y\n" + "ä".encode() * 2_000_000 + b"\nlast\n" + b"z" * 3_000_000
    path = write(tmp_path / "a", content)
    texts, skips = read(path)
    assert [len(text) for text in texts] == [5, 1 << 20, 1 << 16, 1 << 15, 4, 1 << 16]
    assert skips.positions("longer than 1,048,576 bytes, cut to 65,536") == ["line 3", "line 4", "line 6"]
    assert skips.left_out == 0
    assert texts[3] == "ä" * (1 << 15)


def test_the_zero_bytes_of_a_truncated_copy_do_not_hide_the_line_behind_them(tmp_path: Path) -> None:
    for zeros in (1_100_000, 5_000_000, 1 << 20):
        texts, skips = read(write(tmp_path / "a", bytes(zeros) + b"here\nthere\n"))
        assert texts[-2][-4:] == "here"
        assert texts[-1] == "there"
    assert read(write(tmp_path / "a", b"x\n" + bytes(3_000_000)))[0] == ["x", ""]
    assert "zero bytes at the beginning, removed" in " ".join(skips.messages()) or texts[-2].startswith("\\x00")


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
LINES = b"".join(b"2024-05-01 10:00:00 line %d\n" % number for number in range(20_000))


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_compression_is_recognised_by_content_and_streams_can_follow_each_other(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path / "app.log", compress(LINES) + compress(b"and more\n"))
    texts, skips = read(path)
    assert texts == [*LINES.decode().splitlines(), "and more"]
    assert skips.messages() == ()
    assert (
        read(write(tmp_path / "padded", compress(LINES) + (b"" if compress is bytes else bytes(512))))[0] == texts[:-1]
    )


@pytest.mark.parametrize("name", ["gz", "bz2", "xz"])
def test_what_is_before_the_end_of_a_cut_off_stream_is_read(tmp_path: Path, name: str) -> None:
    noise = random.Random(0)
    lines = [b"%d\n" % noise.getrandbits(200) for _ in range(20_000)]
    packed = COMPRESSIONS[name](b"".join(lines))
    path = write(tmp_path / "a", packed[: len(packed) * 3 // 4])
    texts, skips = read(path)
    assert 1000 < len(texts) < 20_000
    assert texts[:-1] == [line.decode()[:-1] for line in lines[: len(texts) - 1]]
    assert skips.positions("cut off or damaged, the rest left out") == [f"after line {len(texts)} (cut off)"]


@pytest.mark.parametrize("name", ["gz", "bz2", "xz"])
def test_what_is_before_damage_is_read(tmp_path: Path, name: str) -> None:
    packed = COMPRESSIONS[name](LINES) + COMPRESSIONS[name](LINES)
    position = len(COMPRESSIONS[name](LINES)) + 200
    path = write(tmp_path / "a", packed[:position] + b"damage" * 20 + packed[position + 120 :])
    texts, skips = read(path)
    assert texts[:20_000] == LINES.decode().splitlines()
    assert "damaged" in " ".join(skips.messages())


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b", b"\x1f\x8bnonsense and more of it", b"BZh91AY&SYnonsense", b"\xfd7zXZ\x00nonsense"]
)
def test_a_file_of_which_nothing_can_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="nothing can be read; get the file again"):
        read(write(tmp_path / "a.gz", content))
    write(tmp_path / "b.log", b"good\n")
    texts, skips = read(tmp_path)
    assert texts == ["good"]
    assert skips.left_out == 1


def test_zstandard_needs_a_package(tmp_path: Path) -> None:
    content = bytes.fromhex("28b52ffd2400310000780a") + b"\0" * 20
    path = write(tmp_path / "a.zst", b"\x28\xb5\x2f\xfd" + content)
    try:
        import zstandard  # noqa: F401
    except ImportError:
        if sys.version_info < (3, 14):
            with pytest.raises(UsageError, match=r"pip install 'trine\[logs\]'"):
                read(path)


def test_zstandard_is_read_if_the_package_is_there(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(LINES)
    assert read(write(tmp_path / "a", packed + packed))[0] == LINES.decode().splitlines() * 2
    texts, skips = read(write(tmp_path / "b", packed + packed[: len(packed) // 2]))
    assert texts[:20_000] == LINES.decode().splitlines()
    assert skips.left_out == 1
    assert read(write(tmp_path / "c", zstandard.ZstdCompressor().compress(b"x" * 20_000_000)))[0] == ["x" * 65536]


def test_patterns_and_folders(tmp_path: Path) -> None:
    for name in ("a/x.log", "a/b/y.log", "a/.hidden/z.log", "a/.secret", "a/note.txt"):
        write(tmp_path / name, f"{name}\n".encode())
    write(tmp_path / "a/empty.log", b"")
    write(tmp_path / "a/picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    texts, skips = read(tmp_path / "a")
    assert texts == ["a/note.txt", "a/x.log", "a/b/y.log"]
    assert skips.positions("hidden, not read") == [f"{tmp_path}/a/.hidden", f"{tmp_path}/a/.secret"]
    assert skips.positions("empty, nothing to read") == [f"{tmp_path}/a/empty.log"]
    assert skips.positions("no text, left out") == [f"{tmp_path}/a/picture.png"]
    assert read(tmp_path / "*" / "*.log")[0] == ["a/x.log"]
    assert read(f"{tmp_path}/**/*.log")[0] == ["a/b/y.log", "a/x.log"]


def test_a_file_whose_name_looks_like_a_pattern_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a[1].log", b"one\n")
    write(tmp_path / "a1.log", b"other\n")
    assert read(tmp_path / "a[1].log")[0] == ["one"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.log", "missing.log: does not exist"), ("miss*.log", "no file matches"),
        ("a\0b", "does not exist"), ("x" * 5000, "does not exist"), ("nothing", "holds no text"),
    ],
)  # fmt: skip
def test_a_path_that_gives_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=message):
        read(path)


def test_an_empty_file_and_a_folder_of_empty_files_are_no_error(tmp_path: Path) -> None:
    path = write(tmp_path / "logs/app.log", b"")
    assert read(path)[0] == []
    assert read(tmp_path / "logs")[0] == []


def test_a_file_that_is_given_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "logs/a.log", b"one\n")
    (tmp_path / "link.log").symlink_to(path)
    texts, skips = read(path, path, tmp_path / "logs", tmp_path / "link.log", f"{tmp_path}/logs/*.log")
    assert texts == ["one"]
    assert skips.messages()[0].startswith(f"log: given twice, read once (4: {path}")


def test_a_copy_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "app.log", b"one\ntwo\n")
    write(tmp_path / "app.log.1", b"one\ntwo\n")
    write(tmp_path / "app.log.2", b"two\none\n")
    texts, skips = read(tmp_path)
    assert sorted(texts) == ["one", "one", "two", "two"]
    copy = f"{tmp_path}/app.log.1 of {tmp_path}/app.log"
    assert skips.positions("a copy of another file, read once") == [copy]


def test_links_to_folders_do_not_lead_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "logs/a.log", b"one\n")
    (tmp_path / "logs/circle").symlink_to(tmp_path / "logs")
    (tmp_path / "logs/nowhere.log").symlink_to(tmp_path / "missing")
    texts, skips = read(tmp_path / "logs")
    assert texts == ["one"]
    assert skips.positions("a link to a folder, not followed") == [f"{tmp_path}/logs/circle"]
    assert skips.positions("no regular file, not read") == [f"{tmp_path}/logs/nowhere.log"]


def test_rotated_files_are_read_in_the_order_of_their_times(tmp_path: Path) -> None:
    write(tmp_path / "app.log", b"2024-05-03 10:00:00 c\n")
    write(tmp_path / "app.log.1", b"2024-05-02 10:00:00 b\n")
    write(tmp_path / "app.log.2.gz", gzip.compress(b"2024-05-01 10:00:00 a\n"))
    assert [text[-1] for text in read(tmp_path)[0]] == ["a", "b", "c"]
    assert [text[-1] for text in read(f"{tmp_path}/app.log*")[0]] == ["a", "b", "c"]


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["-", "/dev/stdin"])
@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS.keys())
def test_standard_input_can_be_read_again(
    monkeypatch: pytest.MonkeyPatch, path: str, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", _Stdin(compress(LINES)))
    log = LogFiles([path, "-"], Skips("log"))
    assert log.names == ("-",)
    assert sum(1 for _ in log) == 20_000
    assert log.texts([(0, 3), (0, 19_999)]) == {
        (0, 3): "2024-05-01 10:00:00 line 2",
        (0, 19_999): "2024-05-01 10:00:00 line 19998",
    }
    assert sum(1 for _ in log) == 20_000


@pytest.mark.parametrize("mode", ["w", "zip"])
def test_an_archive_on_standard_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    path = tmp_path / "a"
    _zip(path, MEMBERS) if mode == "zip" else _tar(path, mode, MEMBERS)
    monkeypatch.setattr("sys.stdin", _Stdin(path.read_bytes()))
    with pytest.raises(DataError, match="-: an archive can only be read from a file"):
        read("-")


def test_a_file_that_is_hardly_text_is_read_if_it_is_named(tmp_path: Path) -> None:
    texts, skips = read(write(tmp_path / "wtmp", b"\x07\x00\x00\x00tty1\x00\x00\n"))
    assert texts == ["\x07\\x00\\x00\\x00tty1\\x00\\x00"]
    assert skips.positions("hardly text, read all the same") == [f"{tmp_path}/wtmp"]


def test_a_line_that_begins_like_a_compressed_file_is_text(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a", b"BZh is a name\n"))[0] == ["BZh is a name"]


def test_a_named_pipe_is_read_line_by_line_as_it_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = threading.Event()

    def writer() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(b"first\n")
            seen.wait(10)
            file.write(b"second\n")

    thread = threading.Thread(target=writer)
    thread.start()
    log = LogFiles([pipe], Skips("log"))
    lines = iter(log)
    assert next(lines).text == "first"
    seen.set()
    assert [line.text for line in lines] == ["second"]
    thread.join()
    assert log.texts([(0, 2), (0, 3)]) == {(0, 2): "second"}


def _tar(path: Path, mode: str, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1714557600
            archive.addfile(info, io.BytesIO(content))
    return path


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


MEMBERS = {
    "var/log/app.log": b"2024-05-03 10:00:00 c\n" * 3,
    "var/log/app.log.1": b"2024-05-02 10:00:00 b\n" * 3,
    "var/log/app.log.2.gz": gzip.compress(b"2024-05-01 10:00:00 a\n" * 3),
    "var/log/.hidden": b"2024-05-01 hidden\n",
    "var/log/wtmp": bytes(384),
    "var/log/old.zip": b"PK\x03\x04" + bytes(50),
    "var/log/empty": b"",
}


@pytest.mark.parametrize("name", ["logs.zip", "logs.tar", "logs.tar.gz", "logs.tar.bz2", "logs.tar.xz"])
def test_members_of_archives_are_read_as_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "logs.zip":
        _zip(path, MEMBERS)
    else:
        _tar(path, "w:" + name[8:].strip("."), MEMBERS)
    skips = Skips("log")
    log = LogFiles([path], skips)
    assert log.names == tuple(f"{path}:var/log/{name}" for name in ("app.log.2.gz", "app.log.1", "app.log"))
    assert [line.text[-1] for line in log] == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    assert log.texts([(2, 1), (0, 2)]) == {(2, 1): "2024-05-03 10:00:00 c", (0, 2): "2024-05-01 10:00:00 a"}
    assert skips.positions("hidden, not read") == [f"{path}:var/log/.hidden"]
    assert skips.positions("no text, left out") == [f"{path}:var/log/wtmp"]
    assert skips.positions("an archive in an archive, left out") == [f"{path}:var/log/old.zip"]
    assert [line.text for line in LogFiles([tmp_path], Skips("log"))] == [line.text for line in log]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_two_readers_of_one_archive_do_not_disturb_each_other(tmp_path: Path, mode: str) -> None:
    members = {f"{number:03}.log": b"line %d\n" % number * 20_000 for number in range(4)}
    log = LogFiles([_tar(tmp_path / "a.tar", mode, members)], Skips("log"))
    texts = []
    for line in log:
        texts.append(line.text)
        if line.number % 10_000 == 5000:
            assert log.texts([(3 - line.source, 20_000)]) == {(3 - line.source, 20_000): f"line {3 - line.source}"}
    assert texts == [f"line {number}" for number in range(4) for _ in range(20_000)]


def test_a_compressed_archive_is_unpacked_few_times_however_many_members_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"{number:03}.log": b"2024-05-01 line of %d\n" % number for number in range(50)}
    path, begun, unpack = _tar(tmp_path / "a.tar.gz", "w:gz", members), [], Tar._unpacked
    monkeypatch.setattr(Tar, "_unpacked", lambda tar: begun.append(tar) or unpack(tar))
    assert len(read(path)[0]) == 50
    assert len(begun) <= 5  # the list, the beginnings, the comparison, the times, the lines


def test_what_is_before_the_end_of_a_cut_off_archive_is_read(tmp_path: Path) -> None:
    noise = random.Random(0)
    members = {f"{number}.log": b"%d\n" % noise.getrandbits(200) * 1000 for number in range(9)}
    path = _tar(tmp_path / "a.tar", "w", members)
    path.write_bytes(path.read_bytes()[:200_000])
    texts, skips = read(path)
    assert texts[:1000] == [members["0.log"].split(b"\n")[0].decode()] * 1000
    assert skips.left_out >= 1


def test_links_and_evil_names_in_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("link.log")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        info = tarfile.TarInfo("good.log")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"good\n"))
    texts, skips = read(path)
    assert texts == ["good"]
    assert skips.positions("a link or special file in an archive, not read") == [f"{path}:link.log"]
    with pytest.raises(UnsafeDataError, match="leaves the archive's folder"):
        read(_zip(tmp_path / "a.zip", {"../evil.log": b"x\n"}))


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_bomb_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"bomb.{kind}"
    zeros = b"0" * ((70 if kind == "zip" else 135) * 2**20)
    if kind == "zip":
        _zip(path, {"a.log": zeros})
    else:
        _tar(path, "w:gz", {"a.log": zeros, "b.log": b"x\n"})
    with pytest.raises(UnsafeDataError, match="100 times its size"):
        read(path)


def test_a_damaged_zip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the zip archive is damaged or cut off"):
        read(write(tmp_path / "a.zip", _zip(tmp_path / "b", MEMBERS).read_bytes()[:200]))


def test_repairs_are_counted_once_however_often_the_lines_are_read(tmp_path: Path) -> None:
    skips = Skips("log")
    write(tmp_path / "b.log", gzip.compress(LINES)[:-100])
    log = LogFiles([write(tmp_path / "a.log", b"good\n\xff\n" * 2), tmp_path / "b.log"], skips)
    next(iter(log))
    for _ in range(3):
        list(log)
    log.texts([(0, 1), (1, 1)])
    assert skips.positions(NOT_UTF8) == [f"{tmp_path}/a.log line 2", f"{tmp_path}/a.log line 4"]
    assert skips.left_out == 1


def test_texts_leave_out_what_does_not_exist(tmp_path: Path) -> None:
    log = LogFiles([write(tmp_path / "a.log", b"one\ntwo\n")], Skips("log"))
    assert log.texts([(0, 2), (0, 0), (0, 3), (-1, 1), (1, 1), (0, 2)]) == {(0, 2): "two"}
    assert log.texts([]) == {}


def test_text_is_told_from_what_is_none() -> None:
    assert looks_like_text(b"2024-05-01 10:00:00 up\n")
    assert looks_like_text("Zugriff verweigert für Jörg\n".encode("latin-1"))
    assert looks_like_text("日本語のログ\n".encode())
    assert looks_like_text("日本語のログ\n".encode()[:-3])
    assert looks_like_text("line\n".encode("utf-16"))
    assert looks_like_text(b"\x1b[31mred\x1b[0m\n" * 10)
    assert not looks_like_text(b"")
    assert not looks_like_text(bytes(384))
    assert not looks_like_text(random.Random(0).randbytes(4096))
    assert not looks_like_text(b"\x7fELF\x02\x01\x01" + bytes(9))
    assert not looks_like_text(b"%PDF-1.7\n")
    assert not looks_like_text(b"SQLite format 3\0" + b"text " * 100)


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", LINES * 3 + b"x" * 8_000_000 + b"\n" + LINES * 3)
    tracemalloc.start()
    assert sum(1 for _ in LogFiles([path], Skips("log"))) == 120_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


CONTENT = st.lists(
    st.binary(max_size=30).map(lambda raw: raw.translate(None, b"\n\r\x1b\0"))
    | st.sampled_from(
        [b"", b"2024-05-01 10:00:00 up", b"x" * 70_000, "Läufer".encode(), b"\xff\xfe", b"a" * 1_000_000]
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(CONTENT, st.data())
def test_what_was_written_is_read_whatever_the_files_and_compressions(lines: list[bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths, rest, number = [], list(lines), 0
        while rest:
            taken = data.draw(st.integers(1, len(rest)))
            part, rest = rest[:taken], rest[taken:]
            compress = data.draw(st.sampled_from(list(COMPRESSIONS.values())))
            head = b"2024-05-01 00:00:%02d file %d\n" % (number, number)  # orders the files, and makes them different
            content = head + b"".join(line + b"\n" for line in part)
            cut = data.draw(st.integers(0, len(content)))
            packed = compress(content[:cut]) + compress(content[cut:]) if cut else compress(content)
            paths.append(write(Path(folder) / f"{data.draw(st.integers(0, 9))}-{number}", packed))
            number += 1
        if not paths:
            return
        log = LogFiles(data.draw(st.permutations(paths)), Skips("log"))
        read_lines = list(log)
        texts = [line.text for line in read_lines if not line.text.startswith("2024-05-01 00:00:")]
        assert texts == [line.decode(errors="backslashreplace") for line in lines]
        wanted = data.draw(st.lists(st.sampled_from(read_lines), max_size=5))
        assert log.texts([(line.source, line.number) for line in wanted]) == {
            (line.source, line.number): line.text for line in wanted
        }


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from(
        [b"", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0", b"PK\x03\x04", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]
    ),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(content: bytes, prefix: bytes, in_folder: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.log", prefix + content)
        try:
            texts, skips = read(folder if in_folder else path)
        except DataError:
            return
        assert texts or skips.messages() or (prefix + content) in (b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 4000), st.sampled_from(["w", "w:gz", "w:xz", "zip"]), st.binary(min_size=1, max_size=8))
def test_a_damaged_archive_is_read_or_refused(position: int, mode: str, damage: bytes) -> None:
    members = {name: content for name, content in MEMBERS.items() if content}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        _zip(path, members) if mode == "zip" else _tar(path, mode, members)
        content = path.read_bytes()
        path.write_bytes(content[:position] + damage + content[position + len(damage) :])
        try:
            read(path)
        except DataError:
            return


# ---- copies

TRACE = b'execve("/bin/ls", ["ls"], 0x7ffd) = 0\nclose(3) = 0\n+++ exited with 0 +++\n'


def test_two_processes_that_did_the_same_are_no_copies_of_each_other(tmp_path: Path) -> None:
    for name in ("trace.101", "trace.102", "trace.20003"):
        write(tmp_path / name, TRACE)
    texts, skips = read(tmp_path)
    assert (len(texts), skips.messages()) == (9, ())


def test_a_copy_of_the_trace_of_one_process_is_one(tmp_path: Path) -> None:
    for name in ("trace.101", "trace.102", "saved/trace.101", "saved/trace.102"):
        write(tmp_path / name, TRACE)
    texts, skips = read(tmp_path)
    assert len(texts) == 6
    assert len(skips.positions("a copy of another file, read once")) == 2


def test_equal_traces_whose_lines_name_their_process_are_copies(tmp_path: Path) -> None:
    for name in ("trace.1", "trace.2"):
        write(tmp_path / name, b"".join(b"77 " + line + b"\n" for line in TRACE.splitlines()))
    texts, skips = read(tmp_path)
    assert len(texts) == 3
    assert skips.positions("a copy of another file, read once") == [f"{tmp_path}/trace.2 of {tmp_path}/trace.1"]
