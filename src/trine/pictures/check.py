"""Checks a set of pictures before a training: the full report, and its fast part, which every training runs first."""

from collections import Counter
from itertools import combinations

import numpy as np
from pydantic import BaseModel, ConfigDict

from trine.annotations import Int64
from trine.errors import DataError
from trine.pictures.duplicates import Pairs, exact_pairs, near_pairs, signatures
from trine.pictures.entries import TEST, TRAIN, VALIDATION
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.plurals import quantity, verb

LISTED = 50
"""Most pairs and files that a report lists by name; its counts include all."""
HINTS = ("--label-from", "lies beside the pictures", "is not used")
"""Words of the remarks that say where the classes may be."""
IMBALANCE = 10.0
"""Largest ratio of the largest to the smallest class of train, in pictures, without a remark."""


class Pair(BaseModel):
    """Two pictures that are the same, each as `split/name`."""

    model_config = ConfigDict(frozen=True)
    first: str
    second: str
    labels_differ: bool


class Duplicates(BaseModel):
    """Pairs of pictures that are the same, counted within a split (`train`) and across two splits (`train+test`)."""

    model_config = ConfigDict(frozen=True)
    counts: dict[str, int]
    labels_differ: int
    pairs: tuple[Pair, ...]


class PictureReport(BaseModel):
    """The report of `trine data check` on a set of pictures."""

    model_config = ConfigDict(frozen=True)
    name: str
    fingerprint: str
    size: tuple[int, int]
    channels: int
    classes: tuple[str, ...]
    pictures: dict[str, int]
    per_class: dict[str, dict[str, int]]
    skipped: dict[str, int]
    skipped_files: tuple[str, ...]
    missing_classes: dict[str, tuple[str, ...]]
    imbalance: float | None
    exact_duplicates: Duplicates
    near_duplicates: Duplicates
    remarks: tuple[str, ...]
    unlearnable: str | None
    """Why a classifier cannot learn from the set; None if it can."""
    generable: bool = True
    """Whether a generator can learn from it: it needs no classes, but two pictures."""


def check_pictures(pictures: PictureSet) -> PictureReport:
    """The full report: skipped files, classes, balance, and duplicates within and across splits."""
    exact, near = _duplicates(pictures)
    unlearnable, remarks = _learnability(pictures)
    return PictureReport(
        name=pictures.name,
        fingerprint=pictures.fingerprint,
        size=pictures.size,
        channels=pictures.channels,
        classes=pictures.classes,
        pictures={split: len(part) for split, part in pictures.splits.items()},
        per_class={split: class_counts(pictures, split) for split in pictures.splits},
        skipped=dict(Counter(line.split(":")[0] for line in pictures.skipped)),
        skipped_files=pictures.skipped[:LISTED],
        missing_classes=_missing_classes(pictures),
        imbalance=_imbalance(pictures),
        exact_duplicates=exact,
        near_duplicates=near,
        remarks=(*(remarks or pictures.remarks), *_file_remarks(pictures, exact, near)),
        unlearnable=unlearnable,
        generable=TRAIN in pictures.splits and len(pictures.splits[TRAIN]) > 1,
    )


def refuse_unlearnable(pictures: PictureSet) -> tuple[str, ...]:
    """Remarks on a set that a classifier can learn from, one line each: first those of its reading.

    Raises DataError for no class, a single class, classes that train lacks, or a single picture in every class.
    If only some classes have a single picture, that is a remark: it stays in train, so the class is not validated.
    """
    if TRAIN not in pictures.splits:
        raise DataError(f"{pictures.name}: has no train split: put the class folders into train/, or above test/")
    if not pictures.classes or pictures.splits[TRAIN].labels is None:
        hints = "".join(f"; {line}" for line in pictures.remarks if any(word in line for word in HINTS))
        advice = f"put each class into a folder of its own{hints}"
        raise DataError(f"{pictures.name}: the pictures have no classes: {advice}")
    known = {split: {c for c, n in class_counts(pictures, split).items() if n} for split in pictures.splits}
    learned = known[TRAIN] | known.get(VALIDATION, set())
    if unseen := sorted(set().union(*known.values()) - known[TRAIN]):
        where = next(split for split in (TEST, VALIDATION) if unseen[0] in known.get(split, ()))
        raise DataError(
            f"{pictures.name}: only the {where} split has {_listed(unseen)}: add it to train, or take it out"
        )
    if len(learned) < 2:
        raise DataError(f"{pictures.name}: all pictures are of one class, {_listed(sorted(learned))}: add another")
    if VALIDATION not in pictures.splits and max(class_counts(pictures, TRAIN).values()) < 2:
        raise DataError(f"{pictures.name}: no picture can be spared for validation: add pictures to each class")
    return (*pictures.remarks, *_class_remarks(pictures))


def class_counts(pictures: PictureSet, split: str) -> dict[str, int]:
    """Number of pictures per class in one split; empty without labels."""
    labels = pictures.splits[split].labels
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(pictures.classes))
    return dict(zip(pictures.classes, map(int, counts), strict=True))


def _class_remarks(pictures: PictureSet) -> list[str]:
    """Remarks on rare classes."""
    learned: Counter[str] = Counter()
    for split in (TRAIN, VALIDATION):
        if split in pictures.splits:
            learned.update(class_counts(pictures, split))
    single = [name for name in pictures.classes if learned[name] == 1]
    remarks = [f"one picture only, which cannot be validated: {_listed(single)}"] if single else []
    if (ratio := _imbalance(pictures)) is not None and ratio > IMBALANCE:
        remarks.append(f"the largest class of train has {ratio:.0f} times as many pictures as the smallest")
    return remarks


def _file_remarks(pictures: PictureSet, exact: Duplicates, near: Duplicates) -> list[str]:
    """Remarks on skipped files and on duplicates across splits."""
    remarks = (
        [f"{quantity(len(pictures.skipped), 'file')} {verb(len(pictures.skipped), 'was', 'were')} skipped"]
        if pictures.skipped
        else []
    )
    for word, duplicates in (("equal", exact), ("nearly equal", near)):
        remarks += [
            f"{quantity(count, f'pair of {word} pictures', f'pairs of {word} pictures')} across two splits: {splits}"
            for splits, count in duplicates.counts.items()
            if "+" in splits and count
        ]
    if exact.labels_differ:
        remarks.append(f"{exact.labels_differ:,} pairs of equal pictures have different labels")
    return remarks


def _learnability(pictures: PictureSet) -> tuple[str | None, tuple[str, ...]]:
    """The reason why a classifier cannot learn from the set, if there is one; and the remarks if there is none."""
    try:
        return None, refuse_unlearnable(pictures)
    except DataError as error:
        return str(error), ()


def _missing_classes(pictures: PictureSet) -> dict[str, tuple[str, ...]]:
    """The classes that each split with labels lacks."""
    counts = {split: class_counts(pictures, split) for split in pictures.splits}
    lacking = {split: tuple(c for c, n in per_class.items() if not n) for split, per_class in counts.items()}
    return {split: names for split, names in lacking.items() if names}


def _imbalance(pictures: PictureSet) -> float | None:
    """Ratio of the largest to the smallest class of train, in pictures."""
    counts = [n for n in class_counts(pictures, TRAIN).values() if n] if TRAIN in pictures.splits else []
    return max(counts) / min(counts) if counts else None


def _duplicates(pictures: PictureSet) -> tuple[Duplicates, Duplicates]:
    """Equal and nearly equal pictures."""
    signed = signatures([part.images for part in pictures.splits.values()])
    return _named(pictures, exact_pairs(signed.digests)), _named(pictures, near_pairs(signed))


def _named(pictures: PictureSet, pairs: Pairs) -> Duplicates:
    """Pairs of indices into all splits, one after the other, in the form of the report."""
    splits = list(pictures.splits)
    ends = np.cumsum([len(part) for part in pictures.splits.values()])
    split_of = np.searchsorted(ends, pairs, side="right")
    labels = np.concatenate([_labels(part) for part in pictures.splits.values()])
    differ = (labels[pairs[:, 0]] != labels[pairs[:, 1]]) & (labels[pairs] >= 0).all(axis=1)

    def name(index: int, split: int) -> str:
        part = pictures.splits[splits[split]]
        return f"{splits[split]}/{part.names[index - int(ends[split]) + len(part)]}"

    listed = [
        Pair(first=name(int(a), int(i)), second=name(int(b), int(j)), labels_differ=bool(d))
        for (a, b), (i, j), d in zip(pairs[:LISTED], split_of[:LISTED], differ[:LISTED], strict=True)
    ]
    kinds = splits + [f"{a}+{b}" for a, b in combinations(splits, 2)]
    counts = Counter(splits[i] if i == j else f"{splits[i]}+{splits[j]}" for i, j in split_of.tolist())
    return Duplicates(
        counts={kind: counts[kind] for kind in kinds}, labels_differ=int(differ.sum()), pairs=tuple(listed)
    )


def _labels(part: PictureSplit) -> Int64[np.ndarray, "n"]:
    """Class indices; -1 for a split without labels."""
    return np.full(len(part), -1, np.int64) if part.labels is None else part.labels


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
