"""Tables read row by row: TSV, CSV, JSON lines and Parquet, each of them also inside gzip.

- The name of the file gives the format (`READERS`); its content says whether it is inside gzip.
- Column names have no outer blanks and are in lower case.
- A row that cannot be read is left out and counted in `Skips`; a table that cannot be read raises `DataError`.
"""

import csv
import json
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from trine.datasets.lines import MAX_ROW, Skips, encodable, open_binary, text_lines
from trine.errors import DataError, UsageError

BATCH_ROWS = 1024
"""Rows of a Parquet file that are in memory at the same time."""


class Row(NamedTuple):
    """One row of a table."""

    position: str
    """`line 7` in a text file, `row 7` in a Parquet file; both count from 1."""
    cells: dict[str, object]
    """Column name to value: a text in TSV and CSV, any type in JSON lines and Parquet."""


Reader = Callable[[Path, str | None, Collection[str] | None, Skips], Iterator[Row]]


def is_table(path: Path) -> bool:
    """Whether the name of a file is that of a table: it ends in one of `READERS`, or in one of them and `.gz`."""
    return _suffix(path) in READERS


def read_table(path: Path, required: str | None, skips: Skips, columns: Collection[str] | None = None) -> Iterator[Row]:
    """The rows of a table that has the column `required`, if any is; `columns` are the columns to read, None: all.

    Raises `DataError` if the file cannot be opened, is empty or damaged, lacks the column, or has two columns of the
    same name. Raises `UsageError` for Parquet without pyarrow (the extra `parquet`).
    """
    if not is_table(path):
        raise DataError(f"{path}: no table; give a file whose name ends in one of {', '.join(READERS)}")
    return READERS[_suffix(path)](path, required, columns, skips)


def has_column(path: Path, column: str) -> bool:
    """Whether a table has a column of that name. A table without a readable header has none."""
    try:
        next(read_table(path, column, Skips(path.name), (column,)), None)
    except _EqualColumnsError:  # only a table that has the column is checked for it
        return True
    except DataError:
        return False
    return True


class _EqualColumnsError(DataError):
    """Two columns of a table have the same name."""


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return name[name.rfind(".") :]


def _read_tsv(path: Path, required: str | None, columns: Collection[str] | None, skips: Skips) -> Iterator[Row]:
    """Cells between tabs. They are quoted only if all names in the header are, as R writes them."""
    lines = text_lines(path, skips, MAX_ROW)
    first = next((line for line in lines if line[1]), None)
    if first is None:
        raise _empty(path, required)
    lines = chain([first], lines)
    if all(len(name) > 1 and name[0] == name[-1] == '"' for name in first[1].split("\t")):
        rows = _quoted_cells(lines, "\t", path)
    else:
        rows = ((number, line.split("\t")) for number, line in lines if line)
    yield from _with_header(rows, path, required, columns, skips)


def _read_csv(path: Path, required: str | None, columns: Collection[str] | None, skips: Skips) -> Iterator[Row]:
    """Cells between commas, quoted as in RFC 4180."""
    return _with_header(_quoted_cells(text_lines(path, skips, MAX_ROW), ",", path), path, required, columns, skips)


def _quoted_cells(lines: Iterator[tuple[int, str]], delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the last line of each row, and the row's cells."""
    number = last = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, line in lines:  # noqa: B007  (read below)
            yield line + "\n"

    csv.field_size_limit(MAX_ROW)
    rows = csv.reader(texts(), delimiter=delimiter, strict=True)
    try:
        for cells in rows:
            last = number
            if cells:
                yield number, cells
    except csv.Error as error:
        raise DataError(
            f"{path}: line {last + 1}: a damaged row ({error}); close the quotes, or save as TSV without quotes"
        ) from None


def _with_header(
    rows: Iterator[tuple[int, list[str]]],
    path: Path,
    required: str | None,
    columns: Collection[str] | None,
    skips: Skips,
) -> Iterator[Row]:
    _, header = next(rows, (0, []))
    if not header:
        raise _empty(path, required)
    names = _column_names(header, path, required)
    kept = [i for i, name in enumerate(names) if columns is None or name in columns]
    for number, cells in rows:
        if len(cells) == len(names):
            yield Row(f"line {number}", {names[i]: cells[i] for i in kept})
        else:
            skips.add("another number of cells than the header, row left out", f"line {number}")


def _read_json_lines(path: Path, required: str | None, columns: Collection[str] | None, skips: Skips) -> Iterator[Row]:
    """One JSON object per line."""
    empty, with_column, first_names = True, False, None
    for number, line in text_lines(path, skips, MAX_ROW):
        if not line.strip():
            continue
        empty, position, fields = False, f"line {number}", _json_object(line)
        if fields is None:
            skips.add("no JSON object, row left out", position)
            continue
        names = _lower(fields)
        if required is None or required in names:
            with_column = True
            _require_distinct(names, path)
            cells = dict(zip(names, fields.values(), strict=True))
            yield Row(position, {name: cells[name] for name in cells if columns is None or name in columns})
        else:
            skips.add(f"no column {required!r}, row left out", position)
            first_names = first_names or names
    if empty:
        raise _empty(path, required)
    if first_names is not None and not with_column:
        raise _missing(first_names, path, required)


def _json_object(line: str) -> dict[str, object] | None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _read_parquet(path: Path, required: str | None, columns: Collection[str] | None, skips: Skips) -> Iterator[Row]:
    """Cells of any type, read in batches of `BATCH_ROWS` rows."""
    try:
        from pyarrow import ArrowException, parquet  # heavy, and an extra
    except ImportError:
        raise UsageError(f"{path}: Parquet needs pyarrow; pip install 'trine[parquet]'") from None
    with open_binary(path) as file:
        try:
            if not file.peek(1):
                raise _empty(path, required)
            table = parquet.ParquetFile(file)
            header = table.schema_arrow.names
            names = dict(zip(header, _column_names(header, path, required), strict=True))
            kept = None if columns is None else [name for name in header if names[name] in columns]
            number = 0
            for batch in table.iter_batches(BATCH_ROWS, columns=kept):
                for number, cells in enumerate(batch.to_pylist(), number + 1):  # noqa: B020  (over all batches)
                    yield Row(f"row {number}", {names[name]: value for name, value in cells.items()})
        except (ArrowException, OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise DataError(f"{path}: no whole Parquet file ({reason}); get it again") from None


READERS: dict[str, Reader] = {
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
"""What reads a table, by the end of its name."""


def _lower(names: Iterable[str]) -> list[str]:
    return [encodable(name).strip().lower() for name in names]


def _column_names(header: Iterable[str], path: Path, required: str | None) -> list[str]:
    names = _lower(header)
    if required is not None and required not in names:
        raise _missing(names, path, required)
    _require_distinct(names, path)
    return names


def _require_distinct(names: list[str], path: Path) -> None:
    """Columns without a name, as spreadsheets append them, may occur more than once."""
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise _EqualColumnsError(f"{path}: two columns have the same name ({_listed(names)}); rename one")


def _listed(names: list[str]) -> str:
    """The first names on one line, although a quoted name can hold line breaks."""
    return " ".join(", ".join(names).split())[:200]


def _missing(names: list[str], path: Path, required: str | None) -> DataError:
    return DataError(f"{path}: no column {required!r} among: {_listed(names)}; rename the column of the {required}")


def _empty(path: Path, required: str | None) -> DataError:
    column = "" if required is None else f" with a column {required!r}"
    return DataError(f"{path}: the file is empty; give a table{column}")
