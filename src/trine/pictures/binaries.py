"""Two published binary layouts: IDX (MNIST and its kin) and CIFAR-10's binary version."""

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
from jaxtyping import Int64, UInt8

from trine.errors import DataError, UnsafeDataError
from trine.pictures.entries import TEST, TRAIN, VALIDATION, Arrays, Block, stat_line

IDX_FILE = re.compile(r"(train|t10k|test|val|valid|validation)-(images|labels)[-.]idx([134])-ubyte(\.gz)?")
IDX_SPLITS = {"train": TRAIN, "t10k": TEST, "test": TEST, "val": VALIDATION, "valid": VALIDATION} | {
    "validation": VALIDATION
}
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}
IDX_MAX_BYTES = 4 * 2**30

CIFAR_FILES = {f"data_batch_{i}.bin": TRAIN for i in range(1, 6)} | {"test_batch.bin": TEST}
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_ROW = 1 + 3 * 32 * 32


class IdxFolder:
    """A folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`, each plain or .gz."""

    def __init__(self, root: Path, classes: tuple[str, ...] = (), md5: Mapping[str, str] | None = None) -> None:
        self.root, self.classes, self.md5 = root, classes, md5 or {}

    @staticmethod
    def matches(root: Path) -> bool:
        """Whether the folder holds an IDX file of pictures."""
        return any(IDX_FILE.fullmatch(path.name) and "-images" in path.name for path in root.iterdir())

    def stamp(self) -> Iterator[str]:
        """Names, sizes and times of the IDX files."""
        yield from (stat_line(path, path.name) for path in self._files().values())

    def read(self, workspace: Path) -> Arrays:
        """One block a split."""
        blocks = [self._block(path, *key) for key, path in self._files().items() if key[1] == "images"]
        top = max(
            (int(block.labels.max()) for block in blocks if block.labels is not None and len(block.labels)), default=-1
        )
        classes = self.classes or tuple(map(str, range(top + 1)))
        if top >= len(classes):
            raise DataError(f"{self.root}: a label of {top} in a set of {len(classes)} classes")
        return Arrays(blocks, classes)

    def _files(self) -> dict[tuple[str, str], Path]:
        files: dict[tuple[str, str], Path] = {}
        for path in sorted(self.root.iterdir(), reverse=True):  # a plain file comes after, and wins over, its .gz
            if match := IDX_FILE.fullmatch(path.name):
                files[IDX_SPLITS[match[1]], match[2]] = path
        return dict(sorted(files.items()))

    def _block(self, path: Path, split: str, _: str) -> Block:
        images = self._checked(path)
        if (
            images.dtype != np.uint8
            or images.ndim not in (3, 4)
            or (images.ndim == 4 and images.shape[3] not in (1, 3))
        ):
            raise DataError(f"{path}: not pictures of 8-bit levels, but {images.dtype} of {images.ndim} dimensions")
        labels = self._labels(split, len(images))
        return Block(split, path.name, images.reshape(*images.shape[:3], -1), labels)

    def _labels(self, split: str, n: int) -> Int64[np.ndarray, "n"] | None:
        path = self._files().get((split, "labels"))
        if path is None:
            return None
        labels = self._checked(path)
        if labels.shape != (n,) or labels.min(initial=0) < 0:
            raise DataError(f"{path}: {labels.size} labels for {n} pictures, or a label below 0")
        return labels.astype(np.int64)

    def _checked(self, path: Path) -> np.ndarray[Any, np.dtype[Any]]:
        data = read_idx_bytes(path)
        _check_md5(path, data, self.md5.get(path.name.removesuffix(".gz")))
        return parse_idx(data, str(path))


def read_idx_bytes(path: Path) -> bytes:
    """The content of an IDX file, unpacked; never more than its own header promises, plus one byte."""
    try:
        with _idx_stream(path) as stream:
            head = stream.read(4)
            head += stream.read(4 * head[3]) if len(head) == 4 else b""
            want = _idx_size(head, str(path))
            if want > IDX_MAX_BYTES:
                raise UnsafeDataError(f"{path}: its header promises {want / 2**30:.0f} GiB; the limit is 4 GiB")
            return head + stream.read(want + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}): get the file again") from None


def parse_idx(data: bytes, where: str) -> np.ndarray[Any, np.dtype[Any]]:
    """The array in an IDX file's bytes, of any integer type; raises DataError when bytes are missing or left over."""
    want = _idx_size(data, where)
    start = 4 + 4 * data[3]
    if len(data) - start != want:
        word = "is truncated" if len(data) - start < want else "goes on after its end"
        raise DataError(f"{where}: the IDX file {word}: get it again")
    shape = np.frombuffer(data, ">u4", data[3], 4).tolist()
    array = np.frombuffer(data, IDX_TYPES[data[2]], offset=start).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _idx_stream(path: Path) -> io.BufferedReader:
    return io.BufferedReader(gzip.GzipFile(path)) if path.suffix == ".gz" else path.open("rb")


def _idx_size(head: bytes, where: str) -> int:
    """Bytes that follow an IDX header."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not 1 <= head[3] <= 4:
        raise DataError(f"{where}: not an IDX file of whole numbers")
    if len(head) < 4 + 4 * head[3]:
        raise DataError(f"{where}: the IDX file is truncated: get it again")
    sizes: list[int] = np.frombuffer(head, ">u4", head[3], 4).tolist()
    return math.prod(sizes) * int(IDX_TYPES[head[2]][-1])


class CifarFolder:
    """A folder with `data_batch_1.bin` … `test_batch.bin`; each row is a label and 3 x 32 x 32 levels."""

    def __init__(self, root: Path, classes: tuple[str, ...] = (), md5: Mapping[str, str] | None = None) -> None:
        self.root, self.classes, self.md5 = root, classes, md5 or {}

    @staticmethod
    def matches(root: Path) -> bool:
        """Whether the folder holds a CIFAR batch."""
        return any((root / name).is_file() for name in CIFAR_FILES)

    def stamp(self) -> Iterator[str]:
        """Names, sizes and times of the six files and of the class names."""
        yield from (stat_line(self.root / name, name) for name in (*CIFAR_FILES, "batches.meta.txt"))

    def read(self, workspace: Path) -> Arrays:
        """One block a file, in the official order; a missing file is an error if its checksum is known."""
        classes = self.classes or self._class_names()
        return Arrays(
            (self._block(name, split, len(classes)) for name, split in CIFAR_FILES.items() if self._has(name)), classes
        )

    def _has(self, name: str) -> bool:
        there = (self.root / name).is_file()
        if not there and name in self.md5:
            raise DataError(f"{self.root / name}: is missing: get the set again")
        return there

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
            raise DataError(f"{path}: a label of {rows[:, 0].max()} in a set of {classes} classes")
        images = np.ascontiguousarray(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        return Block(split, name, images, rows[:, 0].astype(np.int64))


def _check_md5(path: Path, data: bytes, want: str | None) -> None:
    if want is not None and (found := hashlib.md5(data, usedforsecurity=False).hexdigest()) != want:
        raise DataError(f"{path}: is not the official file (md5 {found}, not {want}): delete it and get it again")
