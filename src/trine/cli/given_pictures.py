"""Pictures that a command is given, read at a model's size, and files that it writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from trine import files
from trine.cli import output
from trine.errors import DataError, UsageError
from trine.pictures.decode import read_picture

if TYPE_CHECKING:
    from trine.classify.classifier import Classifier
    from trine.generate.generator import Generator
    from trine.pictures.picture_set import PictureSet

Pictures = UInt8[np.ndarray, "n height width channels"]


def read_given(model: "Generator", words: Sequence[str]) -> tuple[list[str], Pictures, bool]:
    """The pictures that `words` name, with their paths, at the model's size; and whether any could not be read.

    Each unreadable one is named on stderr. Raises `DataError` when none can be read.
    """
    from trine.pictures.paths import found_pictures

    pictures = []
    with found_pictures(words) as found:
        failed = output.print_passed_over(found)
        for path, name in zip(found.paths, found.names, strict=True):
            try:
                pixels = read_picture(path, model.size, model.channels, name, model.reading)
            except DataError as problem:
                output.note(f"trine: {problem}")
                failed = True
            else:
                pictures.append((name, pixels))
    if not pictures:
        raise DataError("none of the pictures could be read")
    names, images = zip(*pictures, strict=True)
    return list(names), np.stack(images), failed


def read_all(model: "Generator", words: Sequence[str]) -> tuple[list[str], Pictures]:
    """The pictures that `words` name, with their paths. Raises `DataError` when any cannot be read."""
    names, images, failed = read_given(model, words)
    if failed:
        raise DataError("a picture could not be read: give others")
    return names, images


def open_set(model: "Classifier | Generator", data: str | Path, data_dir: Path | None) -> "PictureSet":
    """The set at the model's size; files that are skipped are named on stderr."""
    opened = model.open(data, data_dir)
    for line in opened.left_out():
        output.note(line)
    return opened


def check_ending(out: Path, *endings: str) -> None:
    """Raise `UsageError` for a file of another kind."""
    if out.suffix.lower() not in endings:
        raise UsageError(f"--out {out}: this is written as {' or '.join(endings)}: give such a name")


def write_and_tell(out: Path, content: bytes) -> None:
    """Write a file, and print its name."""
    files.write_bytes(out, content)
    print(out)
