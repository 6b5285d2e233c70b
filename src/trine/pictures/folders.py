"""Folders of class folders, with or without split folders around them; and flat folders, whose labels may be in a table
or in the names of the files.

What cannot be understood without a guess is refused, with what to do.
"""

import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from trine.annotations import override
from trine.errors import DataError
from trine.pictures.entries import SPLITS, TRAIN, Entry, Files, Source, listed, stat_line
from trine.pictures.kinds import PICTURE_SUFFIXES
from trine.pictures.label_names import labels_from_names, suggestion
from trine.pictures.label_tables import label_from_tables
from trine.pictures.split_names import UNLABELLED_WORDS, is_plain, split_name, splits_of, words_of
from trine.pictures.tree import Tree, scan
from trine.plurals import quantity

SHARED = 0.5
"""Share of the sub-folders of all folders that each must hold, for them to be splits of one set."""


class Folder(Source):
    """Pictures on disk, class by class and in natural order. Class folders hold pictures at any depth.

    root/class/…/picture    root/split/class/…/picture    root/picture    root/split/picture

    Folders that only wrap others are entered: `data/train/images/class`. Labels of flat pictures come from a table that
    lists them, or from `table` alone. With `label_from`, a regular expression with one group, they come from the path
    below the root.
    """

    def __init__(
        self, root: Path, label_from: str | None = None, *, table: Path | None = None, remark: str = ""
    ) -> None:
        self.root, self.label_from, self.table = root, label_from, table
        self.said = [remark] if remark else []

    @override
    def stamp(self) -> Iterator[str]:
        yield from (stat_line(entry.path, entry.name) for entry in self._files.entries)
        yield from self._files.skipped
        yield from self._files.remarks
        yield from (stat_line(path, self._name(path)) for path in self._tree.all_tables())

    @override
    def read(self, workspace: Path) -> Files:
        return self._files

    @cached_property
    def _scanned(self) -> tuple[Tree, list[str]]:
        tree, passed = scan(self.root)
        return tree, passed.remarks()

    @property
    def _tree(self) -> Tree:
        return self._scanned[0]

    @cached_property
    def _files(self) -> Files:
        tree, passed = self._scanned
        if not tree.count:
            found = f"; {'; '.join(passed)}" if passed else ""
            suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
            raise DataError(f"{self.root}: holds no picture (looked for {suffixes}){found}")
        files = Files([], [], list(self.said))
        free = self.label_from is not None or self.table is not None
        layout = _Layout(self.root, tree, files, free=free)
        for split, parts in layout.splits().items():
            if free:
                paths = [path for part in parts for path in part.below()]
                files.entries.extend(Entry(Path(path), self._name(path), None, split) for path in paths)
            else:
                self._read_split(parts, split, files, layout)
        files.remarks.extend(passed)
        return self._labelled(files)

    def _read_split(self, parts: list[Tree], split: str, files: Files, layout: "_Layout") -> None:
        """Add the pictures of one split: those in class folders, or all of a folder without class folders."""
        for part in parts:
            top = layout.unwrapped(part)
            classes = [] if layout.is_flat(top) else top.filled
            for child in classes:
                files.entries.extend(Entry(Path(p), self._name(p), child.last, split) for p in child.below())
            if classes:
                files.skipped.extend(f"unlabelled: {self._name(p)} (not in a class folder)" for p in top.pictures)
                files.remarks.extend(_class_remarks(top))
            else:
                if top.filled and top.pictures:
                    files.remarks.append(f"no class: {listed(_inner(top))}, as pictures lie beside it")
                files.entries.extend(Entry(Path(p), self._name(p), None, split) for p in top.below())

    def _labelled(self, files: Files) -> Files:
        """The files with labels from names or tables, where no class folder gave any."""
        if self.label_from is not None:
            return labels_from_names(files, self.label_from, self.root.name)
        if flat := {entry.split for entry in files.entries if entry.label is None}:
            tables = [self.table] if self.table else list(self._tree.all_tables())
            files = label_from_tables(files, flat, self.root, tables)
            if self.table and not any(entry.label for entry in files.entries):
                raise DataError("; ".join(files.remarks) or f"{self.table}: lists no picture with a label")
        if not any(entry.label for entry in files.entries) and (advice := suggestion(files.entries)):
            files.remarks.append(advice)
        return files

    def _name(self, path: str | Path) -> str:
        return str(path)[len(str(self.root)) :].replace(os.sep, "/").lstrip("/")


class _Layout:
    """Finds the split folders in a tree. With `free`, labels come from names, and nothing is refused."""

    def __init__(self, root: Path, tree: Tree, files: Files, *, free: bool) -> None:
        self.root, self.tree, self.files, self.free = root, tree, files, free

    def splits(self) -> dict[str, list[Tree]]:
        """The folders of each split, in the order of `SPLITS`; the whole is train when no name is a split's."""
        top = self._entered(self.tree)
        named = splits_of((folder.last for folder in top.filled), [f.last for f in top.filled if f.filled])
        if self._is_a_class(top, named):
            self.files.remarks.append(f"{', '.join(named)}/ is a class, not a split: it lies among class folders")
            named = {}
        if named:
            return self._named(top, named)
        if inner := self._inside_classes(top):
            return inner
        if not self.free:
            _refuse_unknown_splits(self.root, top)
        return {TRAIN: [top]}

    def unwrapped(self, part: Tree) -> Tree:
        """The folder that holds the class folders of a split: `train/images`, `seg_train/seg_train`."""
        inner = part.filled[0] if len(part.filled) == 1 and not part.pictures else None
        if inner is None or inner.pictures or not inner.filled:
            return part
        entered = is_plain(inner.last) or inner.last == part.last or len(inner.filled) > 1
        return self.unwrapped(inner) if entered and not self._is_class_elsewhere(inner, part) else part

    def is_flat(self, top: Tree) -> bool:
        """Whether the folders in a folder say nothing: `images/1.jpg`, `images_1/…` and `images_2/…`, or a single one
        beside pictures."""
        if not top.filled or any(folder.filled for folder in top.filled):
            return False
        names = [folder.last for folder in top.filled]
        if len(names) == 1:
            return is_plain(names[0]) or bool(top.pictures)
        rests = {tuple(word for word in words_of(name) if not word.isdigit()) for name in names}
        return len(rests) == 1 and bool(set(next(iter(rests))) & {"images", "part", "imgs", "pictures", "photos"})

    def _entered(self, tree: Tree) -> Tree:
        """The folder that holds the class or split folders, below any single folders that wrap it."""
        tree = self._without_copy(tree)
        if len(tree.filled) != 1 or tree.pictures:
            return tree
        inner = tree.filled[0]
        if not inner.filled or inner.pictures or (splits_of([inner.last]) and not splits_of_children(inner)):
            return tree
        return self._entered(inner)

    def _without_copy(self, tree: Tree) -> Tree:
        """The tree without a folder that holds the names of its neighbours again, as some archives do."""
        for folder in tree.filled:
            inner = {child.last for child in folder.filled}
            others = {child.last for child in tree.filled if child is not folder}
            if others and others <= inner and len(inner) > 1 and not split_name(folder.last).split:
                self.files.remarks.append(
                    f"passed over, a copy: {folder.name}/ holds {listed(sorted(others))} like the folder around it"
                )
                kept = [child for child in tree.folders if child is not folder]
                return Tree(tree.path, tree.name, tree.pictures, tree.tables, kept)
        return tree

    def _is_a_class(self, top: Tree, named: dict[str, str]) -> bool:
        """Whether the only name of a split is a class: `train`, flat among `bus` and `car`."""
        folders = {folder.last: folder for folder in top.filled}
        flat = not any(folder.filled for folder in top.filled)
        return flat and set(named.values()) == {TRAIN} and len(named) == 1 and len(folders) > len(named) + 1

    def _named(self, top: Tree, named: dict[str, str]) -> dict[str, list[Tree]]:
        splits: dict[str, Tree] = {}
        for folder in top.filled:
            if folder.last not in named:
                self._pass_over(top, folder, next(iter(named)))
                continue
            split = named[folder.last]
            if split in splits:
                both = f"{splits[split].last}/ and {folder.last}/ both hold the {split} split"
                raise DataError(f"{self.root}: {both}: merge them, or take one out")
            splits[split] = folder
        self.files.skipped.extend(f"unlabelled: {Path(p).name} (not in a split folder)" for p in top.pictures)
        self._say(named)
        return {split: [splits[split]] for split in SPLITS if split in splits}

    def _say(self, named: dict[str, str]) -> None:
        said = [f"{name}/ as {split}" for name, split in named.items() if name.lower() != split]
        if said:
            self.files.remarks.append(f"split folders: {', '.join(said)}")

    def _pass_over(self, top: Tree, folder: Tree, split: str) -> None:
        """Name a folder next to split folders that holds pictures without a class; refuse any other."""
        if set(words_of(folder.last)) & UNLABELLED_WORDS:
            self.files.remarks.append(f"passed over, no split: {quantity(folder.count, 'picture')} in {folder.name}/")
            return
        raise DataError(
            f"{self.root}: {split}/ has the name of a split, but {folder.last}/ next to it has not: put the class "
            f"folders into train/, rename {split}/, or take {folder.last}/ out"
        )

    def _inside_classes(self, top: Tree) -> dict[str, list[Tree]]:
        """The splits when each class folder holds all of them: `cat/train/1.jpg`."""
        inner = [splits_of(child.last for child in folder.filled) for folder in top.filled]
        if len(inner) < 2 or not all(inner) or any(folder.pictures for folder in top.filled):
            return {}
        if any(len(names) < len(folder.filled) for names, folder in zip(inner, top.filled, strict=True)):
            return {}
        self.files.remarks.append("split folders inside the class folders")
        found: dict[str, list[Tree]] = {}
        for split in SPLITS:
            parts = [
                Tree(child.path, folder.name, [], [], [Tree(child.path, folder.name, list(child.below()))])
                for folder, names in zip(top.filled, inner, strict=True)
                for child in folder.filled
                if names[child.last] == split
            ]
            if parts:
                found[split] = parts
        return found

    def _is_class_elsewhere(self, inner: Tree, part: Tree) -> bool:
        """Whether another split has a class of that name, so that it is no wrapper."""
        around = [folder for folder in self._entered(self.tree).filled if folder.path != part.path]
        return any(child.last == inner.last for folder in around for child in folder.filled[1:])


def splits_of_children(tree: Tree) -> dict[str, str]:
    """The splits among the folders in a folder."""
    return splits_of(child.last for child in tree.filled)


def _refuse_unknown_splits(root: Path, top: Tree) -> None:
    """Raise `DataError` if every folder holds the same sub-folders: they are splits, or no classes at all."""
    names = [{child.last for child in folder.filled} for folder in top.filled]
    if len(names) < 2 or min(map(len, names)) < 2:
        return
    shared, all_names = set.intersection(*names), set.union(*names)
    if len(shared) >= max(2, SHARED * len(all_names)):
        folders = listed(f"{folder.last}/" for folder in top.filled)
        raise DataError(
            f"{root}: {folders} hold the same folders ({listed(sorted(shared))}): if they are splits, call them train, "
            "validation and test; if the inner folders are the classes, use --label-from '([^/]+)/[^/]*$', if the "
            "outer ones are, --label-from '^([^/]+)/'"
        )


def _inner(top: Tree) -> list[str]:
    return [f"{folder.name}/" for folder in top.filled]


def _class_remarks(top: Tree) -> Iterable[str]:
    """Remarks on class folders without a picture, and on those that hold several folders themselves."""
    if empty := [f"{folder.name}/" for folder in top.folders if not folder.count]:
        yield f"no class, as no picture is in it: {listed(empty)}"
    if deep := [f"{folder.name}/" for folder in top.filled if len(folder.filled) > 1]:
        yield (
            f"the classes are the outer folders, and {listed(deep, 3)} holds several: to learn the inner ones, use "
            "--label-from '([^/]+)/[^/]*$'"
        )
