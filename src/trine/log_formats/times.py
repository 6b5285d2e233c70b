"""Times of logs in any form, as seconds since 1970: `Clock` reads them, `find_time` finds them in a line.

- UTC where a text gives no offset.
- What a text leaves out is taken from its neighbours in the log: the year nearest to the time before (a late `Dec 31`
  after the first `Jan 1` is of the old year), the day nearest to it, the order of day and month (`date_order.py`).
- Numbers are seconds, milli-, micro- or nanoseconds by their magnitude.
"""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

from trine.log_formats.date_order import DateOrder
from trine.log_formats.time_format import TimeFormat
from trine.log_formats.time_forms import FORMS, MONTHS, Reading, found_forms, full_year, offset_of, seconds_of_day

EARLIEST, LATEST = 631152000.0, 4102444800.0
"""The years 1990 to 2100, in seconds since 1970: a number outside of them at the start of a line is no time."""

_DAY = 86400
_HALF_YEAR = 182 * _DAY
_LONGEST = 80
"""Longest text of a time, in characters: twice the longest form."""

_CACHED = 512
"""Largest number of minutes that are kept; then they are forgotten, so that memory does not grow with the log."""

_SECONDS = {f"{second:02}": float(second) for second in range(61)}
_SCALES = {digits: 10.0**digits for digits in range(1, 13)}
_NUMBER = re.compile(r"\d{1,20}+(?:[.,]\d{1,12}+)?(?:e\+?\d\d?)?", re.ASCII | re.IGNORECASE)
_DIGIT_DATE = re.compile(r"((?:19|20)\d\d)(0[1-9]|1[0-2])([0-3]\d)(?:([01]\d|2[0-3])([0-5]\d)(?:([0-5]\d)(\d{3})?)?)?")
_TAI64 = re.compile(r"@?4[0-9a-f]{15}(?:[0-9a-f]{8})?", re.IGNORECASE)
_BARE = r"\d{10}(?:\.\d{1,9})?|\d{13}(?:\.\d{1,6})?|\d{16}(?:\.\d{1,3})?|\d{19}"
_FIRST = re.compile(
    rf"\s{{0,9}}(?P<open>[\[(]?)[*.]?(?P<time>{found_forms()}|(?P<number>{_BARE})(?!\w|[.:/\-]\w))"
    r"(?(open)[\])]?)[\s:,|\-]{0,9}",
    re.ASCII | re.IGNORECASE,
)
_INSIDE = re.compile(
    rf"(?<![\w.])(?:{found_forms(inside=True)})"
    rf"|(?:(?:time|ts|date|epoch)[a-z_]{{0,16}}[\"']? ?[:=] ?[\"']?|\baudit\()(?P<number>{_BARE})(?!\w)",
    re.ASCII | re.IGNORECASE,
)


class Clock:
    """Reads the times of one log, in its order.

    clock = Clock()
    seconds = clock.seconds("2024-05-01T10:00:00+02:00")

    time_format   form of all times, as for `datetime.strptime`; None: any known form
    reference     time that no time of the log is later than, such as the file's modification time: gives the year and
                  the day of the first time that has none; None: a year around 2000, the day 1970-01-01

    Raises `UsageError` for a `time_format` that reads no time.
    """

    def __init__(self, time_format: str | None = None, reference: float | None = None) -> None:
        self.time_format, self.reference = time_format, reference
        self.not_understood = 0
        """Number of texts that were given but are no time."""
        self.examples: list[str] = []
        """The first three of them."""
        self.orders: dict[str, DateOrder] = {}
        """How day, month and year are ordered, by the shape of the date."""
        self._unknown_zones: list[str] = []
        self._given = TimeFormat(time_format) if time_format is not None else None
        self._form = FORMS["2024-05-01T10:00:00"]
        self.rewind()

    def rewind(self) -> None:
        """Begin the log again, with what is known of the order of day and month.

        To read the first thousand lines before the first counts makes their order known.
        """
        self.not_understood, self.examples = 0, []
        for order in self.orders.values():
            order.rewind()
        self._begun = False
        self._text: str | None = None
        self._value = 0.0
        self._minutes: dict[tuple[str, str], float] = {}
        """The minutes that were read last, by the text before and after the seconds."""
        self._before, self._after, self._minute = "\0", "", 0.0
        """The minute that was read last."""
        self._reach = math.inf
        """Distance from the time before, in seconds, up to which a kept minute is the right one."""

    def seconds(self, text: str) -> float | None:
        """Seconds since 1970; None if the text is no time. An empty text and `-` are no time that was given."""
        if text == self._text:
            return self._value
        end = len(text) - len(self._after)
        if text.startswith(self._before) and text.endswith(self._after):
            minute: float | None = self._minute
        else:
            minute = self._minutes.get((text[: len(self._before)], text[end:]))
        if minute is not None:
            seconds = text[len(self._before) : end]
            second = _SECONDS.get(seconds) or _second(seconds)
            if second is not None and -self._reach < minute + second - self._value < self._reach:
                self._text, self._value = text, minute + second
                return self._value
        return self._slowly(text)

    def notes(self) -> tuple[str, ...]:
        """What people should know about how the times of this log were read, one line each."""
        notes = [order.note() for order in self.orders.values()]
        if self._unknown_zones:
            notes.append(f"unknown time zones are read as UTC: {', '.join(self._unknown_zones)}")
        if self.not_understood:
            notes.append(f"times not understood ({self.not_understood:,}: {', '.join(map(repr, self.examples))})")
        return tuple(notes)

    def _slowly(self, text: str) -> float | None:
        stripped = text.strip()
        if not stripped or stripped == "-":
            return None
        value = self._read(text, stripped) if len(stripped) <= _LONGEST else None
        if value is None:
            self.not_understood += 1
            if len(self.examples) < 3:
                self.examples.append(stripped[:_LONGEST])
            return None
        self._begun, self._text, self._value = True, text, value
        return value

    def _read(self, text: str, stripped: str) -> float | None:
        if self._given is not None:
            reading = self._given.read(stripped)
            return None if reading is None else self._placed(reading)
        if _NUMBER.fullmatch(stripped):
            return _number(stripped)
        if _TAI64.fullmatch(stripped):
            return _tai64(stripped.removeprefix("@"))
        bare = (stripped.strip("[]()") if stripped[0] in "[(" else stripped).lstrip("*.").rstrip(":").strip()
        match = self._match(bare)
        reading = self._reading(match) if match else None
        if match is None or reading is None:
            return None
        value = self._placed(reading)
        if value is not None:
            self._keep(text, text.index(bare), match, value)
        return value

    def _match(self, text: str) -> re.Match[str] | None:
        """The form of the text; that of the text before is tried first."""
        match = self._form.fullmatch(text)
        if match is None:
            for form in FORMS.values():
                if match := form.fullmatch(text):
                    self._form = form
                    break
        return match

    def _reading(self, match: re.Match[str]) -> Reading | None:
        groups = match.groupdict()
        seconds, zone = seconds_of_day(match), groups.get("zone")
        if seconds is None:
            return None
        offset = offset_of(zone) if zone else 0.0
        if offset is None:
            if not zone or not zone.strip().isalpha():
                return None
            offset = 0.0
            if zone.strip() not in self._unknown_zones and len(self._unknown_zones) < 3:
                self._unknown_zones.append(zone.strip())
        if groups.get("first"):
            return self._ordered(groups, seconds, offset)
        year, month = groups.get("year"), groups.get("month")
        return Reading(
            full_year(int(year), len(year)) if year else None,
            int(month) if month else MONTHS[groups["name"][:3].lower()] if groups.get("name") else None,
            int(groups["day"]) if groups.get("day") else None,
            seconds - offset,
        )

    def _ordered(self, groups: dict[str, str | None], seconds: float, offset: float) -> Reading | None:
        """A date whose order is to be decided."""
        separator, last, half = groups["separator"] or "", groups.get("last"), groups.get("half")
        digits = "y" * len(last or "")
        shape = f"{separator}{digits}{'m' if half else ''}"
        if shape not in self.orders:
            self.orders[shape] = DateOrder(separator, digits, half=bool(half))
        order = self.orders[shape]
        before = order.order
        read = order.read([field for field in (groups["first"], groups["middle"], last) if field], seconds)
        if order.order != before:
            self._minutes.clear()
            self._before = "\0"
        return None if read is None else Reading(*read, seconds - offset)

    def _placed(self, reading: Reading) -> float | None:
        """Seconds since 1970 of a reading, with year and day of its neighbours where it has none."""
        if reading.month is None or reading.day is None:
            self._reach = min(self._reach, _DAY / 2)
            near = self._value if self._begun else self.reference
            days = 0 if near is None else math.floor((near - reading.seconds) / _DAY + 0.5)
            return days * _DAY + reading.seconds
        if reading.year is not None:
            return _days(reading.year, reading.month, reading.day, reading.seconds)
        self._reach = min(self._reach, _HALF_YEAR)
        near = self._value if self._begun else self.reference
        if near is None:
            # the year whose nearest February has 29 days
            return _days(2000 if reading.month <= 6 else 1999, reading.month, reading.day, reading.seconds, leap=True)
        year = _year(near)
        times = [
            time
            for year in range(year - 8, year + 2)
            if (time := _days(year, reading.month, reading.day, reading.seconds, leap=self._begun)) is not None
        ]
        if not self._begun:
            times = [time for time in times if time <= near + _DAY]
        return min(times, key=lambda time: abs(time - near), default=None)

    def _keep(self, text: str, start: int, match: re.Match[str], value: float) -> None:
        """Remember the minute of a time, if the next times can be read by replacing its seconds."""
        second = match.groupdict().get("second")
        if second is None or len(second) != 2 or match.groupdict().get("millis"):
            return
        fraction = match.groupdict().get("fraction")
        end = match.end("fraction") if fraction else match.end("second")
        part = int(fraction) / 10 ** len(fraction) if fraction else 0.0
        self._before, self._after = text[: start + match.start("second")], text[start + end :]
        self._minute = float(round(value - part - int(second)))
        if len(self._minutes) >= _CACHED:
            self._minutes.clear()
        self._minutes[self._before, self._after] = self._minute


def seconds(text: str) -> float | None:
    """Seconds since 1970 of a time without neighbours; None if the text is no time. See `Clock`."""
    return Clock().seconds(text)


def find_time(text: str, *, numbers: bool = True) -> tuple[str, int] | None:
    """The time at the beginning of a line, and the position at which the text after it begins; None if there is none.

    The time can stand in brackets, and blanks, `:`, `,`, `-` or `|` can follow it. A number is a time if it has 10, 13,
    16 or 19 digits and lies in the years 1990 to 2100; if not `numbers`, it is never one.
    """
    match = _FIRST.match(text)
    if match is None or (match["number"] and not (numbers and _is_plausible(_number(match["number"])))):
        return None
    return match["time"], match.end()


def search_time(text: str) -> str | None:
    """The first time with a date anywhere in the first 2,000 characters of a line; None if there is none."""
    found = find_time(text)
    if found:
        return found[0]
    match = _INSIDE.search(text[:2000])
    return match and (match["number"] or match[0])


def numbers_are_times(values: Sequence[float]) -> bool:
    """Whether numbers at the beginnings of consecutive lines can be times.

    They can if 95 % of them lie in the years 1990 to 2100 and 90 % are not more than a minute before the one before.
    """
    times = [time for value in values if (time := _scaled(value)) is not None and EARLIEST <= time <= LATEST]
    if not times or len(times) < 0.95 * len(values):
        return False
    forward = sum(after >= before - 60 for before, after in pairwise(times))
    return forward >= 0.9 * (len(times) - 1)


def leading_numbers_are_times(lines: Iterable[str]) -> bool:
    """Whether the numbers at the beginnings of the first lines are times, as the argument `numbers` of `find_time`.

    Half of the lines that are not indented must begin with one.
    """
    begun = [line for line in lines if line[:1].strip()]
    numbers = [float(match["number"]) for line in begun if (match := _FIRST.match(line)) and match["number"]]
    return 2 * len(numbers) >= len(begun) and numbers_are_times(numbers)


def _second(text: str) -> float | None:
    """Seconds of a text such as `05.123`."""
    whole, digits = _SECONDS.get(text[:2]), text[3:]
    if whole is None or not (digits.isdecimal() and digits.isascii()):
        return 0.0 if text == "00" else None
    scale = _SCALES.get(len(digits))
    return whole + int(digits) / scale if scale and text[2] in ".," else None


def _number(text: str) -> float | None:
    """Seconds since 1970 of a number in seconds or parts of seconds, or of a date in digits only."""
    match = _DIGIT_DATE.fullmatch(text) if len(text) in (8, 12, 14, 17) else None
    if match:
        year, month, day, hour, minute, second, millis = (int(group or 0) for group in match.groups())
        time = _days(year, month, day, hour * 3600 + minute * 60 + second + millis / 1000)
        if time is not None:
            return time
    return _scaled(float(text.replace(",", ".")))


def _scaled(number: float) -> float | None:
    """Seconds of a number whose magnitude is that of seconds, milli-, micro- or nanoseconds since 1970."""
    if not 0 <= number < 1e20:
        return None
    if 1.2e17 < number < 1.6e17:  # tenths of a microsecond since 1601, as Windows counts: the years 1981 to 2108
        return number / 1e7 - 11644473600
    if number < 1e11:
        return number
    return number / (1e3 if number < 1e14 else 1e6 if number < 1e17 else 1e9)


def _is_plausible(time: float | None) -> bool:
    return time is not None and EARLIEST <= time <= LATEST


def _tai64(digits: str) -> float | None:
    """Seconds of a TAI64 or TAI64N label, as daemontools writes it; its first second was ten seconds ahead of UTC."""
    return int(digits[:16], 16) - 2**62 - 10 + (int(digits[16:], 16) / 1e9 if len(digits) > 16 else 0.0)


def _days(year: int, month: int, day: int, seconds: float, *, leap: bool = False) -> float | None:
    """Seconds since 1970; None if there is no such day. `leap`: February 29 of a common year is its March 1."""
    try:
        if leap and (month, day) == (2, 29):
            ordinal = date(year, 2, 28).toordinal() + 1
        else:
            ordinal = date(year, month, day).toordinal()
    except (ValueError, OverflowError):
        return None
    return (ordinal - 719163) * _DAY + seconds


def _year(time: float) -> int:
    try:
        return datetime.fromtimestamp(time, UTC).year
    except (ValueError, OverflowError, OSError):
        return 2000
