"""The registry of log formats, and the guess which one a log has.

`FORMATS` goes from the most specific format to `plain`, which accepts any line: a new format is a class derived from
`Format`, listed here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from trine.errors import UsageError, nearest
from trine.logs.log_event import Format, FormatSettings, Line
from trine.logs.text_formats import Pattern, Plain, is_continuation

FORMATS: dict[str, type[Format]] = {}
"""All formats by name; a guess prefers the first of formats that fit the same number of lines."""

LEAST_SHARE = 0.2
"""Smallest share of lines that a guessed format must explain; with less, the log is read as `plain`."""

CERTAIN = 0.98
"""Share of lines from which on no further format is tried."""


@dataclass(frozen=True, slots=True)
class Guess:
    """The format that a log seems to have."""

    name: str
    share: float
    """Share of the lines that have it."""
    second: str | None = None
    """The format that fits next best."""
    second_share: float = 0.0

    def why(self) -> str:
        """The guess in words: `web fits 99 % of the lines (next: syslog, 1 %)`."""
        text = f"{self.name} fits {100 * self.share:.3g} % of the first lines"
        return text + (f" (next: {self.second}, {100 * self.second_share:.2g} %)" if self.second else "")


def guess_format(
    lines: Sequence[Line], settings: FormatSettings | None = None, among: Collection[str] | None = None
) -> Guess:
    """The format that explains most of the lines; `plain` where no other explains a fifth of them.

    Formats that cannot apply the settings are not considered. Raises `UsageError` if none can, and says which fields
    the lines do have.
    """
    shares: dict[str, float] = {}
    for name, kind in FORMATS.items():
        if name == Plain.name or (among is not None and name not in among):
            continue
        try:
            candidate = kind(settings)
        except UsageError:
            continue
        shares[name] = _share(candidate, lines)
        if shares[name] >= CERTAIN:
            break
    ranked = sorted(shares, key=lambda name: -shares[name])
    if not ranked or shares[ranked[0]] < LEAST_SHARE:
        return Guess(Plain.name if among is None or not ranked else ranked[0], 1.0)
    second = ranked[1] if len(ranked) > 1 and shares[ranked[1]] > 0 else None
    return Guess(ranked[0], shares[ranked[0]], second, shares[second] if second else 0.0)


def _share(candidate: Format, lines: Sequence[Line]) -> float:
    """Share of the lines with content that are part of a record of this format."""
    records = lines
    if candidate.joiner is not None:
        records = [record for line in lines for record in candidate.joiner.feed(line)]
        records += candidate.joiner.finish()
    fits = others = 0
    continues = False
    for record in records:
        if not record.text.strip():
            continue
        count = record.text.count("\n") + 1
        if candidate.parse(record.text) is not None:
            fits, continues = fits + count, True
        elif not (continues and is_continuation(record.text)):
            others += count
    return fits / max(1, fits + others)


def format_named(name: str, settings: FormatSettings | None = None) -> Format:
    """A new instance of a format. Raises `UsageError` for an unknown name and for settings that it cannot apply."""
    if name not in FORMATS:
        raise UsageError(
            f"format {name!r}: choose one of {', '.join(FORMATS)}, or give a pattern{nearest(name, FORMATS)}"
        )
    return FORMATS[name](settings)


def format_of(
    lines: Sequence[Line],
    name: str | None = None,
    pattern: str | None = None,
    settings: FormatSettings | None = None,
) -> tuple[Format, Guess | None]:
    """The format of the name or of the pattern; without both, the format that the lines seem to have, and the guess.

    Several names, joined by commas, limit the guess to these formats.
    """
    if pattern:
        return Pattern(pattern, settings), None
    names = name.split(",") if name else []
    if len(names) == 1:
        return format_named(names[0], settings), None
    for each in names:
        format_named(each, settings)
    guess = guess_format(lines, settings, names or None)
    return format_named(guess.name, settings), guess
