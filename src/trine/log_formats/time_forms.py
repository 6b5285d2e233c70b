"""The written forms of times in logs, as regular expressions, and what their parts mean.

- `FORMS` is the registry: one expression per form, with the same names of groups in all.
- `found_forms` is one expression of all forms, for times at the beginning of a line or inside it.
- All expressions take linear time: every repetition is bounded.
"""

import re
from typing import NamedTuple

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}

ZONES = {
    "z": 0.0, "utc": 0.0, "gmt": 0.0, "wet": 0.0, "est": -5.0, "edt": -4.0, "cst": -6.0, "cdt": -5.0, "mst": -7.0,
    "mdt": -6.0, "pst": -8.0, "pdt": -7.0, "cet": 1.0, "cest": 2.0, "eet": 2.0, "eest": 3.0, "bst": 1.0, "west": 1.0,
    "msk": 3.0, "jst": 9.0, "kst": 9.0, "aest": 10.0, "aedt": 11.0, "nzst": 12.0, "nzdt": 13.0,
}  # fmt: skip
"""Hours ahead of UTC, of the zone names that mean one offset in practice."""

_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? {1,2})"
_MONTH = r"(?P<name>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6})\.?"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,12}))?"
_SECONDS = r":(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,12})|:(?P<millis>\d{3})(?!\d))?"
_HALF = r"(?: ?(?P<half>[AP])\.?M\b\.?)?"
_HOURS = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)"
_EXACT = _HOURS + _SECONDS + _HALF
_TIME = rf"{_HOURS}(?:{_SECONDS})?{_HALF}"
_DIGITS = rf"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d){_FRACTION})?"
_YEAR_MONTH = r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)"
_AFTER_DATE = r"(?:,? {1,2}|[T:_\-])"

_PATTERNS = {
    "2024-05-01T10:00:00": rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})"
    rf"(?:{_AFTER_DATE}{_TIME}@ZONE)?",
    "2024-05-01-10.00.00": r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)-(?P<hour>\d\d)\.(?P<minute>\d\d)\."
    rf"(?P<second>\d\d){_FRACTION}@ZONE",
    "20240501T100000": rf"{_YEAR_MONTH}[T _\-]{_DIGITS}@ZONE",
    "20240501-1:2:3:4": rf"{_YEAR_MONTH}[T _\-](?P<hour>\d{{1,2}}):(?P<minute>\d{{1,2}}):(?P<second>\d{{1,2}})"
    r"(?:[.,](?P<fraction>\d{1,12})|:(?P<millis>\d{1,3}))?@ZONE",
    "01/May/2024:10:00:00": rf"{_WEEKDAY}?(?P<day>\d{{1,2}})[/\- ]{_MONTH}[/\- ](?P<year>\d{{4}}|\d\d)"
    rf"(?:,? {{1,2}}|[:T]){_TIME}@ZONE",
    "Wed May 1 10:00:00 2024": rf"{_WEEKDAY}@OPTIONAL{_MONTH} {{1,2}}(?P<day>\d{{1,2}}) {{1,2}}{_EXACT}@ZONE"
    r" (?P<year>\d{4})",
    "May 1 10:00:00": rf"{_WEEKDAY}?{_MONTH} {{1,2}}(?P<day>\d{{1,2}})(?:,? (?P<year>\d{{4}}))?,?"
    rf" {{1,2}}(?:@ |at )?{_TIME}@ZONE",
    "2024 May 1 10:00:00": rf"(?P<year>\d{{4}})[ \-/]{_MONTH}[ \-/]{{1,2}}(?P<day>\d{{1,2}}){_AFTER_DATE}{_TIME}@ZONE",
    "1/5/2024 10:00:00": r"(?P<first>\d{1,2})(?P<separator>[/.\-])(?P<middle>\d{1,2})[/.\-](?P<last>\d{4}|\d\d)"
    rf"{_AFTER_DATE}{_TIME}@ZONE",
    "1/5/2024": r"(?P<first>\d{1,2})(?P<separator>[/.\-])(?P<middle>\d{1,2})[/.\-](?P<last>\d{4})",
    "05-01 10:00:00": rf"(?P<first>\d\d)(?P<separator>[/.\-])(?P<middle>\d\d)\.?{_AFTER_DATE}{_EXACT}@ZONE",
    "240501 100000": rf"(?P<year>\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d) {{1,2}}(?:{_DIGITS})",
    "240501 10:00:00": rf"(?P<year>\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d) {{1,2}}{_EXACT}",
    "0501 10:00:00": rf"(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d) {_EXACT}",
    "10:00:00": rf"{_EXACT}@ZONE(?!:[0-9a-f]{{1,4}}:)",  # an address is none
}
_OFFSET = r"(?:UTC|GMT)?[+\-]\d\d:?\d\d|(?:UTC|GMT)[+\-]\d{1,2}"
_COMMENT = r"(?: \([A-Za-z0-9 +\-]{1,40}\))?"
_NAMED = "|".join(sorted(map(str.upper, ZONES), key=len, reverse=True))
_ANY_ZONE = rf"(?P<zone> ?(?:(?:{_OFFSET})(?-i: [A-Z]{{3,5}})?|(?-i:[A-Z]{{1,5}}|z))| ?[+\-]\d\d)?{_COMMENT}"
_KNOWN_ZONE = rf"(?:(?: ?(?:(?:{_OFFSET})(?-i: UTC\b)?|(?-i:{_NAMED}|z)(?!\w))|[+\-]\d\d(?!\w)){_COMMENT})?"
_FLAGS = re.ASCII | re.IGNORECASE

FORMS = {
    name: re.compile(pattern.replace("@ZONE", _ANY_ZONE).replace("@OPTIONAL", "?"), _FLAGS)
    for name, pattern in _PATTERNS.items()
}
"""Expression of each form, by an example of it; for a text that is a time as a whole."""


def found_forms(*, inside: bool = False) -> str:
    """Pattern without groups of all forms, where more text follows; `inside` the text: those that no value looks like.

    A zone is an offset or a known name here, because the next word of the line could look like one.
    """
    names = [name for name in _PATTERNS if not inside or name not in _ONLY_FIRST]
    patterns = [re.sub(r"\(\?P<\w+>", "(?:", _PATTERNS[name]) for name in names]
    whole = "|".join(patterns).replace("@ZONE", _KNOWN_ZONE).replace("@OPTIONAL", "")
    return rf"(?:{whole})(?!\w|[.:/\-]\d)"


_ONLY_FIRST = ("1/5/2024", "05-01 10:00:00", "240501 100000", "240501 10:00:00", "0501 10:00:00", "10:00:00")


class Reading(NamedTuple):
    """What a text says of a time."""

    year: int | None
    """None: the text has no year."""
    month: int | None
    """None: the text has no date."""
    day: int | None
    seconds: float
    """Seconds since midnight, in UTC: the offset is subtracted, so that it can lie outside of the day."""


def seconds_of_day(match: re.Match[str]) -> float | None:
    """Seconds since midnight of a form's groups, without its offset; None if there is no such time of day."""
    groups = match.groupdict()
    hour, minute = int(groups.get("hour") or 0), int(groups.get("minute") or 0)
    second = int(groups.get("second") or 0)
    half = groups.get("half")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second)):
        return None
    fraction, millis = groups.get("fraction"), groups.get("millis")
    part = int(fraction) / 10 ** len(fraction) if fraction else int(millis) / 1000 if millis else 0.0
    return hour * 3600 + minute * 60 + second + part


def offset_of(zone: str) -> float | None:
    """Seconds ahead of UTC of a zone such as `+02:00`, `-07`, `UTC+2` or `CEST`; None if it is unknown."""
    name = zone.strip().lower()
    if name in ZONES:
        return ZONES[name] * 3600
    digits = re.sub(r"^(?:utc|gmt)", "", name).replace(":", "")
    if digits[:1] not in ("+", "-"):
        return None
    hours, minutes = int(digits[1:3]), int(digits[3:5] or 0)
    if hours > 18 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (1 if digits[0] == "+" else -1)


def full_year(year: int, digits: int) -> int:
    """The year of two digits: 70 to 99 are of the twentieth century."""
    return year if digits > 2 else year + (1900 if year >= 70 else 2000)
