"""Two published binary layouts of picture sets: IDX, in which MNIST comes, and CIFAR-10's binary version.

IDX files are recognised by their first bytes, whatever their names.
"""

import gzip
import hashlib
import io
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trine.annotations import Int64, UInt8, override
from trine.datasets.tables import is_table
from trine.errors import DataError, UnsafeDataError
from trine.pictures.entries import TEST, TRAIN, Arrays, Block, Source, stat_line
from trine.pictures.kinds import has_picture_suffix
from trine.pictures.litter import is_litter
from trine.pictures.split_names import split_name

IMAGES, LABELS = "images", "labels"
IDX_NAME = re.compile(r"idx[134]")
"""What the names of published IDX files hold."""
GZIP = b"\x1f\x8b"
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
"""NumPy's type for each type code in an IDX header, integers only."""
IDX_MAX_BYTES = 4 * 2**30
"""Largest content of an IDX file in bytes: it is read into memory as a whole. MNIST's largest file has 47 MB."""

CIFAR_FILES = {f"data_batch_{i}.bin": TRAIN for i in range(1, 6)} | {"test_batch.bin": TEST}
"""The files of CIFAR-10's binary version and their splits, in the official order."""
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_ROW = 1 + 3 * 32 * 32
"""Bytes per picture: its label and its levels."""


class IdxFolder(Source):
    """A folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`, or other names; plain or gzip.

    Each split is one block; a file whose name has no split is of train.
    `md5` maps file names without `.gz` to checksums of the unpacked files.
    """

    def __init__(self, root: Path, classes: tuple[str, ...] = (), md5: Mapping[str, str] | None = None) -> None:
        self.root, self.classes, self.md5 = root, classes, md5 or {}

    @staticmethod
    def matches(root: Path) -> bool:
        """Whether the folder holds an IDX file of pictures."""
        return any(idx_kind(path) == IMAGES for path in root.iterdir() if not _is_something_else(path))

    @override
    def stamp(self) -> Iterator[str]:
        yield from (stat_line(path, path.name) for path in self._files().values())

    @override
    def read(self, workspace: Path) -> Arrays:
        blocks = [self._block(path, *key) for key, path in self._files().items() if key[1] == IMAGES]
        largest = max(
            (int(block.labels.max()) for block in blocks if block.labels is not None and len(block.labels)), default=-1
        )
        classes = self.classes or tuple(map(str, range(largest + 1)))
        if largest >= len(classes):
            raise DataError(f"{self.root}: a label of {largest} in a set of {len(classes)} classes: get the set again")
        return Arrays(blocks, classes)

    def _files(self) -> dict[tuple[str, str], Path]:
        """The file for each split and kind of content."""
        files: dict[tuple[str, str], Path] = {}
        for path in sorted(self.root.iterdir(), reverse=True):  # a plain file comes after its .gz and replaces it
            if _is_something_else(path) or (kind := idx_kind(path)) is None:
                continue
            key = split_name(path.name.lower().replace("t10k", "test")).split or TRAIN, kind
            if key in files and files[key].name.removesuffix(".gz") != path.name.removesuffix(".gz"):
                raise DataError(
                    f"{self.root}: {path.name} and {files[key].name} both hold {kind} of {key[0]}: give a folder with "
                    "one set"
                )
            files[key] = path
        return dict(sorted(files.items()))

    def _block(self, path: Path, split: str, _: str) -> Block:
        images = self._checked(path)
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or (images.ndim == 4 and images.shape[3] not in (1, 3))
        ):
            raise DataError(
                f"{path}: holds {images.dtype} of shape {images.shape}: pictures must be uint8 of shape "
                "(pictures, height, width), or with 1 or 3 channels last"
            )
        labels = self._labels(split, len(images))
        return Block(split, path.name, images.reshape(*images.shape[:3], -1), labels)

    def _labels(self, split: str, n: int) -> Int64[np.ndarray, "n"] | None:
        path = self._files().get((split, LABELS))
        if path is None:
            return None
        labels = self._checked(path)
        if labels.shape != (n,):
            raise DataError(f"{path}: {labels.size} labels for {n} pictures: get the set again")
        if labels.min(initial=0) < 0:
            raise DataError(f"{path}: a label of {labels.min()}: labels begin at 0")
        return labels.astype(np.int64)

    def _checked(self, path: Path) -> np.ndarray[Any, np.dtype[Any]]:
        data = read_idx_bytes(path)
        _check_md5(path, data, self.md5.get(path.name.removesuffix(".gz")))
        return parse_idx(data, str(path))


def idx_kind(path: Path) -> str | None:
    """`images` or `labels` for an IDX file of integers, by its first bytes and its size; None for any other file."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
        packed = head[:2] == GZIP
        head = zlib.decompressobj(wbits=31).decompress(head, 64) if packed else head
        size = _idx_size(head[: 4 + 4 * head[3]] if len(head) > 3 else b"", str(path)) + 4 + 4 * head[3]
        whole = path.stat().st_size
    except (OSError, zlib.error, DataError):
        return None
    if whole < size and not packed and not IDX_NAME.search(path.name):  # a truncated file is named by `read`
        return None
    return LABELS if head[3] == 1 else IMAGES if head[3] in (3, 4) else None


def _is_something_else(path: Path) -> bool:
    """Whether a name says that it is no IDX file, so that it need not be opened."""
    return has_picture_suffix(path.name) or is_table(path) or is_litter(path.name) or not path.is_file()


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP


def read_idx_bytes(path: Path) -> bytes:
    """The unpacked content of an IDX file; at most one byte more than its header promises.

    Raises `UnsafeDataError` for a header that promises more than 4 GiB.
    """
    try:
        with _idx_stream(path) as stream:
            header = stream.read(4)
            header += stream.read(4 * header[3]) if len(header) == 4 else b""
            size = _idx_size(header, str(path))
            if size > IDX_MAX_BYTES:
                raise UnsafeDataError(f"{path}: its header promises {size / 2**30:.0f} GiB; the limit is 4 GiB")
            return header + stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}): get the file again") from None


def parse_idx(data: bytes, where: str) -> np.ndarray[Any, np.dtype[Any]]:
    """The array in an IDX file's bytes, of any integer type; raises DataError when bytes are missing or left over."""
    size = _idx_size(data, where)
    start = 4 + 4 * data[3]
    if len(data) - start != size:
        fault = "is truncated" if len(data) - start < size else "goes on after its end"
        raise DataError(f"{where}: the IDX file {fault}: get it again")
    shape = np.frombuffer(data, ">u4", data[3], 4).tolist()
    array = np.frombuffer(data, IDX_TYPES[data[2]], offset=start).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _idx_stream(path: Path) -> io.BufferedReader:
    return io.BufferedReader(gzip.GzipFile(path)) if _is_gzip(path) else path.open("rb")


def _idx_size(header: bytes, where: str) -> int:
    """Number of bytes that follow an IDX header."""
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in IDX_TYPES or not 1 <= header[3] <= 4:
        raise DataError(f"{where}: not an IDX file of integers with 1 to 4 dimensions")
    if len(header) < 4 + 4 * header[3]:
        raise DataError(f"{where}: the IDX file is truncated: get it again")
    sizes: list[int] = np.frombuffer(header, ">u4", header[3], 4).tolist()
    return math.prod(sizes) * int(IDX_TYPES[header[2]][-1])


class CifarFolder(Source):
    """A folder with `data_batch_1.bin` … `test_batch.bin`; each row is a label and 3 × 32 × 32 levels.

    Each file is one block, in the official order. A missing file is an error if its checksum is in `md5`.
    """

    def __init__(self, root: Path, classes: tuple[str, ...] = (), md5: Mapping[str, str] | None = None) -> None:
        self.root, self.classes, self.md5 = root, classes, md5 or {}

    @staticmethod
    def matches(root: Path) -> bool:
        """Whether the folder holds a CIFAR batch."""
        return any((root / name).is_file() for name in CIFAR_FILES)

    @override
    def stamp(self) -> Iterator[str]:
        yield from (stat_line(self.root / name, name) for name in (*CIFAR_FILES, "batches.meta.txt"))

    @override
    def read(self, workspace: Path) -> Arrays:
        classes = self.classes or self._class_names()
        return Arrays(
            (self._block(name, split, len(classes)) for name, split in CIFAR_FILES.items() if self._has(name)), classes
        )

    def _has(self, name: str) -> bool:
        is_file = (self.root / name).is_file()
        if not is_file and name in self.md5:
            raise DataError(f"{self.root / name}: is missing: get the set again")
        return is_file

    def _class_names(self) -> tuple[str, ...]:
        path = self.root / "batches.meta.txt"
        names = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
        return tuple(name.strip() for name in names if name.strip()) or CIFAR_CLASSES

    def _block(self, name: str, split: str, classes: int) -> Block:
        path = self.root / name
        data = path.read_bytes()
        _check_md5(path, data, self.md5.get(name))
        if not data or len(data) % CIFAR_ROW:
            raise DataError(f"{path}: {len(data)} bytes are no whole number of rows of {CIFAR_ROW}: get the set again")
        rows: UInt8[np.ndarray, "n row"] = np.frombuffer(data, np.uint8).reshape(-1, CIFAR_ROW)
        if int(rows[:, 0].max()) >= classes:
            raise DataError(f"{path}: a label of {rows[:, 0].max()} in a set of {classes} classes: get the set again")
        images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        return Block(split, name, images, rows[:, 0].astype(np.int64))


def _check_md5(path: Path, data: bytes, expected: str | None) -> None:
    if expected is not None and (md5 := hashlib.md5(data, usedforsecurity=False).hexdigest()) != expected:
        raise DataError(f"{path}: is not the official file (md5 {md5}, not {expected}): delete it and get it again")
