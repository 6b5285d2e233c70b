"""Labels that are several classes at once, such as `cat|dog`: a classifier learns one class per picture."""

from collections.abc import Iterable
from pathlib import Path

from trine.datasets.lines import encodable
from trine.errors import DataError
from trine.pictures.entries import listed

BETWEEN = ("|", ";", ",", " ")
"""What stands between the classes of a cell."""
PLAIN = frozenset({",", " "})
"""Those that also stand inside the names of classes: `Paris, France`, `hot dog`."""


def refuse_several(labels: Iterable[tuple[str, object]], path: Path) -> None:
    """Raise `DataError` if cells of a column of labels are several classes each; `labels` are positions and cells."""
    cells = [(position, _lists(cell)) for position, cell in labels]
    if wrong := [(position, parts) for position, parts in cells if len(parts) > 1]:
        raise several(path, wrong)
    texts = {parts[0] for _, parts in cells if parts}
    for mark in BETWEEN:
        joined = _joined(texts, mark)
        wrong = [(position, _parts(parts[0], mark)) for position, parts in cells if parts and parts[0] in joined]
        if wrong:
            raise several(path, wrong)


def text_of(cell: object) -> str:
    """A cell as text; a list of one value, as JSON lines and Parquet can have, as that value."""
    value = cell[0] if isinstance(cell, list | tuple) and len(cell) == 1 else cell
    return "" if value is None else encodable(str(value)).strip()


def several(path: Path, rows: list[tuple[str, list[str]]]) -> DataError:
    """The error for rows of several classes, each its position and its classes."""
    where, classes = listed(position for position, _ in rows), ", ".join(rows[0][1][:5])
    return DataError(
        f"{path}: {where}: several classes at once ({classes}): a picture has one class; take these rows out, "
        "leave one class in each (in a column per class a single 1), or train a model per class"
    )


def _joined(texts: set[str], mark: str) -> set[str]:
    """The cells in which this mark stands between classes.

    A comma or a blank does so only where each part is a class of its own in another row; a blank, in two cells.
    """
    split = {text: _parts(text, mark) for text in texts if mark in text}
    split = {text: parts for text, parts in split.items() if len(parts) > 1 and len(set(parts)) == len(parts)}
    alone = texts - split.keys()
    found = {text for text, parts in split.items() if alone.issuperset(parts)}
    if mark in PLAIN:
        return found if len(found) > 1 or mark == "," else set()
    shared = [part for parts in split.values() for part in parts]
    return found | {text for text, parts in split.items() if any(shared.count(part) > 1 for part in parts)}


def _parts(text: str, mark: str) -> list[str]:
    parts = [part.strip() for part in text.split(mark)]
    return parts if all(parts) else [text]


def _lists(cell: object) -> list[str]:
    """The classes of a cell that is a list, as JSON lines and Parquet can have; a text as a single one."""
    values = list(cell) if isinstance(cell, list | tuple) else [cell]
    return [text for value in values if value is not None and (text := str(value).strip())]
