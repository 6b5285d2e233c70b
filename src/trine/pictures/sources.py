"""What a path holds: the first kind of source that knows it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from trine.datasets.archives import is_archive, unpack
from trine.errors import DataError
from trine.pictures.binaries import CifarFolder, IdxFolder
from trine.pictures.entries import Arrays, Files, Source, stat_line
from trine.pictures.folders import Folder, is_picture
from trine.pictures.manifests import MANIFEST_SUFFIXES, Manifest


class Archive:
    """An archive of anything that `inside` knows how to read."""

    def __init__(self, path: Path, inside: Callable[[Path], Source]) -> None:
        self.path, self.inside = path, inside

    def stamp(self) -> Iterator[str]:
        """Size and time of the archive."""
        yield stat_line(self.path, self.path.name)

    def read(self, workspace: Path) -> Files | Arrays:
        """Unpack into the workspace, then read what is there."""
        root = workspace / "unpacked"
        unpack(self.path, root)
        try:
            return self.inside(root).read(workspace)
        except DataError as error:  # people know the archive, not where it was unpacked
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
    """A CIFAR or IDX folder by its file names, one with a single manifest in it, else plain pictures."""
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
    """Whether a lone folder holds a layout of its own, not pictures."""
    return CifarFolder.matches(folder) or IdxFolder.matches(folder) or any(map(_lists_pictures, folder.iterdir()))


def _lists_pictures(path: Path) -> bool:
    """Whether a table's first line has a column `path`; a Parquet file in a folder of pictures is taken for one."""
    suffix = path.suffix.lower()
    if suffix not in MANIFEST_SUFFIXES or not path.is_file():
        return False
    if suffix == ".parquet":
        return True
    with path.open("rb") as stream:
        columns = stream.readline(4096).decode("utf-8-sig", errors="replace").lower()
    return "path" in [name.strip(' "\r\n') for name in columns.split("\t" if suffix == ".tsv" else ",")]
