"""How the lines of a log were read: counts that account for every line."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from trine.plurals import quantity, verb

FAR = 0.02
"""Difference of two shares of unparsed or of continued lines that is worth a warning, if it is also half of the larger
share."""

MANY = 0.1
"""Share of unparsed lines that is worth a warning, where no usual share is known."""


@dataclass(slots=True)
class Reading:
    """Counts of lines by what became of them. Each line is counted once; records can share a line (`sharing`)."""

    formats: dict[str, str] = field(default_factory=dict)
    """File to the name of its format, in the order of reading."""
    lines: int = 0
    events: int = 0
    """Events of records that have the format."""
    unparsed: int = 0
    """Lines of another format; each is an event of its own."""
    headers: int = 0
    """Lines of the format that hold no event: names of columns, comments."""
    continued: int = 0
    """Lines that belong to the record before: stack traces, further lines of one record."""
    sharing: int = 0
    """Records that begin on the same line as the one before."""
    blank: int = 0
    left_out: int = 0
    """Lines that were not read, such as those of an earlier call."""
    without_entity: int = 0
    """Events that name no entity and are in the session of none."""
    without_time: int = 0
    """Events whose record has no time."""
    times_not_understood: int = 0
    examples: list[tuple[str, int]] = field(default_factory=list)
    """Files and line numbers of the first unparsed lines."""

    @property
    def unparsed_share(self) -> float:
        """Share of the lines with content that have another format."""
        return self.unparsed / max(1, self.lines - self.blank - self.left_out)

    @property
    def continued_share(self) -> float:
        """Share of the lines with content that belong to the record before."""
        return self.continued / max(1, self.lines - self.blank - self.left_out)

    @property
    def format(self) -> str | None:
        """Names of the formats, the most frequent first, joined by commas; None without files."""
        names = [name for name, _ in Counter(self.formats.values()).most_common()]
        return ",".join(names) or None

    @property
    def unaccounted(self) -> int:
        """Number of lines that nothing counts: 0, once a log is read to its end."""
        records = self.events + self.unparsed + self.headers - self.sharing
        return self.lines - records - self.continued - self.blank - self.left_out

    def summary(self) -> str:
        """The counts on one line: `5,283 lines: 5,280 events, 3 unparsed (0.1 %)`."""
        parts = [quantity(self.events, "event")]
        if self.unparsed:
            parts.append(f"{self.unparsed:,} unparsed ({100 * self.unparsed_share:.2g} %)")
        counted = (
            (self.continued, "continued"),
            (self.headers, "without an event"),
            (self.blank, "blank"),
            (self.left_out, "left out"),
        )
        parts += [f"{count:,} {what}" for count, what in counted if count]
        return f"{quantity(self.lines, 'line')}: {', '.join(parts)}"

    def warnings(self, usual: float | None = None, usual_continued: float | None = None) -> list[str]:
        """What a person should know, a line each.

        usual            share of unparsed lines in training
        usual_continued  share of continued lines in training; None: any share is usual
        """
        warned = []
        share = self.unparsed_share
        if many_unparsed(share, usual):
            before = "" if usual is None else f", in training {100 * usual:.2g} %"
            first = ", ".join(f"{file}:{line}" for file, line in self.examples)
            warned.append(
                f"{100 * share:.2g} % of the lines do not have the format {self.format or '?'}{before}"
                f"{f' (first: {first})' if first else ''}; see them with trine detect check"
            )
        share = self.continued_share
        if usual_continued is not None and _differ(share, usual_continued):
            warned.append(
                f"{100 * share:.2g} % of the lines continue the record before, in training "
                f"{100 * usual_continued:.2g} %; see them with trine detect check"
            )
        if self.times_not_understood:
            count = self.times_not_understood
            times = f"{quantity(count, 'time')} {verb(count, 'was', 'were')} found but not understood"
            warned.append(f"{times}; describe {verb(count, 'it', 'them')} with --time-format")
        return warned

    def shares(self) -> dict[str, float]:
        """Number of lines, and shares of them that were events, did not have the format, and were left out."""
        counts = {"events": self.events, "unparsed": self.unparsed, "left_out": self.left_out}
        return {"lines": self.lines, **{name: count / max(1, self.lines) for name, count in counts.items()}}

    def as_json(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        return {**asdict(self), "examples": [f"{file}:{line}" for file, line in self.examples]}


def many_unparsed(share: float, usual: float | None) -> bool:
    """Whether this share of unparsed lines is worth a warning; `usual`: that in training, None if it is not known."""
    return share > MANY if usual is None else _differ(share, usual)


def _differ(share: float, usual: float) -> bool:
    """Whether a share of lines differs so much from that in training that it is worth a warning."""
    return abs(share - usual) > max(FAR, 0.5 * max(share, usual))
