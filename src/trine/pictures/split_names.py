"""Which names of folders, and which words in tables, mean train, validation or test.

A name is cut into words: `seg_train`, `TrainingSet2`, `test-images`. One of them must be the split's; the others must
be words that say nothing (`set`, `images`, a number), or the same in the names of two splits (`seg`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from trine.errors import DataError
from trine.pictures.entries import TEST, TRAIN, VALIDATION

SPLIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "validating", "dev", "devel", "eval"), VALIDATION),
    **dict.fromkeys(("evaluation", "crossval"), VALIDATION),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), TEST),
}
"""The split for each word. `dev` and `eval` choose, `holdout` is looked at in the end."""
PLAIN_WORDS = frozenset(
    {"set", "sets", "data", "dataset", "split", "splits", "part", "folder", "dir", "directory", "files", "all", "the"}
    | {"image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "photo", "photos", "jpg", "jpeg", "png"}
    | {"raw", "new", "original", "resized", "sample", "samples", "examples", "example"}
)
"""Words that say nothing about what the pictures show."""
UNLABELLED_WORDS = frozenset({"pred", "predict", "prediction", "predictions", "unlabeled", "unlabelled", "inference"})
"""Words in the names of folders of pictures without a class, which Kaggle puts next to the splits."""
WORD = re.compile(r"[A-Z]++(?![a-z])|[A-Z]?[^\W\d_A-Z]++|\d++|[A-Z]")


class SplitName(NamedTuple):
    """The split in a name, if there is one, and its other words, without those that say nothing."""

    split: str | None
    rest: tuple[str, ...]


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case; `testset` and `hold_out` are taken apart and put together."""
    words: list[str] = []
    for word in (match.lower() for match in WORD.findall(name)):
        if word == "out" and words and words[-1] in ("hold", "held"):
            words[-1] += word
            continue
        ends = [end for end in ("set", "data", "images", "imgs", "dir") if word.removesuffix(end) in SPLIT_WORDS]
        words += [word.removesuffix(ends[0]), ends[0]] if ends else [word]
    return words


def split_name(name: str) -> SplitName:
    """The split in a name. Without a split if no word, or more than one, is a split's."""
    words = words_of(name)
    found = [word for word in words if word in SPLIT_WORDS]
    rest = tuple(w for w in words if w not in SPLIT_WORDS and w not in PLAIN_WORDS and not w.isdigit())
    return SplitName(SPLIT_WORDS[found[0]] if len(found) == 1 else None, rest)


def is_plain(name: str) -> bool:
    """Whether a name says nothing: `images`, `Data2`, `train_images`, `HAM10000_images_part_1` does not."""
    words = words_of(name)
    return bool(words) and all(w in PLAIN_WORDS or w in SPLIT_WORDS or w.isdigit() for w in words)


def splits_of(names: Iterable[str], deep: Collection[str] = ()) -> dict[str, str]:
    """The split of each of these names of folders next to one another; names without a split are left out.

    deep   the names of those that hold folders: only they can be splits for having a neighbour's other words
    """
    names = list(names)
    parsed = {name: split_name(name) for name in names}
    splits = {name: split for name, (split, rest) in parsed.items() if split and not rest}
    for rest in {rest for split, rest in parsed.values() if split and rest}:
        same = {name: split for name, (split, other) in parsed.items() if split and other == rest}
        bare = [name for name, (split, other) in parsed.items() if split is None and other == rest and name in deep]
        if len(set(same.values())) > 1:
            splits |= same
        elif bare and TRAIN not in same.values():  # `horse-or-human` next to `validation-horse-or-human`
            splits |= same | dict.fromkeys(bare, TRAIN)
    return {name: splits[name] for name in names if name in splits}


def split_called(text: str, where: str) -> str:
    """The split of this name in a table; train for an empty name. Raises `DataError` for an unknown name."""
    split, rest = split_name(text) if text.strip() else SplitName(TRAIN, ())
    if split is None or rest:
        raise DataError(f"{where}: unknown split {text!r}: use train, validation or test")
    return split
