"""When the command of this process began."""

import os
import time
from pathlib import Path

_command_began = [0.0]
"""Time of the start of this process's command, by `time.monotonic`; 0: none."""


def command_began() -> None:
    """Take note that this process was started for one command: a budget counts from the start of the process."""
    _command_began[0] = time.monotonic() - _process_age()


def command_seconds() -> float:
    """Seconds since the start of this process's command; 0 in Python."""
    return time.monotonic() - _command_began[0] if _command_began[0] else 0.0


def _process_age() -> float:
    """Seconds since this process started, where Linux tells."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return time.process_time()
