"""The texts of records, read again from the log: what findings, explanations and checks show of an event.

A record can be a part of a line, as in a list of JSON objects on one line, or several lines, as an indented object is.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from trine.datasets.lines import encodable
from trine.log_formats.log_event import Format, Line, LogEvent
from trine.logs.files import LogFiles

SHOWN_TEXT = 2_000
"""Characters of a record that are kept."""


class Place(NamedTuple):
    """Where a record begins in a log."""

    source: int
    """Index of the file."""
    line: int
    """Number of the line in its file."""
    record: int = 1
    """Number of the record among those that begin on this line."""


def place_text(file: str, line: int, record: int = 1) -> str:
    """A place for people: `app.log:12`, and `app.log:1 record 78` for a later record of a line."""
    return f"{file}:{line}" if record == 1 else f"{file}:{line} record {record}"


class RecordTexts:
    """Reads the texts of records again.

    files      the log
    formats    by source, makes the format of a file whose records are not simply its lines; all others are lines
    """

    def __init__(self, files: LogFiles, formats: Mapping[int, Callable[[], Format]]) -> None:
        self._files, self._formats = files, formats

    def texts(self, wanted: Iterable[Place]) -> dict[Place, str]:
        """The beginnings of the texts, by place, of `SHOWN_TEXT` characters at most.

        A line is as it is in the log; a JSON object that is a part of a line, or on several lines, is compact JSON.
        """
        places = set(wanted)
        found: dict[Place, str] = {}
        for source in sorted({place.source for place in places} & self._formats.keys()):
            found.update(self._of_records(source, {place for place in places if place.source == source}))
        rest = [place for place in places if place not in found]
        lines = self._files.texts((place.source, place.line) for place in rest)
        found.update({place: lines[place[:2]][:SHOWN_TEXT] for place in rest if place[:2] in lines})
        return found

    def _of_records(self, source: int, wanted: set[Place]) -> Iterator[tuple[Place, str]]:
        waiting = set(wanted)
        line, record = 0, 0
        for each, own_line in self._records(source):
            line, record = each.number, record + 1 if each.number == line else 1
            place = Place(source, line, record)
            if place in waiting:
                waiting.discard(place)
                yield place, _shown(each.text, own_line)
                if not waiting:
                    return

    def _records(self, source: int) -> Iterator[tuple[Line, str]]:
        """The records of a file, each with the text of the line that completes it."""
        reader = self._formats[source]()
        joiner, begun = reader.joiner, False
        assert joiner is not None
        for number, text in enumerate(self._files.lines_of(source), 1):
            for record in joiner.feed(Line(source, number, text)):
                yield record, text
                # The names of columns, which stand before all events, say how further rows are divided.
                begun = begun or isinstance(reader.parse(record.text), LogEvent)
        yield from ((record, "") for record in joiner.finish())


def _shown(text: str, line: str) -> str:
    """The beginning of a record's text; compact if it is JSON and not a line of the log."""
    if text != line and text[:1] == "{":
        with suppress(ValueError, RecursionError):
            text = encodable(json.dumps(json.loads(text, strict=False), ensure_ascii=False, separators=(",", ":")))
    return text[:SHOWN_TEXT]
