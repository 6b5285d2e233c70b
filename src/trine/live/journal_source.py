"""`JournalSource`: the journal of systemd, by cursor.

`journalctl` reads it: its JSON and its cursors are stable interfaces, the files of the journal are not. Each entry is a
line of JSON, as `journalctl -o json` writes it and the format `journald` reads it.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

from trine.datasets.lines import Skips
from trine.errors import DataError
from trine.live.decoder import Decoder
from trine.live.source import MOST_BYTES, Batch, Notes, log
from trine.log_formats.log_event import Line
from trine.logs.compression import CHUNK

_CURSOR: Final = re.compile(r'"__CURSOR"\s*:\s*"([^"]+)"')
_PAUSE: Final = 2.0
"""Seconds before `journalctl` is started again after it ended."""


class JournalSource:
    """The journal, followed.

    arguments   further arguments of `journalctl`, such as `--unit=sshd` or `--directory=/var/log/journal`

    Raises `DataError` if there is no `journalctl`.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.name = "journald:" + " ".join(arguments)
        self.files, self.ended = [self.name], False
        self.skips = Skips(self.name)
        program = shutil.which("journalctl")
        if program is None:
            raise DataError("journald: there is no journalctl on this machine; give files, or install systemd")
        self._command = [program, "--output=json", "--all", "--follow", "--no-tail", "--no-pager", *arguments]
        # --no-tail also behind a cursor: else --follow begins with the last ten entries.
        self._notes = Notes(self.skips)
        self._decoder = Decoder(0, self.name, self._notes)
        self._cursor = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0

    def resume(self, position: Any | None) -> None:
        """Go on behind the cursor; None: from the beginning of the journal."""
        if position is not None:
            self._cursor, self._decoder.lines = position["cursor"], position["lines"]

    def poll(self, most: int) -> list[Batch]:
        """The entries that were added."""
        process = self._running()
        if process is None or process.stdout is None:
            return []
        lines: list[Line] = []
        left = MOST_BYTES
        while len(lines) < most and left > 0:
            try:
                data = os.read(process.stdout.fileno(), min(CHUNK, max(4096, 512 * (most - len(lines)))))
            except BlockingIOError:
                break
            if not data:
                self._ended_by_itself(process)
                break
            left -= len(data)
            lines += self._decoder.feed(data)
        if not lines:
            return []
        found = next((found for line in reversed(lines) if (found := _CURSOR.search(line.text))), None)
        self._cursor = found[1] if found else self._cursor
        return [Batch(lines, {"cursor": self._cursor, "lines": self._decoder.lines})]

    def head(self, file: int) -> list[str]:
        """None: nothing can be read again."""
        return []

    def close(self) -> None:
        """End `journalctl`."""
        self.ended = True
        self._stop()

    def _running(self) -> "subprocess.Popen[bytes] | None":
        if self._process is None and not self.ended and time.monotonic() >= self._start_at:
            where = [f"--after-cursor={self._cursor}"] if self._cursor else []
            self._process = subprocess.Popen(
                [*self._command, *where],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,  # Ctrl-C on a terminal is for this program, which ends it
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        return self._process

    def _ended_by_itself(self, process: "subprocess.Popen[bytes]") -> None:
        """It is started again behind the last entry: the journal may have been removed, or the program killed."""
        said = process.stderr.read(1000).decode(errors="replace").strip() if process.stderr else ""
        self._notes.add("journalctl ended and is started again", f"after entry {self._decoder.lines} ({said})")
        self._stop()
        self._decoder.resume(self._decoder.state())  # the beginning of an entry that was not written to its end
        self._start_at = time.monotonic() + _PAUSE

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        log.debug("%s: journalctl ended", self.name)
