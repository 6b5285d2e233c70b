"""The order of day, month and year in dates such as `05/04/2024`, decided by all dates of a log.

1. The order in which the fewest dates are impossible: any field above 12 decides.
2. Of those, the order in which the times of the log run backwards least often.
3. Of those, the order in which the times move least: a log goes from day to day more often than from month to month.
4. Of those, the customary one: month first with `/`, day first with `.` and `-`; of two-digit years, year first with
   `/` and `-`, as log4j writes them.
"""

from collections.abc import Sequence
from datetime import date

from trine.log_formats.time_forms import full_year

_JITTER = 3600.0
"""Step back in seconds that says nothing: threads and hosts write a little late."""

_CUSTOMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("/", "yyyy"): ("mdy", "dmy"),
    (".", "yyyy"): ("dmy", "mdy"),
    ("-", "yyyy"): ("dmy", "mdy"),
    ("/", "yy"): ("ymd", "mdy", "dmy"),
    (".", "yy"): ("dmy", "ymd", "mdy"),
    ("-", "yy"): ("ymd", "dmy", "mdy"),
}
_WORDS = {"y": "year", "m": "month", "d": "day"}


class DateOrder:
    """Reads the dates of one shape in one log, in the order of the log.

    separator   character between the fields
    digits      "yyyy", "yy" or "", by the length of the last field; "": two fields, no year
    half        whether the times have AM or PM, as in the United States
    """

    def __init__(self, separator: str, digits: str, *, half: bool = False) -> None:
        self.separator = separator
        orders = _CUSTOMS[separator, digits] if digits else ("md", "dm")
        if half:
            orders = tuple(sorted(orders, key=lambda order: order != "mdy"))
        self._evidence = {order: _Evidence(order) for order in orders}
        self.order = orders[0]
        """The present decision, such as `mdy`."""
        self.reads = 0
        """Number of dates since the beginning of the log, at least one per minute of the log."""
        self.changed_after = 0
        """`reads` when the decision changed last; 0: the first decision held."""

    def read(self, fields: Sequence[str], seconds: float) -> tuple[int | None, int, int] | None:
        """Year, month and day of a date at these seconds since midnight; None if no order makes a date of it."""
        possible = [evidence for evidence in self._evidence.values() if evidence.see(fields, seconds)]
        if not possible:
            return None
        best = min(self._evidence.values(), key=lambda evidence: evidence.rank)  # the first one of equals
        if best.order != self.order:
            self.order, self.changed_after = best.order, self.reads
        self.reads += 1
        return _split(best.order if best in possible else possible[0].order, fields)

    @property
    def is_decided(self) -> bool:
        """Whether the dates of the log decided, not custom."""
        ranks = sorted(evidence.rank for evidence in self._evidence.values())
        return ranks[0] < ranks[1]

    def rewind(self) -> None:
        """Begin the log again, with all that is known of it."""
        self.reads = self.changed_after = 0
        for evidence in self._evidence.values():
            evidence.latest = None

    def note(self) -> str:
        """One line about how the dates are read."""
        form = self.separator.join(_WORDS[letter] for letter in self.order)
        text = f"dates are read as {form}" + ("" if self.is_decided else ", by custom: the log does not decide")
        return text + (f"; the first {self.changed_after:,} were read otherwise" if self.changed_after else "")


class _Evidence:
    """How well the dates of a log fit one order."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.impossible, self.backwards, self.moved = 0, 0, 0.0
        self.latest: float | None = None

    @property
    def rank(self) -> tuple[int, int, float]:
        return self.impossible, self.backwards, self.moved

    def see(self, fields: Sequence[str], seconds: float) -> bool:
        """Count one date. Returns whether it is possible."""
        year, month, day = _split(self.order, fields)
        try:
            moment = date(year or 2000, month, day).toordinal() * 86400.0 + int(seconds)
        except ValueError:
            self.impossible += 1
            return False
        if self.latest is not None:
            self.backwards += moment < self.latest - _JITTER
            self.moved += abs(moment - self.latest)
        self.latest = moment
        return True


def _split(order: str, fields: Sequence[str]) -> tuple[int | None, int, int]:
    values = dict(zip(order, fields, strict=True))
    year = full_year(int(values["y"]), len(values["y"])) if "y" in values else None
    return year, int(values["m"]), int(values["d"])
