from pathlib import Path

import pytest

from trine.errors import DataError
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
