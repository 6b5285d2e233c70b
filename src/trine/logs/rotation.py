"""The order of files that are one log: `app.log.2.gz`, `app.log.1`, `app.log`.

A set is what rotation made of one log: files whose names are equal without rotation numbers, dates and endings of
compression. The times in the files decide; names only where there are no times.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from trine.log_formats.times import Clock, search_time

TimeOf = Callable[[str], float | None]
"""Takes a line; returns its time in seconds since 1970, None if it has none."""

_OLDEST = 5 * 365 * 86400.0
"""Times before 1975 are times of day or since a start: they do not order files."""

_PACKED = re.compile(r"\.(?:gz|bz2|xz|zst|zip|z)$", re.IGNORECASE)
_DATE = re.compile(
    r"[._\-]?(?<!\d)(?P<date>(?:19|20)\d\d(?P<mark>[._\-]?)(?:0[1-9]|1[0-2])(?P=mark)[0-3]\d"
    r"(?:[T_.\-]?[0-2]\d(?:[.:_\-]?[0-5]\d){0,2}(?!\d)|-\d{10}(?!\d))?)(?!\d)"
)
_NUMBER = re.compile(r"[._\-](?P<number>\d{1,4})(?=$|\.[A-Za-z][\w]{0,4}$)")


class Head(NamedTuple):
    """The beginning of a file."""

    name: str
    """Name with its folder or archive."""
    lines: Sequence[str]
    """The first lines."""
    modified: float | None = None
    """Time of the last change, in seconds since 1970."""


class Rotated(NamedTuple):
    """What a name says."""

    base: str
    """The name without what rotation adds: equal in a set."""
    date: str
    """Digits of the date; "" if the name has none."""
    number: int | None
    """Higher is older; None: the file that is written at present."""


def rotated(name: str) -> Rotated:
    """Take a name apart: `logs/app-2024-05-01.log.2.gz` is number 2 of 20240501 of `logs/app.log`."""
    folder, slash, file = name.rpartition("/")
    base = _PACKED.sub("", file)
    dated = _DATE.search(base)
    date = re.sub(r"\D", "", dated["date"]) if dated else ""
    if dated:
        base = base[: dated.start()] + base[dated.end() :]
    numbered = _NUMBER.search(base)
    if numbered:
        base = base[: numbered.start()] + base[numbered.end() :]
    return Rotated(folder + slash + base, date, int(numbered["number"]) if numbered else None)


def order(files: Sequence[Head], time_of: TimeOf | None = None) -> list[int]:
    """Positions of the files, the oldest first. `time_of`: None for times of any form, anywhere in a line.

    1. By the first time in their first lines; of equal times, by what the names say.
    2. A file without a time stands where its name puts it in its set: by date, then the highest number first, the file
       without both last.
    3. Sets without any time come last, in the order in which they were given.
    """
    names = [rotated(file.name) for file in files]
    times = [_first_time(file.lines, time_of) for file in files] if time_of else _first_times(files)
    sets: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        sets.setdefault(name.base, []).append(position)
    keys: dict[int, tuple[float, int, int]] = {}
    for place, members in enumerate(sets.values()):
        members.sort(key=lambda position: _age(names[position]))
        whole = _filled([times[position] for position in members])
        keys.update(
            {position: (time, place, rank) for rank, (position, time) in enumerate(zip(members, whole, strict=True))}
        )
    return sorted(range(len(files)), key=keys.__getitem__)


def _first_times(files: Sequence[Head]) -> list[float | None]:
    """The first times by one clock, so that one file can decide the order of day and month for all."""
    clock = Clock()

    def time_of(line: str) -> float | None:
        text = search_time(line)
        return clock.seconds(text) if text else None

    times: list[float | None] = []
    for _ in range(2):  # the first pass makes the order of day and month known
        times = []
        for file in files:
            clock.reference = file.modified
            clock.rewind()
            times.append(_first_time(file.lines, time_of))
    return times


def _first_time(lines: Sequence[str], time_of: TimeOf) -> float | None:
    return next((time for line in lines if (time := time_of(line)) is not None and time > _OLDEST), None)


def _age(name: Rotated) -> tuple[bool, str, float]:
    """Sorts the oldest first."""
    return not name.date and name.number is None, name.date, -math.inf if name.number is None else -name.number


def _filled(times: Sequence[float | None]) -> list[float]:
    """The times of a set, oldest name first; a missing one is that of the file before, or else of the file after."""
    known = [time for time in times if time is not None]
    last = known[0] if known else math.inf
    filled = []
    for time in times:
        last = last if time is None else time
        filled.append(last)
    return filled
