"""Chooses the source for a path by its content: the first kind that recognises it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from typing_extensions import override

from trine.datasets.archives import is_archive, unpack
from trine.errors import DataError
from trine.pictures.binaries import CifarFolder, IdxFolder
from trine.pictures.entries import Arrays, Files, Source, stat_line
from trine.pictures.folders import Folder, is_picture
from trine.pictures.manifests import MANIFEST_SUFFIXES, Manifest


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
        except DataError as error:  # the user knows the archive, not the folder it was unpacked into
            raise type(error)(str(error).replace(str(root), str(self.path))) from None


def source_at(path: Path) -> Source:
    """The source for a folder, a manifest or an archive; raises DataError for anything else."""
    if path.is_dir():
        return _folder(path, confined=False)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        return Manifest(path)
    if is_archive(path):
        return Archive(path, lambda root: _folder(root, confined=True))
    if is_picture(path.name):
        raise DataError(f"{path}: is one picture: name the folder that holds the pictures")
    raise DataError(f"{path}: is neither a folder, a manifest (.csv, .parquet) nor an archive (.zip, .tar.gz)")


def _folder(root: Path, *, confined: bool) -> Source:
    """The source for a folder: CIFAR or IDX by file names, then a single manifest, else plain pictures."""
    for kind in (CifarFolder, IdxFolder):
        if kind.matches(root):
            return kind(root)
    manifests = [path for path in root.iterdir() if path.suffix.lower() in MANIFEST_SUFFIXES and _lists_pictures(path)]
    if len(manifests) == 1:
        return Manifest(manifests[0], confined=confined)
    children = [path for path in root.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    if len(children) == 1 and children[0].is_dir() and _is_wrapper(children[0]):
        return _folder(children[0], confined=confined)
    return Folder(root)


def _is_wrapper(folder: Path) -> bool:
    """Whether the only folder of an archive holds a CIFAR or IDX set, or a manifest."""
    return CifarFolder.matches(folder) or IdxFolder.matches(folder) or any(map(_lists_pictures, folder.iterdir()))


def _lists_pictures(path: Path) -> bool:
    """Whether the file is a table with a column `path` in its first line, or a Parquet file of any columns."""
    suffix = path.suffix.lower()
    if suffix not in MANIFEST_SUFFIXES or not path.is_file():
        return False
    if suffix == ".parquet":
        return True
    with path.open("rb") as stream:
        columns = stream.readline(4096).decode("utf-8-sig", errors="replace").lower()
    return "path" in [name.strip(' "\r\n') for name in columns.split("\t" if suffix == ".tsv" else ",")]
