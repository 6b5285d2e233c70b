"""Folders of class folders, with split folders above them or not; and flat folders, which have no labels."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from trine.errors import DataError
from trine.pictures.decode import PICTURE_SUFFIXES
from trine.pictures.entries import SPLIT_NAMES, TRAIN, Entry, Files, natural_order, stat_line


class Folder:
    """Pictures on disk, in one of four shapes.

    root/class/…/picture    root/split/class/…/picture    root/picture    root/split/picture

    A lone folder that only holds folders is passed through, as archives often wrap their content in one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def stamp(self) -> Iterator[str]:
        """Name, size and time of every picture file."""
        yield from (stat_line(entry.path, entry.name) for entry in self._files.entries)

    def read(self, workspace: Path) -> Files:
        """Every file with a picture's suffix, class by class."""
        return self._files

    @cached_property
    def _files(self) -> Files:
        files = Files([], [])
        top = _unwrapped(self.root)
        for split, folder in _split_folders(top).items():
            _read_split(self.root, folder, split, files)
        if not files.entries:
            raise DataError(f"{self.root}: holds no picture (looked for {', '.join(sorted(PICTURE_SUFFIXES))})")
        return files


def is_picture(name: str) -> bool:
    """Whether a file's name promises a picture."""
    return not name.startswith(".") and f".{name.rpartition('.')[2].lower()}" in PICTURE_SUFFIXES


def _children(folder: Path | str) -> tuple[list[Path], list[str]]:
    """Sub-folders and the paths of picture files, each in natural order; hidden ones and archive litter are left out.

    Pictures are plain strings here: a million of them are read faster.
    """
    try:
        with os.scandir(folder) as found:
            shown = sorted((e for e in found if not e.name.startswith((".", "__MACOSX"))), key=_order)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    pictures = [entry.path for entry in shown if is_picture(entry.name) and not entry.is_dir()]
    return [Path(entry.path) for entry in shown if entry.is_dir()], pictures


def _order(entry: os.DirEntry[str]) -> list[tuple[int, int, str]]:
    return natural_order(entry.name)


def _unwrapped(root: Path) -> Path:
    folders, pictures = _children(root)
    if len(folders) == 1 and not pictures and folders[0].name.lower() not in SPLIT_NAMES:
        inner_folders, inner_pictures = _children(folders[0])
        if inner_folders and not inner_pictures:
            return _unwrapped(folders[0])
    return root


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split; the root itself is train when no folder is named like a split."""
    folders = _children(root)[0]
    named = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    if not named:
        return {TRAIN: root}
    others = [folder.name for folder in folders if folder not in named]
    if others:
        raise DataError(
            f"{root}: {named[0].name}/ names a split, but stands beside {others[0]}/: "
            "put the class folders into train/, or rename it"
        )
    splits: dict[str, Path] = {}
    for folder in named:
        split = SPLIT_NAMES[folder.name.lower()]
        if split in splits:
            raise DataError(f"{root}: {splits[split].name}/ and {folder.name}/ both name the {split} split: merge them")
        splits[split] = folder
    return splits


def _read_split(root: Path, folder: Path, split: str, files: Files) -> None:
    folders, loose = _children(folder)
    labelled = [
        Entry(Path(path), _name(path, root), child.name, split)
        for child in folders
        for path in _pictures_below(child, set())
    ]
    if labelled:
        files.entries.extend(labelled)
        files.skipped.extend(f"unlabelled: {_name(path, root)} (lies beside the class folders)" for path in loose)
    else:
        files.entries.extend(Entry(Path(path), _name(path, root), None, split) for path in loose)


def _pictures_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[str]:
    """Pictures at any depth; a folder that links lead back to is entered once."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    folders, pictures = _children(folder)
    yield from pictures
    for child in folders:
        yield from _pictures_below(child, seen)


def _name(path: str, root: Path) -> str:
    return path[len(str(root)) :].replace(os.sep, "/").lstrip("/")
