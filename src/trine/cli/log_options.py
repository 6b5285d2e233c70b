"""The options that say how a raw log is read, shared by `trine detect fit` and `trine detect check`."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from trine.errors import UsageError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@Parameter(name="*")
@dataclass
class LogOptions:
    """How a raw log is read."""

    format: str | None = None
    "Format of a raw log. [default: guessed from the first lines of each file]"
    pattern: str | None = None
    "A regular expression with named groups (event or message, time, user, …), for a raw log of another format."
    event: str | None = None
    "Fields or columns that name the event, joined by commas: verb,objectRef.resource."
    entity: str | None = None
    "What a session belongs to: host, user, process, address, session, or a field or column. [default: the format's]"
    time: str | None = None
    "Field or column of the time."
    time_format: str | None = None
    "Form of the times, as for strptime: '%d.%m.%Y %H:%M'."
    gap: Annotated[str | None, Parameter(help="Pause that ends a session: 90s, 30m, 2h. [default: 30m]")] = None
    window: str | None = None
    "A session is one such window of time: 15m. For logs that have no sessions of their own."
    window_events: int | None = None
    "A session has at most this many events."

    def settings(self) -> dict[str, Any]:
        """The settings of a detector's recipe that these options are; None where an option is not given.

        Raises `UsageError` for options that exclude one another.
        """
        if self.format and self.pattern:
            raise UsageError(
                f"--format {self.format} and --pattern: a pattern is a format of its own; give one of them"
            )
        return {
            "log_format": self.format,
            "log_pattern": self.pattern,
            "log_event": self.event.split(",") if self.event else None,
            "entity": self.entity,
            "log_time": self.time,
            "time_format": self.time_format,
            "gap_seconds": duration("--gap", self.gap),
            "window_seconds": duration("--window", self.window),
            "window_events": self.window_events,
        }


def duration(option: str, text: str | None) -> float | None:
    """Seconds of `90`, `90s`, `15m`, `2h` or `1d`; None of None. Raises `UsageError`."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip())
    if not match or not float(match[1]):
        raise UsageError(f"{option} {text}: no length of time; give a number with a unit, such as 90s, 15m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]
