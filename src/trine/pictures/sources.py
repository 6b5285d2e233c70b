"""Chooses the source for a path by its content: the first kind that recognises it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from typing_extensions import override

from trine.datasets.archives import is_archive, unpack
from trine.datasets.tables import READERS, has_column, is_table
from trine.errors import DataError, TrineError
from trine.pictures.binaries import CifarFolder, IdxFolder
from trine.pictures.entries import Arrays, Files, Source, stat_line
from trine.pictures.folders import Folder, is_picture
from trine.pictures.manifests import PATH, PictureManifest


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


def source_at(path: Path) -> Source:
    """The source at a path. Raises `DataError` if the path does not exist or is of another kind."""
    if path.is_dir():
        return _folder(path, confined=False)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; check the path")
    if is_table(path):
        return PictureManifest(path)
    if is_archive(path):
        return Archive(path, lambda root: _folder(root, confined=True))
    if is_picture(path.name):
        raise DataError(f"{path}: is one picture; give the folder that holds the pictures")
    raise DataError(f"{path}: no folder, manifest ({', '.join(READERS)}) or archive (.zip, .tar.gz); give one of them")


def _folder(root: Path, *, confined: bool) -> Source:
    """The source for a folder: CIFAR or IDX by file names, then a single manifest, else plain pictures."""
    for kind in (CifarFolder, IdxFolder):
        if kind.matches(root):
            return kind(root)
    manifests = [path for path in root.iterdir() if _is_manifest(path)]
    if len(manifests) == 1:
        return PictureManifest(manifests[0], confined=confined)
    children = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    if len(children) == 1 and children[0].is_dir() and _is_wrapper(children[0]):
        return _folder(children[0], confined=confined)
    return Folder(root)


def _is_wrapper(folder: Path) -> bool:
    """Whether the only folder of a folder has a layout of its own, and is not a class folder."""
    return CifarFolder.matches(folder) or IdxFolder.matches(folder) or any(map(_is_manifest, folder.iterdir()))


def _is_manifest(path: Path) -> bool:
    return is_table(path) and path.is_file() and has_column(path, PATH)
