"""Parquet files that hold pictures themselves: bytes of picture files, one per row, in the column `picture`.

A column `image` with the bytes, or with a struct of bytes and path, is read too: data sets are published so.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trine.cluster.places import is_address, shown
from trine.errors import DataError, UsageError

COLUMNS = ("picture", "image")
BYTES, NAME = "bytes", "path"
"""Fields of a struct that holds a picture."""


def row_groups(path: str) -> int:
    """Number of row groups of a Parquet file of pictures; 0 where it holds none. Raises `DataError`, `UsageError`."""
    with _opened(path) as table:
        return int(table.num_row_groups) if _column(table) else 0


def pictures_of(path: str, group: int, count: int) -> Iterator[tuple[list[str], list[bytes | Path | DataError]]]:
    """The names and the bytes of the pictures of a row group, so many at a time.

    A file that cannot be read gives one picture that says so.
    """
    row = 0
    try:
        with _opened(path) as table:
            column = _column(table)
            assert column
            row = sum(table.metadata.row_group(before).num_rows for before in range(group))
            for batch in table.iter_batches(count, row_groups=[group], columns=[column]):
                cells = batch.column(0).to_pylist()
                yield [_name(cell, path, row + i) for i, cell in enumerate(cells)], [_bytes(cell) for cell in cells]
                row += len(cells)
    except DataError as problem:
        yield [f"{shown(path)}#{row}"], [problem]


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow import fs, parquet
    except ImportError:
        raise UsageError(f"{shown(path)}: Parquet needs pyarrow; pip install 'trine[parquet]'") from None
    try:
        system, inner = fs.FileSystem.from_uri(path) if is_address(path) else (fs.LocalFileSystem(), path)
        with system.open_input_file(inner) as file:
            yield parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError, ValueError) as problem:
        reason = (str(problem) or type(problem).__name__).splitlines()[0][:200]
        raise DataError(f"{shown(path)}: no whole Parquet file ({reason}); get it again") from None


def _column(table: Any) -> str | None:
    """The column that holds pictures as bytes, if there is one."""
    from pyarrow import types

    for name in COLUMNS:
        if name in table.schema_arrow.names:
            kind = table.schema_arrow.field(name).type
            if types.is_binary(kind) or types.is_large_binary(kind):
                return name
            if types.is_struct(kind) and kind.get_field_index(BYTES) >= 0:
                return name
    return None


def _name(cell: Any, path: str, row: int) -> str:
    own = cell.get(NAME) if isinstance(cell, dict) else None
    return f"{shown(path)}#{own or row}"


def _bytes(cell: Any) -> bytes | DataError:
    inner = cell.get(BYTES) if isinstance(cell, dict) else cell
    return inner if inner else DataError("no picture in this row")
