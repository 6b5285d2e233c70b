"""Is a set of pictures fit to learn from? The full report, and the cheap part of it that every training runs first."""

from collections import Counter
from itertools import combinations

import numpy as np
from jaxtyping import Int64
from pydantic import BaseModel, ConfigDict

from trine.errors import DataError
from trine.pictures.duplicates import Pairs, exact_pairs, near_pairs, prints
from trine.pictures.entries import TEST, TRAIN, VALIDATION
from trine.pictures.picture_set import PictureSet, PictureSplit

LISTED = 50  # pairs and files named in a report; the counts are of all
IMBALANCE = 10.0  # times that the largest class of train may outnumber the smallest without a remark


class Pair(BaseModel):
    """Two pictures that are the same, `split/name` each."""

    model_config = ConfigDict(frozen=True)
    first: str
    second: str
    labels_differ: bool


class Duplicates(BaseModel):
    """How often pictures occur twice, within a split (`train`) or across two (`train+test`)."""

    model_config = ConfigDict(frozen=True)
    counts: dict[str, int]
    labels_differ: int
    pairs: tuple[Pair, ...]


class PictureReport(BaseModel):
    """What `trine data check` says about a set of pictures."""

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


def check_pictures(pictures: PictureSet) -> PictureReport:
    """Look at everything: files that were skipped, classes, balance, and duplicates within and across splits."""
    exact, near = _duplicates(pictures)
    unlearnable, remarks = _verdict(pictures)
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
        remarks=(*remarks, *_more_remarks(pictures, exact, near)),
        unlearnable=unlearnable,
    )


def refuse_unlearnable(pictures: PictureSet) -> tuple[str, ...]:
    """What to say before a classifier learns from the set: one line a remark.

    Raises DataError for no class, one class, classes that train lacks, or one picture in every class. One class with a
    single picture is learned from and remarked upon: it cannot be validated, as its picture stays in train.
    """
    if TRAIN not in pictures.splits:
        raise DataError(f"{pictures.name}: has no train split: put the class folders into train/, or above test/")
    if not pictures.classes or pictures.splits[TRAIN].labels is None:
        raise DataError(f"{pictures.name}: the pictures have no classes: put each class into a folder of its own")
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
        raise DataError(f"{pictures.name}: no picture can be spared for validation: add some to each class")
    return tuple(_rare_remarks(pictures))


def class_counts(pictures: PictureSet, split: str) -> dict[str, int]:
    """Pictures a class in one split; empty without labels."""
    labels = pictures.splits[split].labels
    if labels is None:
        return {}
    counts = np.bincount(labels, minlength=len(pictures.classes))
    return dict(zip(pictures.classes, map(int, counts), strict=True))


def _rare_remarks(pictures: PictureSet) -> list[str]:
    learned: Counter[str] = Counter()
    for split in (TRAIN, VALIDATION):
        if split in pictures.splits:
            learned.update(class_counts(pictures, split))
    single = [name for name in pictures.classes if learned[name] == 1]
    remarks = [f"one picture only, so nothing can validate it: {_listed(single)}"] if single else []
    if (times := _imbalance(pictures)) is not None and times > IMBALANCE:
        remarks.append(f"the largest class of train has {times:.0f} times the pictures of the smallest")
    return remarks


def _more_remarks(pictures: PictureSet, exact: Duplicates, near: Duplicates) -> list[str]:
    remarks = [f"{len(pictures.skipped):,} files were skipped"] if pictures.skipped else []
    for word, found in (("equal", exact), ("nearly equal", near)):
        remarks += [
            f"{count:,} pairs of pictures are {word}, one in each split: {where}"
            for where, count in found.counts.items()
            if "+" in where and count
        ]
    if exact.labels_differ:
        remarks.append(f"{exact.labels_differ:,} pairs of equal pictures carry different labels")
    return remarks


def _verdict(pictures: PictureSet) -> tuple[str | None, tuple[str, ...]]:
    """Why a classifier cannot learn from the set, if it cannot, and else what to say of it."""
    try:
        return None, refuse_unlearnable(pictures)
    except DataError as error:
        return str(error), ()


def _missing_classes(pictures: PictureSet) -> dict[str, tuple[str, ...]]:
    """The classes that each split with labels lacks."""
    counts = {split: class_counts(pictures, split) for split in pictures.splits}
    lacking = {split: tuple(c for c, n in of.items() if not n) for split, of in counts.items()}
    return {split: names for split, names in lacking.items() if names}


def _imbalance(pictures: PictureSet) -> float | None:
    """How many times the largest class of train outnumbers the smallest."""
    counts = [n for n in class_counts(pictures, TRAIN).values() if n] if TRAIN in pictures.splits else []
    return max(counts) / min(counts) if counts else None


def _duplicates(pictures: PictureSet) -> tuple[Duplicates, Duplicates]:
    found = prints([part.images for part in pictures.splits.values()])
    return _named(pictures, exact_pairs(found.exact)), _named(pictures, near_pairs(found))


def _named(pictures: PictureSet, pairs: Pairs) -> Duplicates:
    """Pairs of positions in all splits laid end to end, as a report gives them."""
    splits = list(pictures.splits)
    ends = np.cumsum([len(part) for part in pictures.splits.values()])
    where = np.searchsorted(ends, pairs, side="right")
    labels = np.concatenate([_labels(part) for part in pictures.splits.values()])
    differ = (labels[pairs[:, 0]] != labels[pairs[:, 1]]) & (labels[pairs] >= 0).all(axis=1)

    def called(position: int, split: int) -> str:
        part = pictures.splits[splits[split]]
        return f"{splits[split]}/{part.names[position - int(ends[split]) + len(part)]}"

    named = [
        Pair(first=called(int(a), int(i)), second=called(int(b), int(j)), labels_differ=bool(d))
        for (a, b), (i, j), d in zip(pairs[:LISTED], where[:LISTED], differ[:LISTED], strict=True)
    ]
    spots = splits + [f"{a}+{b}" for a, b in combinations(splits, 2)]
    met = Counter(splits[i] if i == j else f"{splits[i]}+{splits[j]}" for i, j in where.tolist())
    return Duplicates(counts={s: met[s] for s in spots}, labels_differ=int(differ.sum()), pairs=tuple(named))


def _labels(part: PictureSplit) -> Int64[np.ndarray, "n"]:
    """Class numbers; -1 where there are none."""
    return np.full(len(part), -1, np.int64) if part.labels is None else part.labels


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
