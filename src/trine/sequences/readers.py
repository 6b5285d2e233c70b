"""Files of sequences, read row by row: TSV, CSV, JSON lines, Parquet (.gz too), and folders of one sequence a file.

A reader yields `(place, fields)`: `place` says where the row stands ("line 7"), `fields` maps column to text or list.
What it must leave out it adds to `skips`; what makes the whole file unreadable raises `DataError`.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from trine.datasets.catalogue import CATALOGUE, location, nothing_there
from trine.datasets.fetch import fetch
from trine.datasets.lines import MAX_ROW, Skips, text_lines
from trine.errors import DataError, UsageError
from trine.sequences.table import SequenceBuilder, SequenceTable

Row = tuple[str, Mapping[str, object]]
Reader = Callable[[Path, Skips], Iterator[Row]]

FOLDER_SPLITS = {
    "training_data_master": "train",
    "validation_data_master": "valid",
    "attack_data_master": "attack",
    **{name: name for name in ("train", "valid", "val", "validation", "test", "attack")},
}
"""Folder names that say a split; the first three are ADFA-LD's own."""

FOLDER_LABELS = {"normal": "normal", "benign": "normal", "attack": "attack", "anomaly": "attack", "abnormal": "attack"}


def reader_of(path: Path) -> Reader | None:
    """What reads `path`, judged by its name; None if it is no folder and its ending is none of a table's."""
    if path.is_dir():
        return read_folder
    name = path.name.lower().removesuffix(".gz")
    return READERS.get(name[name.rfind(".") :])


def read_tsv(path: Path, skips: Skips) -> Iterator[Row]:
    """Columns between tabs, no quoting; the first line names them."""
    lines = text_lines(path, skips, MAX_ROW)
    return _with_header(((number, line.split("\t")) for number, line in lines if line), path, skips)


def read_csv(path: Path, skips: Skips) -> Iterator[Row]:
    """Columns between commas, quoted as RFC 4180 has it; the first line names them."""
    return _with_header(_csv_cells(path, skips), path, skips)


def _csv_cells(path: Path, skips: Skips) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_ROW)
    rows = csv.reader((line + "\n" for _, line in text_lines(path, skips, MAX_ROW)), strict=True)
    try:
        for cells in rows:
            if cells:
                yield rows.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: {error}; close the quotes or save the table as TSV") from None


def _with_header(rows: Iterator[tuple[int, list[str]]], path: Path, skips: Skips) -> Iterator[Row]:
    _, header = next(rows, (0, []))
    columns = [name.strip().lower() for name in header]
    require_events(columns, path)
    if len(set(columns)) < len(columns):
        raise DataError(f"{path}: two columns have the same name ({', '.join(columns)[:200]}); rename one")
    for number, cells in rows:
        if len(cells) == len(columns):
            yield f"line {number}", dict(zip(columns, cells, strict=True))
        else:
            skips.add("another number of columns than the header, row left out", f"line {number}")


def read_jsonl(path: Path, skips: Skips) -> Iterator[Row]:
    """One JSON object a line; `events` is a list or a text of blank-separated events."""
    for number, line in text_lines(path, skips, MAX_ROW):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            yield f"line {number}", {name.strip().lower(): value for name, value in fields.items()}
        else:
            skips.add("no JSON object, row left out", f"line {number}")


def read_parquet(path: Path, skips: Skips) -> Iterator[Row]:
    """Columns of texts or lists. Raises `UsageError` without pyarrow (the extra `parquet`)."""
    try:
        from pyarrow import ArrowException, parquet  # heavy, and an extra
    except ImportError:
        raise UsageError(f"{path}: Parquet needs pyarrow; pip install 'trine[parquet]'") from None
    try:
        file = parquet.ParquetFile(path)
        require_events([name.lower() for name in file.schema_arrow.names], path)
        number = 0
        for batch in file.iter_batches(1024):
            for number, fields in enumerate(batch.to_pylist(), number + 1):  # noqa: B020  (counts on over the batches)
                yield f"row {number}", {name.lower(): value for name, value in fields.items()}
    except (ArrowException, OSError) as error:
        raise DataError(f"{path}: no whole Parquet file ({str(error).splitlines()[0][:200]}); get it again") from None


def read_folder(root: Path, skips: Skips) -> Iterator[Row]:
    """One sequence a text file; the folders above it say its split, its label and its kind (`Adduser_3` is Adduser)."""
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if reader_of(path):
            skips.add("a table, no sequence, left out", str(inside))
            continue
        yield str(inside), {"events": _events_of_file(path, inside, skips), **_said_by_folders(inside)}


def _events_of_file(path: Path, inside: Path, skips: Skips) -> list[str]:
    of_file = Skips(str(inside))
    events = [event for _, line in text_lines(path, of_file, MAX_ROW) for event in line.split()]
    for message in of_file.messages():
        skips.add("no clean text", message)
    return events


def _said_by_folders(inside: Path) -> dict[str, str]:
    folders, said = list(inside.parent.parts), {}
    for folder in inside.parent.parts:
        word = folder.lower()
        if word in FOLDER_LABELS:
            said["label"] = FOLDER_LABELS[word]
        if word in FOLDER_SPLITS:
            said["split"] = FOLDER_SPLITS[word]
            folders = folders[folders.index(folder) + 1 :]
    if said.get("split") in ("train", "valid") and inside.parts[-2].lower().endswith("_data_master"):
        said["label"] = "normal"
    said["name"] = "/".join([*folders, inside.name.removesuffix(".gz").removesuffix(".txt")])
    if folders:
        said["kind"] = re.sub(r"_\d+$", "", folders[-1])
    return said


def require_events(columns: list[str], path: Path) -> None:
    """Raises `DataError` unless there is a column `events`."""
    if not columns:
        raise DataError(f"{path}: the file is empty; give a table with a column 'events'")
    if "events" not in columns:
        shown = ", ".join(columns)[:200]
        raise DataError(f"{path}: no column 'events' among: {shown}; name the column of blank-separated events so")


READERS: dict[str, Reader] = {
    ".tsv": read_tsv,
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
}


def open_sequences(source: str | Path, *, data_dir: Path | None = None) -> SequenceTable:
    """The sequences of a named set, a table (TSV, CSV, JSON lines, Parquet; .gz too) or a folder of one a file.

    Raises `UsageError` if there is nothing of that name, `DataError` if it cannot be read.
    """
    path = Path(source)
    name = path.name
    if not path.exists():
        path = _named(str(source), data_dir)
    read = reader_of(path)
    if read is None:
        endings = ", ".join(READERS)
        raise DataError(
            f"{path}: no sequence table (its name ends in none of {endings}); is it a raw log? give its format"
        )
    skips = Skips(path.name)
    table = SequenceBuilder(name, skips)
    for place, fields in read(path, skips):
        table.add(place, fields)
    return table.build()


def _named(name: str, data_dir: Path | None) -> Path:
    if name not in CATALOGUE:
        raise UsageError(nothing_there(name, "sequences"))
    named = CATALOGUE[name]
    place = location(named, data_dir)
    if named.kind != "sequences" or place is None:
        raise UsageError(f"{name}: a set of {named.kind}, no sequences; `trine data list` shows which are")
    if not place.is_file():
        fetch(named, data_dir)
    return place
