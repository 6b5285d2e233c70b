"""Labels in the names of files: `cat.0.jpg`, `n0153_12.png`, `Abyssinian_100.jpg`."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from trine.errors import DataError, UsageError
from trine.pictures.entries import Entry, Files, listed
from trine.plurals import quantity

LONGEST = 4096
"""Longest path, in characters, that an expression is tried on: an expression of the user's may take long."""
LEADING = re.compile(r"([^\W\d_]++(?:[ _-][^\W\d_]++)*+)[ _.-]*+\(?[0-9]++\)?\.[^./]++")
"""A name that begins with words and ends with a number."""
GENERIC = frozenset(
    {"img", "image", "dsc", "dscn", "dscf", "pic", "picture", "photo", "screenshot", "scan", "frame", "pxl"}
)
"""What cameras and programs call their pictures."""
REGULAR = 0.9
"""Share of the names that must look like a word and a number before it is suggested to read classes from them."""


def labels_from_names(files: Files, expression: str, where: str) -> Files:
    """The files with the one group of a regular expression as label, searched in the path below the root.

    Pictures whose path does not match are skipped. Raises `UsageError` for an expression without one group, and
    `DataError` if it matches no path.
    """
    pattern = compiled(expression)
    found = [pattern.search(entry.name[:LONGEST]) for entry in files.entries]
    labelled = [replace(e, label=match[1] if match else None) for e, match in zip(files.entries, found, strict=True)]
    entries = [entry for entry in labelled if entry.label and entry.label.strip()]
    if not entries:
        first = files.entries[0].name
        raise DataError(f"{where}: label_from={expression!r} matches no path, of which the first is {first}")
    missed = [entry.name for entry in labelled if not entry.label or not entry.label.strip()]
    skipped = [f"unlabelled: {name} (label_from does not match it)" for name in missed]
    classes = Counter(entry.label for entry in entries)
    counts = f"{quantity(len(entries), 'picture')}, {quantity(len(classes), 'class')}"
    remark = f"labels from names: {counts} ({listed(map(str, classes))})"
    return Files(entries, [*files.skipped, *skipped], [*files.remarks, remark])


def compiled(expression: str) -> re.Pattern[str]:
    """The expression. Raises `UsageError` if it is none, or has not one group."""
    try:
        pattern = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"label_from={expression!r}: no regular expression ({error})") from None
    if pattern.groups != 1:
        raise UsageError(
            f"label_from={expression!r}: has {pattern.groups} groups: put ( ) around the class, as in '^([a-z]+)', "
            "and (?: ) around others"
        )
    return pattern


def suggestion(entries: Sequence[Entry]) -> str | None:
    """The remark that classes seem to be in the names; None if they do not look like it."""
    last = [entry.name.rpartition("/")[2] for entry in entries]
    words = Counter(found[1].lower() for name in last if (found := LEADING.fullmatch(name)))
    words = Counter({word: count for word, count in words.items() if word not in GENERIC and not _is_split(word)})
    if sum(words.values()) < REGULAR * len(last) or not 2 <= len(words) <= len(last) / 2:
        return None
    return (
        f"the names seem to hold classes ({listed(words, 3)}): to learn them, use "
        "--label-from '([^/]*?)[ _.(-]*[0-9]+[^/]*$'"
    )


def _is_split(word: str) -> bool:
    from trine.pictures.split_names import split_name

    return split_name(word).split is not None
