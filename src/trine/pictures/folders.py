"""Folders of class folders, with or without split folders above them; and flat folders, which have no labels."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from typing_extensions import override

from trine.errors import DataError
from trine.pictures.decode import PICTURE_SUFFIXES
from trine.pictures.entries import SPLIT_NAMES, TRAIN, Entry, Files, Source, natural_order, stat_line


class Folder(Source):
    """Pictures on disk, in one of four layouts, class by class and in natural order.

    root/class/…/picture    root/split/class/…/picture    root/picture    root/split/picture

    A single folder that holds nothing but folders is entered: archives often wrap their content in one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @override
    def stamp(self) -> Iterator[str]:
        yield from (stat_line(entry.path, entry.name) for entry in self._files.entries)

    @override
    def read(self, workspace: Path) -> Files:
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
    """Whether a file's name has a picture's suffix and is not hidden."""
    return not name.startswith(".") and f".{name.rpartition('.')[2].lower()}" in PICTURE_SUFFIXES


def _children(folder: Path | str) -> tuple[list[Path], list[str]]:
    """Sub-folders and the paths of picture files, each in natural order, without hidden and macOS archive folders.

    The pictures' paths are strings: listing a million of them takes less time than with `Path`.
    """
    try:
        with os.scandir(folder) as scanned:
            shown = sorted((e for e in scanned if not e.name.startswith((".", "__MACOSX"))), key=_order)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    pictures = [entry.path for entry in shown if is_picture(entry.name) and not entry.is_dir()]
    return [Path(entry.path) for entry in shown if entry.is_dir()], pictures


def _order(entry: os.DirEntry[str]) -> list[tuple[int, int, str]]:
    return natural_order(entry.name)


def _unwrapped(root: Path) -> Path:
    """The folder that holds the class or split folders, below any single folders that wrap it."""
    folders, pictures = _children(root)
    if len(folders) == 1 and not pictures and folders[0].name.lower() not in SPLIT_NAMES:
        inner_folders, inner_pictures = _children(folders[0])
        if inner_folders and not inner_pictures:
            return _unwrapped(folders[0])
    return root


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder of each split; the root itself is train when no folder has the name of a split."""
    folders = _children(root)[0]
    named = [folder for folder in folders if folder.name.lower() in SPLIT_NAMES]
    if not named:
        return {TRAIN: root}
    others = [folder.name for folder in folders if folder not in named]
    if others:
        raise DataError(
            f"{root}: {named[0].name}/ has the name of a split, but {others[0]}/ next to it has not: "
            f"put the class folders into train/, or rename {named[0].name}/"
        )
    splits: dict[str, Path] = {}
    for folder in named:
        split = SPLIT_NAMES[folder.name.lower()]
        if split in splits:
            raise DataError(f"{root}: {splits[split].name}/ and {folder.name}/ both hold the {split} split: merge them")
        splits[split] = folder
    return splits


def _read_split(root: Path, folder: Path, split: str, files: Files) -> None:
    """Add the pictures of one split: those in class folders, or all of a folder without class folders."""
    folders, loose = _children(folder)
    labelled = [
        Entry(Path(path), _name(path, root), child.name, split)
        for child in folders
        for path in _pictures_below(child, set())
    ]
    if labelled:
        files.entries.extend(labelled)
        files.skipped.extend(f"unlabelled: {_name(path, root)} (not in a class folder)" for path in loose)
    else:
        files.entries.extend(Entry(Path(path), _name(path, root), None, split) for path in loose)


def _pictures_below(folder: Path, entered: set[tuple[int, int]]) -> Iterator[str]:
    """Pictures at any depth. Each folder is entered once, even if links lead back to it."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in entered:
        return
    entered.add((status.st_dev, status.st_ino))
    folders, pictures = _children(folder)
    yield from pictures
    for child in folders:
        yield from _pictures_below(child, entered)


def _name(path: str, root: Path) -> str:
    return path[len(str(root)) :].replace(os.sep, "/").lstrip("/")
