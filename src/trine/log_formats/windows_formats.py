"""Events of Windows as exported: XML, JSON of several tools, and CSV of the event viewer."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar
from xml.etree import ElementTree

from trine.log_formats.json_fields import Record, decoded
from trine.log_formats.json_presets import Preset
from trine.log_formats.json_records import JsonJoiner
from trine.log_formats.log_event import HEADER, Entity, FormatSettings, Header, Joiner, Line, LogEvent
from trine.log_formats.record_reader import RecordFormat, RecordReader
from trine.log_formats.table_formats import Table
from trine.log_formats.times import Clock
from trine.log_formats.windows_events import flat, windows_event

MAX_EVENT = 1 << 20
"""Longest event in XML over several lines, in characters."""

_END = "</Event>"
_MARK = re.compile(rf"<Event(?=[\s>]|$)|{_END}")
_FRAME = re.compile(r"(?:\s*+<(?:\?xml|/?Events\b)[^>]*+>)++\s*+")
_UNSAFE = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_NUMBER = frozenset(("eventid", "eventcode", "eventidentifier"))
_BESIDE_ID = frozenset(("providername", "logname", "machinename", "leveldisplayname", "providerid"))
"""Names beside which `Id` is the number of an event; many other records have an id as well."""
_SECTIONS = ("Event", "System", "winlog", "data", "win", "system", "_source")
_WORD = re.compile(r"[^A-Za-z]++")
_MOST_FIELDS = 300


class Windows(RecordFormat):
    """Events of Windows, exported as XML, JSON or CSV; the settings can name the fields of the event log.

    The event is the log and the number; for processes the program and what is unusual about its arguments; for logons
    their type and status: `Security 4625 3 0xc000006a`.
    """

    name: ClassVar[str] = "windows"
    default_entity: ClassVar[Entity | None] = "host"

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._table = Table(extra="Message")
        self._joiner = _WindowsJoiner(self._table)
        self.joiner = self._joiner
        preset = Preset(fits=(frozenset(("EventID",)),), read=_read)
        self._reader = RecordReader(self.settings, self.clock, (preset,), guess=False)

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event of a record; a header for the frame of a document and the names of columns."""
        begin = text.lstrip()[:1]
        if begin == "<":
            return HEADER if _FRAME.fullmatch(text) else self._read(_of_xml(text))
        if begin in ("{", "[", "]"):
            last, value = self._joiner.json.last
            value = value if text is last else decoded(text)
            if isinstance(value, dict):
                return self._read(flat(value)) if _names_number(value) else None
            return HEADER if text.strip() in ("[", "]", "],", "[]") else None
        return self._of_row(text)

    def _read(self, fields: Record | None) -> LogEvent | Header | None:
        return self._reader.read(fields) if fields else None

    def _of_row(self, text: str) -> LogEvent | Header | None:
        row = self._table.row(text) if self._table.columns or _names_columns(text) else None
        return self._read(flat(row)) if isinstance(row, dict) else row


def _read(record: Record, clock: Clock) -> LogEvent | None:
    return windows_event({name: value for name, value in record.items() if isinstance(value, str)}, clock)


def _names_columns(text: str) -> bool:
    """Whether a row names a column for the number of the event."""
    cells = re.split(r"[,;\t]", text[:2000])
    return len(cells) > 2 and _are_of_windows(cells)


def _names_number(record: Record) -> bool:
    """Whether a record in JSON, or a section of it, has a field for the number of the event."""
    if _are_of_windows(record):
        return True
    return any(isinstance(value := record.get(key), dict) and _names_number(value) for key in _SECTIONS)


def _are_of_windows(names: Iterable[str]) -> bool:
    """Whether names of fields include one for the number of an event."""
    plain = {_WORD.sub("", name[:80]).lower() for name in names}
    return not plain.isdisjoint(_NUMBER) or ("id" in plain and not plain.isdisjoint(_BESIDE_ID))


def _of_xml(text: str) -> dict[str, str] | None:
    """The fields of an event in XML; None for what is none. Nothing that a document defines itself is read."""
    if _UNSAFE.search(text):
        return None
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError):
        return None
    if _tag(root) != "Event":
        return None
    fields: dict[str, str] = {}
    for section in root:
        for element in section.iter() if _tag(section) != "System" else section:
            _add(element, fields)
    return fields


def _add(element: ElementTree.Element, fields: dict[str, str]) -> None:
    """Add what an element says to the fields: its text, and its attributes by their names."""
    if len(fields) >= _MOST_FIELDS:
        return
    tag, text = _tag(element), (element.text or "").strip()
    attributes: Mapping[str, str] = element.attrib
    if tag == "Data":
        fields.setdefault(attributes.get("Name") or f"Data{len(fields)}", text)
        return
    if tag in ("Provider", "TimeCreated"):
        fields.setdefault(tag, attributes.get("Name") or attributes.get("SystemTime") or "")
        return
    if text:
        fields.setdefault(tag, text)
    for name, value in attributes.items():
        fields.setdefault(name, value)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


class _XmlJoiner:
    """Makes records of lines of XML: one per element `Event`, with the line where it begins."""

    def __init__(self) -> None:
        self._held: list[Line] = []
        self._length = 0

    def feed(self, line: Line) -> Iterator[Line]:
        """The events that this line completes, and what stands between events."""
        if not self._held and not line.text.strip():
            yield line
            return
        at = 0
        for mark in _MARK.finditer(line.text):
            if mark[0] != _END:
                yield from self._outside(line, line.text[at : mark.start()])
                at = mark.start()
                self._held = [line._replace(text="")]
            elif self._held:
                text = "\n".join((*(held.text for held in self._held if held.text), line.text[at : mark.end()]))
                yield self._held[0]._replace(text=text)
                self._held, self._length, at = [], 0, mark.end()
        rest = line.text[at:]
        if not self._held:
            yield from self._outside(line, rest)
            return
        self._held.append(line._replace(text=rest))
        self._length += len(rest)
        if self._length > MAX_EVENT:
            yield from self.finish()

    def finish(self) -> Iterator[Line]:
        """The lines of the event that is incomplete at the end of the log, as they are."""
        held, self._held, self._length = self._held, [], 0
        yield from (line for line in held if line.text.strip())

    def _outside(self, line: Line, text: str) -> Iterator[Line]:
        """What stands outside of events, after the lines of an event that does not end."""
        if self._held and text:
            self._held.append(line._replace(text=text))
            text = ""
        yield from self.finish()
        if text.strip():
            yield line._replace(text=text)


class _WindowsJoiner:
    """Makes records of lines of XML, JSON or CSV: what a file is, its first line that is not empty says."""

    def __init__(self, table: Table) -> None:
        self.json = JsonJoiner()
        self._rows = table.joiner
        self._joiner: Joiner | None = None
        self._source = -1

    def feed(self, line: Line) -> Iterator[Line]:
        """The records that this line completes."""
        if line.source != self._source:
            yield from self.finish()
            self._source, self._joiner = line.source, None
        if self._joiner is None:
            begin = line.text.lstrip()[:1]
            if not begin:
                yield line
                return
            self._joiner = _XmlJoiner() if begin == "<" else self.json if begin in "{[" else self._rows
        yield from self._joiner.feed(line)

    def finish(self) -> Iterator[Line]:
        """The records that are incomplete at the end of the log."""
        if self._joiner is not None:
            yield from self._joiner.finish()
