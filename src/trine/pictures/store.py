"""Pictures on disk as raw uint8 rows, memory-mapped: decoded once, then opened in milliseconds.

- `<cache>/pictures/<location>/<content>/` is a store: one folder per state of a source. Only the newest state of each
  location is kept.
- A store is written under another name, synced and renamed, so that an incomplete store is never opened.
- Opening verifies the index's checksum, the size of every file and a sample of blocks. A damaged store is rebuilt.
"""

import hashlib
import json
import mmap
import os
import shutil
import socket
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from trine import files
from trine.annotations import Int64, UInt8
from trine.datasets.cache import disk_errors
from trine.errors import DataError
from trine.pictures.reading import Reading

VERSION = 2
"""Version of the layout; stores of other versions are rebuilt."""
INDEX = "set.json"
"""File with shapes, checksums, classes and skipped files."""
SAMPLES, SAMPLE_BYTES = 64, 4096
"""Number and size of the blocks that are verified at each opening: 256 KiB are read in a few milliseconds."""


class StoredNames(Sequence[str]):
    """The name of each picture. `data` holds runs of names as JSON, which is parsed when the first name is read."""

    def __init__(self, data: bytes, n: int, positions: Int64[np.ndarray, "_"] | None = None) -> None:
        self.data, self.n, self.positions = data, n, positions

    def at(self, positions: Int64[np.ndarray, "_"]) -> "StoredNames":
        """The names of the pictures at these indices."""
        return StoredNames(self.data, self.n, positions)

    def __len__(self) -> int:
        return self.n if self.positions is None else len(self.positions)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        position = position if self.positions is None else int(self.positions[position])
        run = int(np.searchsorted(self._ends, position, side="right"))
        name, count = self._runs[run]
        return name if count == 1 else f"{name}#{position - int(self._ends[run]) + count}"

    @cached_property
    def _runs(self) -> list[tuple[str, int]]:
        return [(name, count) for name, count in json.loads(self.data)]

    @cached_property
    def _ends(self) -> Int64[np.ndarray, "runs"]:
        return np.cumsum([count for _, count in self._runs], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class StoredSplit:
    """One split of a store."""

    images: UInt8[np.ndarray, "n height width channels"]
    labels: Int64[np.ndarray, "n"] | None
    names: StoredNames


@dataclass(frozen=True, eq=False)
class PictureStore:
    """A store, opened."""

    folder: Path
    fingerprint: str
    classes: tuple[str, ...]
    splits: dict[str, StoredSplit]
    skipped: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    reading: Reading = field(default_factory=Reading)


class StoreWriter:
    """Writes pictures block by block, and the index at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.splits: dict[str, _SplitWriter] = {}

    def add(
        self,
        split: str,
        images: UInt8[np.ndarray, "n height width channels"],
        labels: Int64[np.ndarray, "n"] | None,
        names: list[tuple[str, int]],
    ) -> None:
        """Append pictures of one split; `names` holds runs, each a name and the number of pictures with that name."""
        if split not in self.splits:
            self.splits[split] = _SplitWriter(self.folder, split)
        self.splits[split].add(images, labels, names)

    def name(self, split: str, name: str, count: int) -> None:
        """Name the last `count` pictures of a split that were added without names."""
        if split in self.splits:
            self.splits[split].names.append((name, count))

    def finish(
        self,
        classes: Sequence[str],
        skipped: Iterable[str],
        remarks: Iterable[str] = (),
        reading: Reading | None = None,
    ) -> None:
        """Sync every file, then write the index with the fingerprint of all content."""
        splits = {split: writer.finish() for split, writer in self.splits.items()}
        content = {"classes": list(classes), "splits": {s: _content(part) for s, part in sorted(splits.items())}}
        index = {"version": VERSION, "fingerprint": files.digest(content), "classes": list(classes)} | {
            "splits": splits,
            "skipped": list(skipped),
            "remarks": list(remarks),
            "reading": (reading or Reading()).as_json(),
        }
        _write(self.folder / INDEX, json.dumps({"index": index, "sha256": files.digest(index)}).encode())

    def close(self) -> None:
        """Close the files, also after an error."""
        for writer in self.splits.values():
            writer.file.close()


class _SplitWriter:
    def __init__(self, folder: Path, split: str) -> None:
        self.folder, self.split = folder, split
        self.file: IO[bytes] = (folder / f"{split}.u8").open("wb")
        self.digest = hashlib.sha256()
        self.shape: tuple[int, ...] = ()
        self.n = 0
        self.labels: list[Int64[np.ndarray, "_"]] = []
        self.names: list[tuple[str, int]] = []

    def add(self, images: Any, labels: Any, names: list[tuple[str, int]]) -> None:
        rows = np.ascontiguousarray(images).reshape(-1).data
        self.file.write(rows)
        self.digest.update(rows)
        self.shape, self.n = images.shape[1:], self.n + len(images)
        self.names += names
        if labels is not None:
            self.labels.append(labels)

    def finish(self) -> dict[str, Any]:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        labels = np.concatenate(self.labels) if self.labels else None
        if labels is not None:
            _write(self.folder / f"{self.split}.labels", labels.astype("<i8").tobytes())
        _write(self.folder / f"{self.split}.names", json.dumps(self.names).encode())
        return {
            "shape": [self.n, *self.shape],
            "pixels_sha256": self.digest.hexdigest(),
            "labels_sha256": None if labels is None else hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest(),
            "sample_crc": sample_crc(self.folder / f"{self.split}.u8"),
            "names_crc": zlib.crc32((self.folder / f"{self.split}.names").read_bytes()),
        }


def open_store(folder: Path) -> PictureStore | None:
    """The store in a folder; None when it is absent, incomplete, damaged or of another version."""
    try:
        document = json.loads((folder / INDEX).read_bytes())
        index = document["index"]
        if index["version"] != VERSION or document["sha256"] != files.digest(index):
            return None
        splits = {split: _open_split(folder, split, part) for split, part in index["splits"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return PictureStore(
        folder,
        index["fingerprint"],
        tuple(index["classes"]),
        splits,
        tuple(index["skipped"]),
        tuple(index["remarks"]),
        Reading.from_json(index["reading"]),
    )


def load_or_build(
    root: Path, key: tuple[str, str], build: Callable[[StoreWriter, Path], None], *, verify: bool = False
) -> PictureStore:
    """Open the store below `root` of a pair of digests (location, content); build it if it is absent or damaged.

    build    receives the writer and an empty folder to unpack archives into
    verify   read the whole store, and build it again if a bit has changed

    Raises DataError for a cache that cannot be written.
    """
    location, content = root / "pictures" / key[0], key[1]
    if (stored := open_store(location / content)) is not None:
        if not verify or is_whole(stored):
            return stored
        shutil.rmtree(stored.folder)
    part = location / f"{content}.{socket.gethostname()}-{os.getpid()}.part"
    with disk_errors(root):
        _remove_abandoned(location)
        (part / "workspace").mkdir(parents=True)
        try:
            _fill(part, build)
            _publish(part, location / content)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    if (stored := open_store(location / content)) is None:
        raise DataError(
            f"{location / content}: the store just written cannot be read: check the disk, or set TRINE_CACHE"
        )
    return stored


def is_whole(stored: PictureStore) -> bool:
    """Whether every pixel is as it was written, not only those in the sample that opening verifies."""
    index = json.loads((stored.folder / INDEX).read_bytes())["index"]
    for split, part in index["splits"].items():
        if files.sha256(stored.folder / f"{split}.u8") != part["pixels_sha256"]:
            return False
    return True


def map_rows(path: Path, shape: tuple[int, ...]) -> UInt8[np.ndarray, "n height width channels"]:
    """Rows of a file as a memory-mapped array. Writing to the array changes a copy in this process, never the file."""
    if shape[0] == 0:
        return np.zeros(shape, np.uint8)
    return np.memmap(path, np.uint8, mode="c", shape=shape).view(np.ndarray)


def forget(images: UInt8[np.ndarray, "n height width channels"]) -> None:
    """Give back the memory of an array that `map_rows` mapped and nobody has written to; it is read again when used."""
    base: Any = images
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    mapped = getattr(base, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _write(path: Path, content: bytes) -> None:
    with files.replacing(path) as part:
        part.write_bytes(content)


def sample_crc(path: Path) -> int:
    """Checksum of at most `SAMPLES` blocks at even distances, from the first byte to the last."""
    size = path.stat().st_size
    crc = 0
    with path.open("rb") as file:
        for offset in np.linspace(0, max(size - SAMPLE_BYTES, 0), SAMPLES, dtype=np.int64):
            file.seek(int(offset))
            crc = zlib.crc32(file.read(SAMPLE_BYTES), crc)
    return crc


def _open_split(folder: Path, split: str, part: dict[str, Any]) -> StoredSplit:
    """Raises ValueError when a file does not have the size or the checksum in the index."""
    shape = tuple(part["shape"])
    pixels, names = folder / f"{split}.u8", (folder / f"{split}.names").read_bytes()
    if pixels.stat().st_size != int(np.prod(shape)) or sample_crc(pixels) != part["sample_crc"]:
        raise ValueError(pixels)
    if zlib.crc32(names) != part["names_crc"]:
        raise ValueError(split)
    labels = None
    if part["labels_sha256"] is not None:
        data = (folder / f"{split}.labels").read_bytes()
        if hashlib.sha256(data).hexdigest() != part["labels_sha256"]:
            raise ValueError(split)
        labels = np.frombuffer(data, "<i8").astype(np.int64)
    return StoredSplit(map_rows(pixels, shape), labels, StoredNames(names, shape[0]))


def _fill(part: Path, build: Callable[[StoreWriter, Path], None]) -> None:
    writer = StoreWriter(part)
    try:
        build(writer, part / "workspace")
    finally:
        writer.close()
    shutil.rmtree(part / "workspace")


def _publish(part: Path, final: Path) -> None:
    """Give a complete store its name, unless another process was faster, and remove the location's earlier states."""
    if open_store(final) is None:
        shutil.rmtree(final, ignore_errors=True)
        try:
            part.rename(final)
        except OSError:
            if open_store(final) is None:
                raise
    for other in final.parent.iterdir():
        if other != final and not other.name.endswith(".part"):
            shutil.rmtree(other, ignore_errors=True)


def _remove_abandoned(location: Path) -> None:
    """Remove incomplete stores of processes of this machine that have ended."""
    for part in location.glob(f"*.{socket.gethostname()}-*.part"):
        owner = part.name.removesuffix(".part").rpartition("-")[2]
        if owner == str(os.getpid()) or not (owner.isdigit() and _alive(int(owner))):
            shutil.rmtree(part, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _content(part: dict[str, Any]) -> dict[str, Any]:
    return {key: part[key] for key in ("shape", "pixels_sha256", "labels_sha256")}
