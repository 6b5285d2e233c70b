"""Finds pictures that occur twice: equal in every pixel, or nearly equal to the eye.

- Equal pictures have equal bytes.
- Nearly equal pictures have difference hashes that differ in at most 3 of 64 bits, and 32 × 32 grey thumbnails that
  correlate. Each bit of a hash tells whether the picture becomes brighter from one cell of an 8 × 9 grid to the next.
- Hashes are sorted four times, each time with another 16 bits in front. Two hashes that differ in 3 bits agree in at
  least one group of 16, so that one of the orders brings them close to each other.
- Only 32 neighbours are compared, and only the half million pairs whose hashes differ least. This limits the time for
  sets of nearly equal pictures, in which pairs may be missed.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trine.annotations import Bool, Float32, Int64, UInt8, UInt64
from trine.pictures.store import forget

HASH_BITS = 3
"""Most bits in which the hashes of two nearly equal pictures differ."""
THUMBNAIL = 32
"""Side of a thumbnail in pixels."""
CORRELATION = 0.99
"""Smallest correlation of the thumbnails of two nearly equal pictures."""
BRIGHTNESS = 16.0
"""Largest difference in mean brightness of two nearly equal pictures, in levels of 255."""
NEIGHBOURS = 32
"""Hashes after each one in sorted order that it is compared with."""
MAX_CANDIDATES = 500_000
"""Most pairs whose thumbnails are compared."""
BLOCK, BLOCK_PIXELS = 2048, 2**24
"""Most pictures or pairs, and most pixels, that are processed at a time, to limit memory."""

Pairs = Int64[np.ndarray, "_ 2"]
"""Indices of two pictures per row, the earlier one first."""
Thumbnails = UInt8[np.ndarray, "n side side"]


@dataclass(frozen=True, eq=False)
class Signatures:
    """Digest, difference hash and thumbnail of each picture."""

    digests: list[bytes]
    hashes: UInt64[np.ndarray, "n"]
    thumbnails: Thumbnails


def signatures(parts: Sequence[UInt8[np.ndarray, "_ height width channels"]], *, release: bool = False) -> Signatures:
    """Digest, difference hash and thumbnail of every picture of several arrays, one array after the other.

    release   give back the memory of mapped arrays meanwhile, to which nobody has written
    """
    digests, hashes, thumbnails = [], [], []
    for images in parts:
        step = max(1, min(BLOCK, BLOCK_PIXELS // max(1, images[:1, ..., 0].size)))
        for block in (images[i : i + step] for i in range(0, len(images), step)):
            digests += [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in block]
            hashes.append(difference_hash(block))
            thumbnails.append(np.rint(_cell_means(block, THUMBNAIL, THUMBNAIL)).astype(np.uint8))
            if release:
                forget(block)
    return Signatures(digests, np.concatenate(hashes), np.concatenate(thumbnails))


def difference_hash(images: UInt8[np.ndarray, "n height width channels"]) -> UInt64[np.ndarray, "n"]:
    """64 bits per picture: whether each cell's right neighbour in an 8 × 9 grid is brighter."""
    cells = _cell_means(images, 8, 9)
    bits = (np.diff(cells, axis=2) > 0).reshape(len(images), 64)
    hashes: UInt64[np.ndarray, "n"] = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return hashes


def exact_pairs(digests: list[bytes]) -> Pairs:
    """Each picture that equals an earlier one, with the first that it equals."""
    first: dict[bytes, int] = {}
    pairs = [(first[digest], i) for i, digest in enumerate(digests) if first.setdefault(digest, i) != i]
    return np.array(pairs, np.int64).reshape(-1, 2)


def near_pairs(signed: Signatures) -> Pairs:
    """Pairs that are nearly but not exactly equal, each pair once."""
    candidates = _closest(signed.hashes, _unique([_neighbours(signed.hashes, turn) for turn in (0, 16, 32, 48)]))
    alike = [_alike(signed.thumbnails, candidates[i : i + BLOCK]) for i in range(0, len(candidates), BLOCK)]
    pairs = candidates[np.concatenate(alike)] if alike else candidates
    unequal = np.array([signed.digests[a] != signed.digests[b] for a, b in pairs], bool)
    near: Pairs = pairs[unequal]
    return near


def turned_pairs(signed: Signatures, turn: Callable[[Thumbnails], Thumbnails]) -> Pairs:
    """Pairs of which the second picture, turned or mirrored, is nearly the first."""
    n, turned = len(signed.digests), turn(signed.thumbnails)
    hashes = np.concatenate([signed.hashes, difference_hash(turned[..., None])])
    pairs = _unique([_neighbours(hashes, bits) for bits in (0, 16, 32, 48)])
    pairs = _closest(hashes, pairs[(pairs[:, 0] < n) & (pairs[:, 1] >= n) & (pairs[:, 1] != pairs[:, 0] + n)])
    both = np.concatenate([signed.thumbnails, turned])
    alike = [_alike(both, pairs[i : i + BLOCK]) for i in range(0, len(pairs), BLOCK)]
    found = pairs[np.concatenate(alike)] if alike else pairs
    return np.stack([found[:, 0], found[:, 1] - n], axis=1)


def _cell_means(
    images: UInt8[np.ndarray, "n height width channels"], rows: int, columns: int
) -> Float32[np.ndarray, "n rows columns"]:
    """Mean grey level of each cell of a grid."""
    grey = images.mean(axis=3, dtype=np.float32)
    down, across = _averaging(grey.shape[1], rows), _averaging(grey.shape[2], columns)
    cells: Float32[np.ndarray, "n rows columns"] = np.matmul(np.matmul(down, grey), across.T)
    return cells


def _averaging(n: int, cells: int) -> Float32[np.ndarray, "cells n"]:
    """Matrix whose row i averages the i-th of `cells` equal parts of n pixels; a pixel on a border counts in part."""
    edges = np.linspace(0, n, cells + 1)
    pixels = np.arange(n)
    covered = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    weights: Float32[np.ndarray, "cells n"] = (np.clip(covered, 0, None) * (cells / n)).astype(np.float32)
    return weights


def _neighbours(hashes: UInt64[np.ndarray, "n"], turn: int) -> Pairs:
    """Pairs of hashes that differ in few bits, among neighbours in the order of the hashes rotated by `turn` bits."""
    turned = (hashes << np.uint64(turn)) | (hashes >> np.uint64((64 - turn) % 64))
    order = np.argsort(turned, kind="stable").astype(np.int64)
    ordered = hashes[order]
    pairs = []
    for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
        close = np.flatnonzero(np.bitwise_count(ordered[step:] ^ ordered[:-step]) <= HASH_BITS)
        pairs.append(np.stack([order[close], order[close + step]], axis=1))
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _closest(hashes: UInt64[np.ndarray, "n"], pairs: Pairs) -> Pairs:
    """The pairs whose hashes differ least, at most `MAX_CANDIDATES`."""
    if len(pairs) <= MAX_CANDIDATES:
        return pairs
    distance = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    closest: Pairs = pairs[np.sort(np.argsort(distance, kind="stable")[:MAX_CANDIDATES])]
    return closest


def _unique(parts: list[Pairs]) -> Pairs:
    return np.unique(np.sort(np.concatenate(parts), axis=1), axis=0)


def _alike(
    thumbnails: UInt8[np.ndarray, "n side side"], pairs: Int64[np.ndarray, "pairs 2"]
) -> Bool[np.ndarray, "pairs"]:
    """Whether the two thumbnails of each pair are equally bright and correlate; two uniform ones need not correlate."""
    first, second = (thumbnails[pairs[:, i]].astype(np.float32).reshape(len(pairs), -1) for i in (0, 1))
    brightness = first.mean(axis=1) - second.mean(axis=1)
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    correlated = (first * second).sum(axis=1) >= CORRELATION * norms
    uniform = norms <= thumbnails[0].size
    alike: Bool[np.ndarray, "pairs"]
    alike = (np.abs(brightness) <= np.where(uniform, 1, BRIGHTNESS)) & (correlated | uniform)
    return alike
