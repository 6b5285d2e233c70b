"""Folders with one sequence per text file. The folders above a file give its split, its label and its kind."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from trine.datasets.lines import MAX_ROW, Skips, open_binary, text_lines
from trine.datasets.tables import Row, is_table
from trine.errors import DataError

FOLDER_SPLITS = {
    "training_data_master": "train",
    "validation_data_master": "valid",
    "attack_data_master": "attack",
    **{name: name for name in ("train", "valid", "val", "validation", "test", "attack")},
}
"""Split by the name of a folder; the first three are the folders of ADFA-LD."""

FOLDER_LABELS = {"normal": "normal", "benign": "normal", "attack": "attack", "anomaly": "attack", "abnormal": "attack"}
"""Label by the name of a folder."""


SAMPLED_FILES = 20
"""Number of files of a folder that are looked at to tell sequences from logs."""

SAMPLED_BYTES = 1 << 14
"""Number of bytes at the beginning of a file that are looked at."""

_WORDS = re.compile(rb"[\w.\-]{1,64}(?:[ \t]+[\w.\-]{1,64})*+[ \t]*\r?")


def looks_like_sequences(root: Path) -> bool:
    """Whether the files of a folder hold one sequence each, and not the lines of a log.

    They do if every line is made of plain words or numbers, and there is one line per file or one word per line.
    """
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and not path.name.startswith("."))
    texts = [_beginning(path) for path in islice((path for path in paths if not is_table(path)), SAMPLED_FILES)]
    texts = [text for text in texts if text.strip()]
    return bool(texts) and sum(map(_is_sequence, texts)) > len(texts) / 2


def _beginning(path: Path) -> bytes:
    try:
        with open_binary(path) as file:
            return file.read(SAMPLED_BYTES)
    except (OSError, EOFError, DataError):
        return b""


def _is_sequence(text: bytes) -> bool:
    lines = [line for line in text.split(b"\n") if line.strip()]
    if len(text) == SAMPLED_BYTES and len(lines) > 1:
        lines = lines[:-1]  # it may be cut off
    if not all(_WORDS.fullmatch(line.strip()) for line in lines):
        return False
    return len(lines) == 1 or all(len(line.split()) == 1 for line in lines)


def read_folder(root: Path, skips: Skips) -> Iterator[Row]:
    """One row per file, in the order of the paths; `position` is the path below `root`.

    Hidden files are ignored; tables are left out. The innermost folder `Adduser_3` gives the kind `Adduser`.
    """
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        if is_table(path):
            skips.add("a table, no sequence, left out", str(inside))
            continue
        yield Row(str(inside), {"events": _events_of_file(path, inside, skips), **_cells_of_path(inside)})


def _events_of_file(path: Path, inside: Path, skips: Skips) -> list[str]:
    file_skips = Skips(str(inside))
    events = [event for _, line in text_lines(path, file_skips, MAX_ROW) for event in line.split()]
    for message in file_skips.messages():
        skips.add("no clean text", message)
    return events


def _cells_of_path(inside: Path) -> dict[str, object]:
    folders, cells = list(inside.parent.parts), dict[str, object]()
    for folder in inside.parent.parts:
        word = folder.lower()
        if word in FOLDER_LABELS:
            cells["label"] = FOLDER_LABELS[word]
        if word in FOLDER_SPLITS:
            cells["split"] = FOLDER_SPLITS[word]
            folders = folders[folders.index(folder) + 1 :]
    if cells.get("split") in ("train", "valid") and inside.parts[-2].lower().endswith("_data_master"):
        cells["label"] = "normal"
    cells["name"] = "/".join([*folders, inside.name.removesuffix(".gz").removesuffix(".txt")])
    if folders:
        cells["kind"] = re.sub(r"_\d+$", "", folders[-1])
    return cells
