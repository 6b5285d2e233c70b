"""Tables: CSV with one event a row, logs of Zeek, and extended logs of the W3C (IIS, CloudFront, Windows' firewall)."""

import csv
import re
from collections.abc import Iterator, Sequence
from typing import ClassVar
from urllib.parse import unquote

from trine.annotations import override
from trine.log_formats.field_names import guessed
from trine.log_formats.json_presets import PRESETS, Preset
from trine.log_formats.log_event import HEADER, Entity, FormatSettings, Header, Line, LogEvent
from trine.log_formats.record_reader import RecordFormat, RecordReader
from trine.log_formats.request_marks import break_part
from trine.log_formats.times import find_time
from trine.log_formats.zeek_events import zeek_record

MAX_ROW = 1 << 20
"""Longest row over several lines, in characters."""

_DELIMITERS = ",\t;|"
_NO_NAME = re.compile(r"[\d.:/\-+ TZ]*+$|\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{2,4}|0x[0-9A-Fa-f]+$|[A-Za-z0-9.]+@|.{81}")
"""What no column is named: a number, a time, an address, a long text."""
_LONGEST_NAME = 40
_SEPARATOR = re.compile(r"#separator (\S++)")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_AGENT = "cs(User-Agent)"
_W3C = Preset(
    fits=(frozenset(("cs-method", "cs-uri")),),
    web=("cs-method", "cs-uri", "sc-status"),
    time="time",
    day="date",
    entities={
        "address": "c-ip|x-forwarded-for|X-Forwarded-For",
        "user": "cs-username",
        "host": "s-computername|cs(Host)|cs-host|s-sitename|s-ip",
    },
    attributes={"edge": "x-edge-result-type", "error": "sc-win32-status"},
    arguments={"referer": "cs(Referer)"},
    agent=_AGENT,
)


class RowJoiner:
    """Makes rows of the lines of a table: a quoted cell may hold line breaks.

    delimiters  characters that can end a cell
    cells       number of cells that a row over several lines has to have; None: any
    """

    def __init__(self, delimiters: str = _DELIMITERS) -> None:
        self.delimiters = delimiters
        self.cells: range | None = None
        self._lines: list[Line] = []
        self._length = 0

    def feed(self, line: Line) -> Iterator[Line]:
        """The rows that this line completes."""
        if self._lines and line.source != self._lines[0].source:
            yield from self.finish()
        opened = _ends_open(line.text, self.delimiters, is_open=bool(self._lines))
        if not self._lines and not opened:
            yield line
            return
        self._lines.append(line)
        self._length += len(line.text)
        if not opened:
            yield from self._row()
        elif self._length > MAX_ROW:
            yield from self.finish()

    def finish(self) -> Iterator[Line]:
        """The lines of the row that is incomplete at the end of the log, as they are."""
        lines, self._lines, self._length = self._lines, [], 0
        yield from lines

    def _row(self) -> Iterator[Line]:
        text = "\n".join(line.text for line in self._lines)
        if self.cells is not None and len(_cells(text, self.delimiters[0])) not in self.cells:
            yield from self.finish()
            return
        first = self._lines[0]
        self._lines, self._length = [], 0
        yield first._replace(text=text)


def _ends_open(text: str, delimiters: str, *, is_open: bool) -> bool:
    """Whether a quoted cell is open at the end of a line."""
    if '"' not in text:
        return is_open
    pattern = _opening(delimiters)
    at = 0
    if is_open:
        closed = _CLOSED.match(text)
        if not closed:
            return True
        at = closed.end()
    end = pattern.match(text, at)
    return end is not None and text[end.end() : end.end() + 1] == '"'


_CLOSED = re.compile(r'(?:[^"]++|"")*+"')


def _opening(delimiters: str) -> re.Pattern[str]:
    """Over all complete cells of a line, up to a quote that opens a cell and is not closed."""
    ends = re.escape(delimiters)
    return re.compile(rf'(?:[^"{ends}][^{ends}]*+|[{ends}]|"(?:[^"]++|"")*+"[^{ends}]*+)*+')


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of a row; none if it cannot be read."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []


class Table:
    """Rows of a table by the names of its columns, which the first row may be.

    extra  name of a cell that rows have beyond the columns; "": a row with more cells is no row
    """

    def __init__(self, extra: str = "") -> None:
        self.columns: tuple[str, ...] = ()
        self.named = False
        """Whether the first row names the columns in a few words each."""
        self.joiner = RowJoiner()
        self._extra = extra

    def row(self, text: str) -> dict[str, str] | Header | None:
        """The cells by their columns; a header for the names of the columns; None for another number of cells."""
        if not self.columns:
            return self._first(text)
        cells = _cells(text, self.joiner.delimiters)
        if len(cells) == len(self.columns):
            return HEADER if tuple(cells) == self.columns else dict(zip(self.columns, cells, strict=True))
        if self._extra and len(cells) == len(self.columns) + 1:
            return dict(zip((*self.columns, self._extra), cells, strict=True))
        return None

    def _first(self, text: str) -> dict[str, str] | Header | None:
        delimiter = max(_DELIMITERS, key=lambda mark: len(_cells(text, mark)))
        cells = [cell.strip().removeprefix("\ufeff") for cell in _cells(text, delimiter)]
        if len(cells) < 2:
            return None
        names = not any(_NO_NAME.match(cell) for cell in cells if cell) and len(set(cells)) == len(cells)
        self.columns = tuple(cell if names and cell else f"column{number}" for number, cell in enumerate(cells, 1))
        self.named = names and all(cell and len(cell) <= _LONGEST_NAME and cell.count(" ") < 4 for cell in cells)
        self.joiner.delimiters = delimiter
        self.joiner.cells = range(len(cells), len(cells) + 1 + bool(self._extra))
        return HEADER if names else dict(zip(self.columns, cells, strict=True))


_FEWEST = 3
"""Columns of a table whose rows are texts: fewer are as likely a text with a comma."""


class Csv(RecordFormat):
    """One event per row. The first row names the columns, unless a cell of it is a number, a time or an address.

    Where no column is named like an event or a text, a row with a time is a text: its cells but time and entities.
    """

    name: ClassVar[str] = "csv"

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._table = Table()
        self.joiner = self._table.joiner
        presets = (preset for name, preset in PRESETS.items() if name != "windows")
        self._reader = RecordReader(self.settings, self.clock, presets)
        self._time, self._not_said = "", frozenset[str]()
        """The column of the time and those that are no part of the text, if rows are texts; "" if they are not."""

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event of a row, by the columns that the settings name, or by the names of the columns."""
        row = self._table.row(text)
        if not isinstance(row, dict):
            return row
        event = None if self._time else self._reader.read(row)
        if event is None and (self._time or self._is_text(row)):
            said = " ".join(cell for name, cell in row.items() if cell and name not in self._not_said)
            return self._reader.read({**row, "@timestamp": row[self._time], "message": said})
        return event

    def _is_text(self, row: dict[str, str]) -> bool:
        """Whether the rows of the table are texts."""
        if self.settings.event or not self._table.named or len(row) < _FEWEST or guessed(row) is not None:
            return False
        times = (name for name, cell in row.items() if (found := find_time(cell)) and found[1] >= len(cell))
        self._time = self.settings.time or next(times, "")
        entities = guessed(row, has_event=True)
        paths = "|".join(entities.entities.values()) if entities else ""
        self._not_said = frozenset((self._time, *paths.split("|"), self.settings.entity or ""))
        return self._time in row

    @override
    def fields(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._table.columns


class Zeek(RecordFormat):
    """Logs of Zeek as tables, with their fields named in the header. A new header may come at any line."""

    name: ClassVar[str] = "zeek"
    default_entity: ClassVar[Entity | None] = "address"
    sure_header: ClassVar[bool] = True

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        preset = Preset(fits=(frozenset(("_path",)),), read=zeek_record)
        self._reader = RecordReader(self.settings, self.clock, (preset,), guess=False)
        self._fields: tuple[str, ...] = ()
        self._separator, self._path = "\t", "zeek"
        self._unset = {"-", "(empty)", ""}

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event is the log and its fields of few values, such as `conn tcp ssl SF`."""
        if text.startswith("#"):
            return self._header(text)
        cells = text.split(self._separator)
        if not self._fields or len(cells) != len(self._fields):
            return None
        pairs = zip(self._fields, cells, strict=True)
        record = {name: "" if cell in self._unset else cell for name, cell in pairs}
        record["_path"] = self._path
        return self._reader.read(record)

    def _header(self, text: str) -> Header | None:
        separator = _SEPARATOR.match(text)
        if separator:
            self._separator = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), separator[1]) or "\t"
            return HEADER
        name, *values = text.split(self._separator)
        if name == "#fields" and values:
            self._fields = tuple(values)
        elif name == "#path" and values:
            self._path = values[0]
        elif name in ("#unset_field", "#empty_field") and values:
            self._unset.add(values[0])
        elif name not in ("#set_separator", "#types", "#open", "#close", "#unset_field", "#empty_field"):
            return None
        return HEADER

    @override
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in the last header."""
        return self._fields


class W3c(RecordFormat):
    """Extended logs of the W3C, with their fields named in `#Fields:`; a new header may come at any line."""

    name: ClassVar[str] = "w3c"
    default_entity: ClassVar[Entity | None] = "address"
    sure_header: ClassVar[bool] = True

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._reader = RecordReader(self.settings, self.clock, (_W3C,))
        self._fields: Sequence[str] = ()

    def parse(self, text: str) -> LogEvent | Header | None:
        """A web request as parts, such as `("GET ", "/blog", " 200")`; another record by the names of its fields."""
        if text.startswith("#"):
            name, _, rest = text.partition(":")
            if name == "#Fields":
                self._fields = tuple(rest.split())
            return HEADER if name[1:].replace("-", "").isalpha() else None
        cells = text.split("\t") if "\t" in text else text.split()
        if not self._fields or len(cells) != len(self._fields):
            return None
        record = {name: "" if cell == "-" else cell for name, cell in zip(self._fields, cells, strict=True)}
        stem = record.get("cs-uri-stem")
        if stem is not None:
            query = record.get("cs-uri-query")
            record["cs-uri"] = f"{stem}?{query}" if query else stem
        if "%" in record.get(_AGENT, ""):
            record[_AGENT] = unquote(record[_AGENT])  # CloudFront encodes the field, before 2020 twice
        event, broken = self._reader.read(record), break_part(text)
        if broken and isinstance(event, LogEvent) and isinstance(event.event, tuple):
            return event._replace(event=(*event.event, broken))
        return event

    @override
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in the last header."""
        return tuple(self._fields)
