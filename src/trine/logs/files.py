"""`LogFiles`: the lines of many files as one log.

- `paths.py` finds what to read, `sources.py` and `compression.py` unpack it, `rotation.py` orders it, `encodings.py`
  makes lines of it.
- Memory does not grow with the size of the log.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import cast

from trine.datasets.lines import Skips
from trine.errors import DataError
from trine.log_formats.log_event import Line
from trine.logs.compression import Damaged
from trine.logs.encodings import UNFINISHED, first_lines, text_blocks
from trine.logs.paths import sources_of
from trine.logs.rotation import Head, order
from trine.logs.sources import LogInput

_FIRST_LINES = 20
"""Lines of a file among which its first time is looked for."""


class LogFiles:
    """The lines of many files as one log, ordered by the times in the files.

    log = LogFiles(["/var/log/nginx", "old.tar.gz", "-"], Skips("log"))
    for source, number, text in log: ...

    paths     files, folders, patterns such as `*.log`, archives, `-` for standard input
    skips     counts what is not read, repaired or cut; once, however often the lines are read
    time_of   time of a line, to order the files; None: any time that can be found in it

    Raises `DataError` for a path that does not exist, a pattern that nothing matches, a file of which nothing can be
    read; `UnsafeDataError` for an archive that unpacks to far more than its size.
    """

    names: tuple[str, ...]
    """One per source, as shown to people: `logs/app.log`, `logs.tar.gz:var/log/auth.log.1`, `-`."""

    def __init__(
        self, paths: Sequence[str | Path], skips: Skips, *, time_of: Callable[[str], float | None] | None = None
    ) -> None:
        self._skips = skips
        sources = sources_of(paths, skips)
        if len(sources) > 1:
            sources = [sources[position] for position in order([_head(source) for source in sources], time_of)]
        self._sources = sources
        self.names = tuple(source.name for source in sources)
        self._noted = [0] * len(sources)
        """Number of the last line whose repairs are counted in `skips`."""
        self._cut_off: set[int] = set()
        self.unfinished: set[int] = set()
        """Sources whose last line no line break ends, as far as their lines were read."""

    @property
    def modified(self) -> tuple[float | None, ...]:
        """Time of the last change of each source, in seconds since 1970, as the reference of a `Clock`."""
        return tuple(source.modified for source in self._sources)

    def __iter__(self) -> Iterator[Line]:
        """All lines of all sources, in order."""
        for source in range(len(self._sources)):
            for first, texts in self._blocks(source):
                rows = zip(repeat(source), count(first), texts, strict=False)
                yield from cast(Iterator[Line], map(tuple.__new__, repeat(Line), rows))

    def texts(self, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], str]:
        """The texts of lines by source and number, read again in one pass that ends at the last of them.

        Lines that do not exist are left out of the result.
        """
        numbers: dict[int, list[int]] = {}
        for source, number in sorted(set(wanted)):
            numbers.setdefault(source, []).append(number)
        found: dict[tuple[int, int], str] = {}
        for source, rest in numbers.items():
            if 0 <= source < len(self._sources):
                found.update(self._some_texts(source, rest))
        return found

    def lines_of(self, source: int) -> Iterator[str]:
        """The texts of the lines of one source."""
        return (text for _, texts in self._blocks(source) for text in texts)

    def _some_texts(self, source: int, numbers: Sequence[int]) -> Iterator[tuple[tuple[int, int], str]]:
        position = 0
        for first, texts in self._blocks(source):
            while position < len(numbers) and numbers[position] < first + len(texts):
                if numbers[position] >= first:
                    yield (source, numbers[position]), texts[numbers[position] - first]
                position += 1
            if position == len(numbers):
                return

    def _blocks(self, source: int) -> Iterator[tuple[int, list[str]]]:
        """The lines of one source: number of the first, and texts; repairs are counted the first time."""
        name, last = self.names[source], 0

        def position(number: int) -> str:
            return f"{name} line {number}" if len(self.names) > 1 else f"line {number}"

        def note(reason: str, number: int) -> None:
            if reason == UNFINISHED:
                self.unfinished.add(source)
            elif number > self._noted[source]:
                self._skips.add(reason, position(number))

        try:
            for first, texts in text_blocks(self._sources[source].chunks(), note):
                last = first + len(texts) - 1
                self._noted[source] = max(self._noted[source], last)
                yield first, texts
        except Damaged as error:
            if not last:
                raise DataError(f"{name}: {error}, nothing can be read; get the file again") from None
            if source not in self._cut_off:
                self._cut_off.add(source)
                self._skips.add("cut off or damaged, the rest left out", f"after {position(last)} ({error})")


def _head(source: LogInput) -> Head:
    """The first lines of a source, as far as they can be read."""
    try:
        lines = first_lines(source.chunks(), _FIRST_LINES)
    except Damaged:
        lines = []  # said when the lines are read
    return Head(source.name, lines, source.modified)
