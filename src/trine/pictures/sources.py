"""Chooses the source for a path by its content: the first kind that recognises it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from trine.annotations import override
from trine.datasets.archives import is_archive, unpack
from trine.datasets.tables import READERS, has_column, is_table
from trine.errors import DataError, TrineError, UnsafeDataError
from trine.pictures.binaries import CifarFolder, IdxFolder, idx_kind
from trine.pictures.entries import Arrays, Files, Source, stat_line
from trine.pictures.folders import Folder
from trine.pictures.kinds import has_picture_suffix
from trine.pictures.label_names import compiled
from trine.pictures.litter import is_litter, is_run
from trine.pictures.manifests import PATH, PictureManifest

EVENTS = "events"
"""The column that makes a table one of event sequences."""


class Archive(Source):
    """An archive, unpacked into the workspace and read there by the source that `inside` chooses."""

    def __init__(self, path: Path, inside: Callable[[Path], Source]) -> None:
        self.path, self.inside = path, inside

    @override
    def stamp(self) -> Iterator[str]:
        yield stat_line(self.path, self.path.name)

    @override
    def read(self, workspace: Path) -> Files | Arrays:
        root = workspace / "unpacked"
        unpack(self.path, root)
        try:
            return self.inside(root).read(workspace)
        except TrineError as error:  # the user knows the archive, not the folder it was unpacked to
            raise type(error)(str(error).replace(str(root), str(self.path))) from None


def source_at(path: Path, label_from: str | None = None) -> Source:
    """The source at a path. Raises `DataError` if the path does not exist or is of another kind.

    label_from   regular expression whose one group is the label, searched in the path of each picture below the root
    """
    if label_from is not None:
        compiled(label_from)
    if path.is_dir():
        if is_run(path):
            raise DataError(f"{path}: is a run of Trine, not a set of pictures; give the folder of the pictures")
        return _folder(path, label_from, confined=False)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    if is_table(path):
        return _table(path, label_from)
    if is_archive(path):
        return Archive(path, lambda root: _folder(root, label_from, confined=True))
    if has_picture_suffix(path.name):
        raise DataError(f"{path}: is one picture; give the folder that holds the pictures")
    if idx_kind(path):
        raise DataError(f"{path}: is one IDX file; give the folder that holds it and the file of labels")
    raise DataError(f"{path}: no folder, manifest ({', '.join(READERS)}) or archive (.zip, .tar.gz); give one of them")


def _table(path: Path, label_from: str | None) -> Source:
    """A table with the column `path`, or another one that lists pictures near it."""
    if has_column(path, PATH):
        return PictureManifest(path, label_from=label_from)
    if has_column(path, EVENTS):
        raise DataError(f"{path}: is a table of event sequences, not of pictures: see `trine detect`")
    if not label_from and any(map(is_picture_name, path.parent.rglob("*"))):
        return Folder(path.parent, table=path)
    return PictureManifest(path, label_from=label_from)  # says that the column is missing


def _folder(root: Path, label_from: str | None, *, confined: bool) -> Source:
    """The source for a folder: CIFAR or IDX files, then a single manifest, else plain pictures."""
    if label_from is None:
        for kind in (CifarFolder, IdxFolder):
            if kind.matches(root):
                return kind(root)
        manifests = [path for path in sorted(root.iterdir()) if _is_manifest(path)]
        if len(manifests) == 1 and (source := _manifest(root, manifests[0], confined)):
            return source
        children = [path for path in root.iterdir() if not is_litter(path.name)]
        if len(children) == 1 and children[0].is_dir() and _is_wrapper(children[0]):
            return _folder(children[0], label_from, confined=confined)
    return Folder(root, label_from)


def _manifest(root: Path, path: Path, confined: bool) -> Source | None:
    """The manifest in a folder; None if the folder has class folders, and the table gives no label to a picture here.

    A table that wins over class folders is named.
    """
    folders = [child for child in root.iterdir() if child.is_dir() and not is_litter(child.name)]
    if not folders:
        return PictureManifest(path, confined=confined)
    try:
        listed = PictureManifest(path, confined=confined).read(root).entries
    except UnsafeDataError:
        raise
    except DataError:
        return PictureManifest(path, confined=confined)  # says what is wrong with it
    used = any(entry.label is not None and entry.path.is_file() for entry in listed)
    filled = [folder for folder in folders if any(map(is_picture_name, folder.rglob("*")))]
    if not used and filled:
        return Folder(root, remark=f"{path.name} is not used: it gives no label to a picture that is there")
    remark = f"labels from {path.name}, not from the names of the folders" if len(filled) > 1 else ""
    return PictureManifest(path, confined=confined, remark=remark)


def is_picture_name(path: Path) -> bool:
    """Whether a path ends like a picture's and is no litter."""
    return has_picture_suffix(path.name) and not is_litter(path.name)


def _is_wrapper(folder: Path) -> bool:
    """Whether the only folder of a folder has a layout of its own, and is not a class folder."""
    return CifarFolder.matches(folder) or IdxFolder.matches(folder) or any(map(_is_manifest, folder.iterdir()))


def _is_manifest(path: Path) -> bool:
    return is_table(path) and path.is_file() and not is_litter(path.name) and has_column(path, PATH)
