"""Copies of pictures in a folder per class. Nothing is overwritten."""

import filecmp
import os
import shutil
from collections import Counter
from itertools import count
from pathlib import Path

from trine import files
from trine.errors import RunError

UNSURE = "unsure"
"""Folder of the pictures that were not answered."""


class SortedCopies:
    """A folder that pictures are copied into, each into the folder of its class.

    A copy is complete or absent. A file of the same name and content counts as the copy; beside one of other content,
    the copy gets a number.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.counts: Counter[str] = Counter()
        """Copies per folder."""
        self.present = 0
        """Pictures that were there already."""

    def add(self, picture: Path, name: str, label: str | None) -> Path:
        """Copy a picture, whose last name is that of `name`, into the folder of its label; None: unsure.

        Raises `RunError`.
        """
        folder = self.root / (UNSURE if label is None else folder_name(label))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            copy = self._copied(picture, folder, Path(name).name)
        except OSError as problem:
            raise RunError(files.explain(problem, folder)) from problem
        self.counts[folder.name] += 1
        return copy

    def _copied(self, picture: Path, folder: Path, name: str) -> Path:
        part = folder / f".{os.getpid()}.part"
        try:
            shutil.copyfile(picture, part)
            for number in count(1):
                target = folder / (name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}")
                if _placed(part, target):
                    return target
                if filecmp.cmp(part, target, shallow=False):
                    self.present += 1
                    return target
        finally:
            part.unlink(missing_ok=True)
        raise AssertionError

    def summary(self) -> str:
        """How many pictures are in which folder."""
        counts = ", ".join(f"{name} {number:,}" for name, number in sorted(self.counts.items()))
        before = f"; {self.present:,} were there already" if self.present else ""
        return f"sorted into {self.root}: {counts or 'nothing'}{before}"


def folder_name(label: str) -> str:
    """A folder's name for a class: `T-shirt/top` is `T-shirt-top`; a class called `unsure` is `unsure-`."""
    name = "".join("-" if letter in '/\\\0:*?"<>|' or not letter.isprintable() else letter for letter in label).strip()
    name = f"-{name[1:]}" if name.startswith(".") else name
    return f"{name}-" if name in ("", UNSURE) else name[:120]


def _placed(part: Path, target: Path) -> bool:
    """Whether the file has become `target`; False if there is one."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if target.exists():
            return False
        part.replace(target)
    return True
