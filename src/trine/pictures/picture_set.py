"""Picture sets. `open_pictures` opens every kind: named sets, folders, manifests and archives."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trine import files
from trine.annotations import Int64, UInt8
from trine.datasets.cache import cache_dir, disk_errors
from trine.datasets.catalogue import CATALOGUE, is_present, named_set, nothing_there, refuse_empty
from trine.errors import DataError, UsageError, nearest
from trine.pictures.decode import as_channels
from trine.pictures.entries import SPLITS, TEST, TRAIN, VALIDATION, Source, readable
from trine.pictures.groups import copies
from trine.pictures.ingest import Wanted, ingest
from trine.pictures.named import picture_source
from trine.pictures.reading import Aspect, Fit, Reading
from trine.pictures.sources import source_at
from trine.pictures.splits import grouped_cut, stratified_cut
from trine.pictures.store import VERSION, PictureStore, StoreWriter, forget, load_or_build, map_rows
from trine.plurals import quantity

USES = {TRAIN: "pictures to learn from", VALIDATION: "held out", TEST: "to test with"}
"""What the pictures of each split are for."""
CHANNELS = {1: "grey", 3: "RGB", 4: "RGB with transparency"}
"""What pictures with this number of channels are."""
ALL = "all"
"""Name of all splits together."""
LARGEST_SIZE = 1024
"""Largest side, in pixels, that pictures can be scaled to."""
CHUNK = 2**25
"""Bytes that are copied at a time: 32 MiB."""
NAMED = 20
"""Skipped files that are named to the user; further ones are counted."""
IN_MEMORY = 2**28
"""Largest part of a cut split, in bytes, that is copied into memory; larger ones are written to a file and mapped."""


@dataclass(frozen=True, eq=False)
class PictureSplit:
    """Pictures of one split, their class indices and their names."""

    images: UInt8[np.ndarray, "n height width channels"]
    labels: Int64[np.ndarray, "n"] | None
    names: Sequence[str]
    """The file that each picture comes from, or the file and an index into it."""
    positions: Int64[np.ndarray, "n"]
    """Each picture's index in the split before any cut."""

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class PictureSet:
    """A whole set, at one picture size."""

    name: str
    fingerprint: str
    """sha256 of pixels, labels, class names and splits before any cut."""
    classes: tuple[str, ...]
    """Class names in the order of their indices; empty for a set without labels."""
    splits: Mapping[str, PictureSplit]
    """Those of `train`, `validation` and `test` that the set has."""
    skipped: tuple[str, ...]
    """A line `kind: file (why)` per skipped file; kinds: unreadable, truncated, oversized, missing, unlabelled."""
    remarks: tuple[str, ...] = ()
    """What the user should know about how the set was understood, one line each."""
    reading: Reading = field(default_factory=Reading)
    """How its files became pixels. A model keeps it, to read new pictures in the same way."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        height, width = next(iter(self.splits.values())).images.shape[1:3]
        return height, width

    def is_labelled(self, split: str) -> bool:
        """Whether the set has this split, with labels."""
        return split in self.splits and self.splits[split].labels is not None

    def chosen_split(self, name: str | None = None) -> tuple[str, PictureSplit]:
        """The split of that name, or `all`; by default test, else validation, else train. Raises `DataError`."""
        name = name or next(name for name in (TEST, VALIDATION, TRAIN) if name in self.splits)
        if name == ALL:
            return ALL, self.joined(tuple(self.splits))
        if name not in self.splits:
            meant = nearest(name, self.splits)
            raise DataError(f"{self.name}: has no split {name!r}: it has {', '.join(self.splits)}, {ALL}{meant}")
        return name, self.splits[name]

    def joined(self, names: Sequence[str]) -> PictureSplit:
        """Several splits as one, without labels if one of them has none; a single one as it is, not copied."""
        parts = [self.splits[name] for name in names]
        if len(parts) == 1:
            return parts[0]
        labels = [part.labels for part in parts if part.labels is not None]
        return PictureSplit(
            np.concatenate([part.images for part in parts]),
            np.concatenate(labels) if len(labels) == len(parts) else None,
            [name for part in parts for name in part.names],
            np.arange(sum(map(len, parts))),
        )

    def with_channels(self, channels: int) -> "PictureSet":
        """The set with other channels, see `as_channels`; itself if it has that number of them."""
        if channels == self.channels:
            return self
        splits = {name: replace(part, images=as_channels(part.images, channels)) for name, part in self.splits.items()}
        return replace(self, splits=splits)

    def understood(self) -> list[str]:
        """Lines for the user: what a training learns from, at which size, and which files were skipped."""
        counts = [f"{len(self.splits[name]):,} {use}" for name, use in USES.items() if name in self.splits]
        classes = [quantity(len(self.classes), "class")] if self.classes else []
        height, width = self.size
        size = f"{width}×{height} {CHANNELS[self.channels]}"
        return [f"{self.name}: {', '.join([*counts, *classes, size])}", *self.left_out()]

    def left_out(self) -> list[str]:
        """Lines for the user: the first files that were skipped, and how many more."""
        skipped = [f"skipped, {line}" for line in self.skipped[:NAMED]]
        if len(self.skipped) > NAMED:
            skipped.append(f"and {quantity(len(self.skipped) - NAMED, 'more file')} skipped")
        return skipped

    def described(self) -> dict[str, Any]:
        """Name, fingerprint and number of pictures per split."""
        counts = {name: len(split) for name, split in self.splits.items()}
        return {"name": self.name, "fingerprint": self.fingerprint, "splits": counts}

    @property
    def channels(self) -> int:
        """1 for a set that is all grey, 3 for colour, 4 for colour and opacity."""
        return int(next(iter(self.splits.values())).images.shape[3])


def open_pictures(
    source: str | Path,
    *,
    data_dir: Path | None = None,
    size: int | tuple[int, int] | None = None,
    aspect: Aspect = "own",
    transparency: bool = False,
    fit: Fit = "auto",
    reading: Reading | None = None,
    label_from: str | None = None,
    seed: int = 0,
    validation_share: float = 0.1,
    validation_limit: int | None = None,
    cut: bool = True,
    progress: bool = True,
    verify: bool = False,
) -> PictureSet:
    """Open a named set, a folder, a manifest or an archive. Pictures are decoded once and stored in the cache.

    data_dir           folder of the named sets; None: see `trine.datasets.catalogue`
    size               side of the square, or height and width, in pixels, that pictures are scaled to (antialiased);
                       None: their own size when all share one, else see `chosen_shape`
    aspect             without a size: own, common or square
    transparency       keep opacity as a fourth channel, if a pixel of the set's files is not opaque
    fit                what is done with a picture of another aspect ratio: crop, pad, squash; auto: crop up to 4:3
    reading            how a trained model reads pictures (`PictureSet.reading`, kept with it), instead of `fit`
    label_from         regular expression with one group, the class, searched in each path below the root, instead of
                       class folders
    seed               of the validation split
    validation_share   share of train that becomes the validation split, stratified, if `cut` is set and the set has
                       none. A test split is never used for validation; a missing test split stays missing
    validation_limit   largest number of pictures in a validation split that is cut off train
    progress           show a bar on stderr while pictures are decoded or downloaded
    verify             compare the whole store with its checksums first, and decode again if it has changed

    Raises UsageError (an empty source, a size or share out of range, a set of sequences, a wrong expression), DataError
    (a path that does not exist, no readable picture, damaged files, a cache that cannot be written) and UnsafeDataError
    (an archive over its limits).
    """
    sides = size if isinstance(size, tuple) else () if size is None else (size,)
    if not all(1 <= side <= LARGEST_SIZE for side in sides):
        raise UsageError(f"a picture size of {size} is out of range: use 1 to {LARGEST_SIZE}")
    wanted = Wanted(size, aspect, reading or Reading(fit=fit), levels=reading is None, transparency=transparency)
    place = _locate(source, data_dir, label_from, progress)
    content = place.source
    how = [
        str(size),
        aspect,
        str(transparency),
        json.dumps(wanted.reading.as_json()),
        str(wanted.levels),
        str(label_from),
    ]
    key = _digest([place.location, *how]), _digest([str(VERSION), *sorted(content.stamp())])

    def build(writer: StoreWriter, workspace: Path) -> None:
        ingest(content, writer, workspace, wanted, progress)

    stored = load_or_build(cache_dir(), key, build, verify=verify)
    remarks = (*place.remarks, *stored.remarks)
    whole = PictureSet(
        place.name, stored.fingerprint, stored.classes, _splits(stored), stored.skipped, remarks, stored.reading
    )
    if not cut or TRAIN not in whole.splits or VALIDATION in whole.splits:
        return whole
    share = min(validation_share, (validation_limit or len(whole.splits[TRAIN])) / len(whole.splits[TRAIN]))
    return _with_validation(whole, stored, seed, share, together=place.own)


class _Place(NamedTuple):
    """Where a set is: its name, a text that identifies its location, its source, and remarks."""

    name: str
    location: str
    source: Source
    remarks: tuple[str, ...]
    own: bool
    """Whether it is the user's, not a named set."""


def _locate(source: str | Path, data_dir: Path | None, label_from: str | None, progress: bool) -> _Place:
    """The place of a set. Downloads a named set that is absent. A named set goes before a folder of that name."""
    refuse_empty(source)
    path = Path(source).expanduser()
    if isinstance(source, str) and source in CATALOGUE:
        named = named_set(source)
        if named.kind != "pictures":
            advice = f"write ./{source} for the folder of that name" if path.exists() else "see `trine detect`"
            raise UsageError(f"{source}: is a set of event sequences ({named.size}), not of pictures: {advice}")
        if named.place and not is_present(named, data_dir):
            from trine.datasets.fetch import fetch

            fetch(named, data_dir, progress=progress)
        hidden = f"{source} is the named set, not what is called {source} here: write ./{source} for that"
        remarks = (hidden,) if path.exists() else ()
        return _Place(source, f"named {source}", picture_source(named, data_dir), remarks, own=False)
    if not path.exists():
        raise DataError(nothing_there(source, "pictures"))
    path = path.resolve()
    return _Place(readable(path.name.split(".")[0] or path.name), str(path), source_at(path, label_from), (), own=True)


def _splits(stored: PictureStore) -> dict[str, PictureSplit]:
    return {
        split: PictureSplit(part.images, part.labels, part.names, np.arange(len(part.images)))
        for split in SPLITS
        if (part := stored.splits.get(split)) is not None
    }


def _with_validation(whole: PictureSet, stored: PictureStore, seed: int, share: float, *, together: bool) -> PictureSet:
    """The set with a part of train as validation split; unchanged when train has no picture to spare.

    together   copies of a picture stay on one side
    """
    train = whole.splits[TRAIN]
    groups = _groups(train, stored) if together else np.arange(len(train))
    stay, cut = grouped_cut(train.labels, groups, share, seed)
    alone = not len(cut) and len(groups) > 1
    if alone:  # all are copies of one picture
        stay, cut = stratified_cut(train.labels, len(train), share, seed)
    if not len(cut) or not len(stay):
        return whole
    whole = replace(whole, remarks=(*whole.remarks, *_copy_remarks(groups, alone)))
    parts = {TRAIN: stay, VALIDATION: cut}
    how = [str(seed), repr(share), str(together)]
    cuts = {split: _part(train, at, stored, _digest([split, *how])) for split, at in parts.items()}
    return replace(whole, splits={**cuts, **{k: v for k, v in whole.splits.items() if k != TRAIN}})


def _groups(train: PictureSplit, stored: PictureStore) -> Int64[np.ndarray, "n"]:
    """The group of copies of each picture of train, kept in the store."""
    path = stored.folder / "copies.i8"
    if not path.exists() or path.stat().st_size != 8 * len(train):
        groups = copies(train.images, train.labels, train.names)
        with disk_errors(cache_dir()), files.replacing(path) as part:
            part.write_bytes(groups.astype("<i8").tobytes())
    return np.fromfile(path, "<i8").astype(np.int64)


def _copy_remarks(groups: Int64[np.ndarray, "n"], alone: bool) -> list[str]:
    """What is said about copies within train."""
    sizes = np.bincount(groups)
    several = sizes[sizes > 1]
    if not len(several):
        return []
    where = "so validation holds copies, too" if alone else "they stay on one side of the validation cut"
    near = f"{quantity(int(several.sum()), 'picture')} of train are near copies of one another"
    return [f"{near}, in {quantity(len(several), 'group')}: {where}"]


def _part(train: PictureSplit, at: Int64[np.ndarray, "part"], stored: PictureStore, key: str) -> PictureSplit:
    """The pictures of train at these indices."""
    shape = (len(at), *train.images.shape[1:])
    small = np.prod(shape) <= IN_MEMORY
    images = train.images[at] if small else _mapped_cut(train.images, at, stored.folder / f"cut-{key}.u8", shape)
    labels = None if train.labels is None else train.labels[at]
    names = stored.splits[TRAIN].names.at(at)
    return PictureSplit(images, labels, names, at)


def _mapped_cut(
    images: UInt8[np.ndarray, "n height width channels"],
    at: Int64[np.ndarray, "part"],
    path: Path,
    shape: tuple[int, ...],
) -> UInt8[np.ndarray, "part height width channels"]:
    """Rows of a split, copied into the file at `path` if it is absent, and mapped."""
    if not path.exists() or path.stat().st_size != np.prod(shape):
        with disk_errors(cache_dir()), files.replacing(path) as part, part.open("wb") as file:
            for rows in np.array_split(at, 1 + int(np.prod(shape)) // CHUNK):
                file.write(images[rows])
                forget(images)
    return map_rows(path, shape)


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:24]
