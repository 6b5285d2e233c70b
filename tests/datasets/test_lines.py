import gzip
from pathlib import Path

import pytest

from trine.datasets.lines import NOT_UTF8, Skips, encodable, text_lines
from trine.errors import DataError


def lines_of(path: Path, content: bytes, **limit: int) -> tuple[list[tuple[int, str]], Skips]:
    path.write_bytes(content)
    skips = Skips(path.name)
    return list(text_lines(path, skips, **limit)), skips


def test_lines_are_counted_from_1_and_have_no_line_break(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "a", b"\xef\xbb\xbfone\r\n\ntwo")[0] == [(1, "one"), (2, ""), (3, "two")]


def test_the_content_and_not_the_name_says_what_is_gzip(tmp_path: Path) -> None:
    for name in ("a.gz", "a.txt"):
        for content in (b"one\n", gzip.compress(b"one\n")):
            assert lines_of(tmp_path / name, content)[0] == [(1, "one")]


def test_a_line_beyond_the_limit_is_left_out_by_number(tmp_path: Path) -> None:
    content = b"one\n" + b"x" * 10_000_000 + b"\nthree\r\n" + b"y" * (1 << 20)
    lines, skips = lines_of(tmp_path / "a.log", content)
    assert [(number, line[:5]) for number, line in lines] == [(1, "one"), (3, "three"), (4, "yyyyy")]
    assert skips.messages() == ("a.log: longer than 1,048,576 bytes, left out (1: line 2)",)
    assert skips.left_out == 1


def test_bytes_that_are_not_utf_8_are_kept_and_counted(tmp_path: Path) -> None:
    lines, skips = lines_of(tmp_path / "a.log", b"a \xff\nb\nc \xfe\n")
    assert lines == [(1, "a \\xff"), (2, "b"), (3, "c \\xfe")]
    assert skips.positions(NOT_UTF8) == ["line 1", "line 3"]
    assert skips.left_out == 0


def test_a_damaged_gzip_stream_names_the_last_good_line(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d things\n" % (i * i) for i in range(20_000)))
    with pytest.raises(DataError, match=r"a\.gz: the gzip stream is cut off or damaged after line \d+; get the file"):
        lines_of(tmp_path / "a.gz", whole[: len(whole) // 2])


def test_a_file_that_cannot_be_opened_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing: cannot be opened \(No such file or directory\)"):
        list(text_lines(tmp_path / "nothing", Skips("nothing")))


def test_skips_count_all_and_show_the_first_positions() -> None:
    skips = Skips("a.log")
    for number in range(5):
        skips.add("no event, left out", f"line {number}")
    skips.add("repaired", "line 9")
    assert skips.messages() == (
        "a.log: no event, left out (5: line 0, line 1, line 2, …)",
        "a.log: repaired (1: line 9)",
    )
    assert (skips.left_out, skips.positions("never")) == (5, [])


@pytest.mark.parametrize("count", [0, 1])
def test_less_read_than_left_out_is_an_error(count: int) -> None:
    skips = Skips("a.log")
    for number in range(2):
        skips.add("no event, left out", f"line {number}")
    read = "1 event" if count else "0 events"
    with pytest.raises(DataError, match=rf"a\.log: {read} could be read and 2 not \(a\.log: .*\); give more$"):
        skips.require(count, "event", "give more")
    skips.require(2, "event", "give more")


def test_lone_surrogates_are_written_out() -> None:
    assert encodable("a\ud800é") == "a\\ud800é"
