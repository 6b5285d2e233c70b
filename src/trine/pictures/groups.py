"""Which pictures are copies of one another, so that a cut keeps them on one side.

- Equal and nearly equal pictures, whatever their classes (see `duplicates`).
- Pictures of one class that are nearly equal when one is mirrored or turned by a quarter, as augmentation makes them.
- Pictures of one class whose names say so: `a_jpg.rf.0123abcd.jpg` of Roboflow, `a_aug3.jpg`, `a-flipped.png`.

Copies that are turned by a few degrees, shifted or cropped are only found by their names.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from trine.annotations import Int64, UInt8
from trine.pictures.duplicates import Pairs, Thumbnails, exact_pairs, near_pairs, signatures, turned_pairs

TURNS: tuple[Callable[[Thumbnails], Thumbnails], ...] = (
    lambda images: images[:, :, ::-1],
    lambda images: images[:, ::-1],
    lambda images: np.rot90(images, 1, (1, 2)),
    lambda images: np.rot90(images, 2, (1, 2)),
    lambda images: np.rot90(images, 3, (1, 2)),
)
"""What augmentation does to whole pictures; mirroring comes first."""
ALL_TURNS = 20_000
"""Largest number of pictures for which every turn is looked for; only mirroring for more, to save time."""
AUGMENTED = re.compile(
    r"(.+?)(?:\.rf\.[0-9a-f]{6,64}|[._ -]+(?:aug(?:mented)?|[hv]?flip(?:ped)?|rot(?:ated?)?|bright(?:ness)?|noisy?|"
    r"blur(?:red)?|mirror(?:ed)?|crop(?:ped)?|zoom(?:ed)?)[._ -]?[0-9]{0,6})",
    re.IGNORECASE,
)
"""Names of augmented copies, without their suffix; the group is the name of the original."""
LONGEST = 255
"""Longest name, in characters, that is looked at: file systems have none longer."""


def copies(
    images: UInt8[np.ndarray, "n height width channels"],
    labels: Int64[np.ndarray, "n"] | None,
    names: Sequence[str],
) -> Int64[np.ndarray, "n"]:
    """The group of each picture, named by the lowest index in it. A picture without a copy is a group of its own.

    For arrays fresh from a store: what was written to a mapped array is lost.
    """
    signed = signatures([images], release=True)
    pairs = [exact_pairs(signed.digests), near_pairs(signed)]
    own = np.zeros(len(images), np.int64) if labels is None else labels
    for turn in TURNS if len(images) <= ALL_TURNS else TURNS[:1]:
        found = turned_pairs(signed, turn)
        pairs.append(found[own[found[:, 0]] == own[found[:, 1]]])
    pairs.append(_named_pairs(own, names))
    return joined(len(images), np.concatenate(pairs))


def joined(n: int, pairs: Pairs) -> Int64[np.ndarray, "n"]:
    """The lowest index that each of n things is connected to by pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, parts = connected_components(graph, directed=False)
    _, first = np.unique(parts, return_index=True)
    groups: Int64[np.ndarray, "n"] = first[parts].astype(np.int64)
    return groups


def _named_pairs(labels: Int64[np.ndarray, "n"], names: Sequence[str]) -> Pairs:
    """Each picture whose name is that of an augmented copy, with the first one of its original."""
    first: dict[tuple[int, str], int] = {}
    pairs = []
    for index, (label, name) in enumerate(zip(labels.tolist(), names, strict=True)):
        stem = name.rpartition(".")[0] or name
        match = AUGMENTED.fullmatch(stem) if len(stem) - stem.rfind("/") <= LONGEST else None
        original = first.setdefault((label, match[1] if match else stem), index)
        if original != index:
            pairs.append((original, index))
    return np.array(pairs, np.int64).reshape(-1, 2)
