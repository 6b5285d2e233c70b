"""Files that logrotate itself rotates, while they are read and while nothing reads."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.live.following import Follower
from trine.live import file_source
from trine.live.file_source import FileSource

PROGRAM = Path("/usr/sbin/logrotate")

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="logrotate is not installed")


def rotate(folder: Path, options: str) -> None:
    configuration = folder / "logrotate.conf"
    configuration.write_text(f"{folder}/logs/app.log {{\n rotate 9\n su root root\n {options}\n}}\n")
    subprocess.run([PROGRAM, "--force", "--state", folder / "state", configuration], check=True, capture_output=True)


DATED = "create\n dateext\n dateformat -%Y%m%d-%s"


@pytest.mark.parametrize(
    ("pattern", "options"),
    [
        ("app.log", "create"),
        ("app.log", "create\n compress"),
        ("app.log*", "create\n compress\n delaycompress"),
        ("app.log", "copytruncate"),
        ("app.log*", "copytruncate\n compress"),
        ("app.log", f"{DATED}\n compress"),
        ("app.log*", DATED),
        ("app.log*", "create\n compress\n compresscmd /usr/bin/xz\n compressext .xz"),
    ],
    ids=lambda word: word.replace("\n", ""),
)
def test_every_line_once_in_order(tmp_path, options, pattern, monkeypatch):
    monkeypatch.setattr(file_source, "SEARCH", 0.1)
    (tmp_path / "logs").mkdir(mode=0o755)
    log, written = tmp_path / "logs" / "app.log", []

    def write(count: int) -> None:
        lines = [f"2026-05-01T10:{len(written) // 60:02}:{(len(written) + i) % 60:02}Z event {i}" for i in range(count)]
        with log.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
        written.extend(lines)

    write(60)
    follower = Follower(lambda: FileSource([str(tmp_path / "logs" / pattern)]))
    follower.until(60)
    for number in range(4):
        write(30)
        if number % 2:
            follower.poll()
        else:
            follower.kill()
        rotate(tmp_path, options)
        write(30)
        if number == 2:
            time.sleep(1.1)  # two rotations while nothing reads; dates of logrotate are seconds
            rotate(tmp_path, options)
            write(60)
        if number % 2 == 0:
            follower.start()
        follower.until(len(written))
        time.sleep(1.0 if "date" in options else 0)
    assert follower.texts == written
    assert follower.reasons == ""
    follower.kill()
