from pathlib import Path

import pytest

from trine.errors import DataError, UsageError
from trine.logs.check import check_log
from trine.logs.readers import LogSettings

GET = '192.0.2.{} - - [10/Oct/2024:13:{:02}:00 +0000] "GET {} HTTP/1.1" 200 26 "-" "Mozilla/5.0"'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    lines = [GET.format(i % 3, i, "/login" if i % 2 else "/") for i in range(20)]
    path = tmp_path / "access.log"
    path.write_text("\n".join([*lines, "oh no, another format altogether", ""]))
    return path


def test_a_check_says_format_share_sessions_kinds_times_and_odd_lines(log: Path) -> None:
    checked = check_log([log])
    assert list(checked.formats.values()) == ["web"]
    assert "web fits 95" in checked.why[0]
    assert (checked.entity, checked.entities, checked.sessions) == ("address", 3, 4)
    assert sum(kind.count for kind in checked.kinds) == 20
    kinds = {kind.event: (kind.count, kind.line) for kind in checked.kinds}
    assert kinds == {"GET / 200": (10, 1), "GET /login 200": (10, 2)}
    assert checked.kinds[0].text.startswith("192.0.2.")
    (odd,) = checked.unparsed
    assert (odd.line, odd.text) == (21, "oh no, another format altogether")
    assert (checked.first_time, checked.last_time) == (1728565200.0, 1728565200.0 + 19 * 60)
    assert checked.reading.lines == 21


def test_a_check_reads_as_the_settings_say(log: Path) -> None:
    assert check_log([log], LogSettings(format="plain")).sessions == 1
    assert check_log([log], LogSettings(window_events=5, format="plain")).sessions == 5


def test_a_log_without_lines_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("")
    with pytest.raises(DataError, match="the log is empty"):
        check_log([tmp_path / "empty.log"])


def test_files_with_equal_guesses_are_on_one_line(tmp_path: Path) -> None:
    for i in range(6):
        (tmp_path / f"trace.{i}").write_text(f'openat(3, "/etc/{i}") = 4\nclose(4) = 0\n')
    checked = check_log([tmp_path])
    shown = ", ".join(f"{tmp_path}/trace.{i}" for i in (5, 4, 3))
    assert checked.why == (f"{shown} and 3 more: strace fits 100 % of the first lines",)
    assert "looks like strace (strace fits 100 % of the first lines)" in checked.remarks[0]


def test_the_guess_says_when_an_option_leaves_formats_out(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    rows = [f'{{"ts": {1714557600 + i}, "kind": "login"}}' for i in range(9)]
    path.write_text("\n".join([*rows, "odd"]))
    checked = check_log([path], LogSettings(event=("kind",)))
    assert checked.why == (
        f"{path}: json fits 90 % of the first lines; only formats with fields were tried, for --event kind",
    )
    path.write_text("\n".join(rows))
    assert check_log([path], LogSettings(event=("kind",))).why == (f"{path}: json fits 100 % of the first lines",)


def test_of_several_files_the_one_that_cannot_be_read_so_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('{"ts": 1714557600, "kind": "login"}\n')
    (tmp_path / "b.log").write_text("Dec 10 06:55:46 web1 sshd[7]: Invalid user x\n")
    with pytest.raises(UsageError, match=r"^\S*b\.log: --event kind: no line has such a field"):
        check_log([tmp_path], LogSettings(event=("kind",)))
