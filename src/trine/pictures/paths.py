"""The picture files that words on a command line stand for, and the names of pictures in messages."""

import glob
from collections.abc import Iterable
from pathlib import Path

from trine.errors import DataError
from trine.pictures.decode import PICTURE_SUFFIXES, Picture


def find_pictures(words: Iterable[str | Path]) -> list[Path]:
    """The files that the words stand for, in order: files, all pictures below folders, and matches of globs.

    Raises `DataError` when there is none.
    """
    paths = [path for word in words for path in _expanded(str(word))]
    if not paths:
        raise DataError("no picture was named: give files, folders or globs, or - to read names from standard input")
    return paths


def picture_name(picture: Picture, number: int) -> str:
    """The picture's path; `picture 3` for a picture without a path that is the third of its list."""
    return str(picture) if isinstance(picture, str | Path) else f"picture {number}"


def _expanded(word: str) -> list[Path]:
    path = Path(word)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
        if not inside:
            raise DataError(f"{path}: holds no pictures: give a folder that does")
        return inside
    if path.exists() or not glob.has_magic(word):
        return [path]
    return sorted(Path(match) for match in glob.glob(word, recursive=True))  # noqa: PTH207  (words may be absolute)
