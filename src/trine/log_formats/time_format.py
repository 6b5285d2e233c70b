"""Times in a form that the user gives, as for `datetime.strptime`."""

import re
from datetime import UTC, datetime
from typing import Final

from trine.errors import UsageError
from trine.log_formats.time_forms import Reading

_OTHER_NAMES: Final = {
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%F": "%Y-%m-%d",
    "%D": "%m/%d/%y",
    "%e": "%d",
    "%k": "%H",
    "%l": "%I",
    "%h": "%b",
    "%L": "%f",
    "%N": "%f",
    "%3N": "%f",
    "%6N": "%f",
    "%9N": "%f",
}
"""Directives of `date`, Ruby and Fluentd that `strptime` lacks."""

_DIRECTIVE = re.compile(r"%(?:[369]N|[A-Za-z%])")
_LONG_FRACTION = re.compile(r"(?<!\d)(\d{6})\d{1,6}(?!\d)")
_CUSTOM = "for example --time-format '%d.%m.%Y %H:%M:%S'"


class TimeFormat:
    """Reads times of one form. Directives without `strptime`: `%s` (seconds since 1970), `%T`, `%F`, `%L`, `%3N`, …

    Raises `UsageError` for a form that reads no time.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        self._form = _DIRECTIVE.sub(lambda match: _OTHER_NAMES.get(match[0], match[0]), form)
        directives = {match[0] for match in _DIRECTIVE.finditer(self._form)}
        self._epoch = _epoch_pattern(self._form, form) if "%s" in directives else None
        self._has_year = bool(directives & {"%Y", "%y", "%c", "%x", "%G"})
        self._has_date = self._has_year or bool(directives & {"%m", "%b", "%B"})
        self._has_fraction = "%f" in directives
        if self._epoch is None:
            self._check(directives)

    def read(self, text: str) -> Reading | None:
        """What the text says; None if it has another form."""
        if self._epoch is not None:
            return _epoch_reading(self._epoch, text)
        moment = self._moment(text)
        if moment is None and self._has_fraction:
            moment = self._moment(_LONG_FRACTION.sub(r"\1", text))  # strptime reads six digits at most
        if moment is None:
            return None
        offset = moment.utcoffset()
        seconds = moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
        seconds -= offset.total_seconds() if offset else 0.0
        if not self._has_date:
            return Reading(None, None, None, seconds)
        return Reading(moment.year if self._has_year else None, moment.month, moment.day, seconds)

    def _moment(self, text: str) -> datetime | None:
        try:
            if self._has_year:
                return datetime.strptime(text, self._form)
            return datetime.strptime("2000 " + text, "%Y " + self._form)  # a leap year: February 29 is a date
        except (ValueError, OverflowError):
            return None

    def _check(self, directives: set[str]) -> None:
        if not directives & {"%Y", "%y", "%m", "%d", "%b", "%B", "%H", "%I", "%c", "%x", "%X", "%j"}:
            raise UsageError(f"time format {self.form!r}: no directive such as %H in it; {_CUSTOM}")
        if "%d" in directives and not self._has_date:
            raise UsageError(f"time format {self.form!r}: a day without a month is no time; {_CUSTOM}")
        try:
            text = datetime(2001, 12, 13, 14, 15, 16, 171819, tzinfo=UTC).strftime(self._form)
        except ValueError as error:
            raise UsageError(f"time format {self.form!r}: {error}; {_CUSTOM}") from None
        try:
            datetime.strptime(text, self._form)
        except (ValueError, re.error) as error:
            message = str(error) if "directive" in str(error) else "times of this form cannot be read back"
            raise UsageError(f"time format {self.form!r}: {message}; {_CUSTOM}") from None


def _epoch_pattern(form: str, given: str) -> re.Pattern[str]:
    pattern, end = "", 0
    for match in _DIRECTIVE.finditer(form):
        group = {"%s": r"(?P<seconds>\d{1,12})", "%f": r"(?P<fraction>\d{1,12})", "%%": "%"}.get(match[0])
        if group is None or (group[:2] == "(?" and group in pattern):
            raise UsageError(f"time format {given!r}: {match[0]} cannot stand beside %s; use '%s' or '%s.%f'")
        pattern += re.escape(form[end : match.start()]) + group
        end = match.end()
    return re.compile(pattern + re.escape(form[end:]), re.ASCII)


def _epoch_reading(pattern: re.Pattern[str], text: str) -> Reading | None:
    match = pattern.fullmatch(text)
    if not match:
        return None
    fraction = match.groupdict().get("fraction")
    seconds = int(match["seconds"]) + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)
    return Reading(1970, 1, 1, seconds)
