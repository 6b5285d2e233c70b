"""Pictures that occur twice: equal in every pixel, or to the eye.

- Exact: equal bytes. To the eye: difference hashes of 64 bits (each bit says whether a picture grows brighter from one
  cell of an 8 x 9 grid to the next) that differ in at most 3 bits, confirmed by the correlation
  of 32 x 32 grey thumbnails.
- Hashes are sorted four times, each time with another 16 bits in front: two that differ in 3 bits agree in one of the
  four whole, so they come close to each other. Only 32 neighbours are looked at, and the half million pairs whose
  hashes differ least, which bounds the time for sets of nearly equal pictures; there, some pairs are missed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8, UInt64

HASH_BITS = 3
THUMBNAIL = 32
CORRELATION = 0.99
BRIGHTNESS = 16.0  # of 255 levels
NEIGHBOURS = 32
MAX_CANDIDATES = 500_000
BLOCK = 2048

Pairs = Int64[np.ndarray, "_ 2"]


@dataclass(frozen=True, eq=False)
class Prints:
    """What is kept of each picture to find its like."""

    exact: list[bytes]
    hashes: UInt64[np.ndarray, "n"]
    thumbnails: UInt8[np.ndarray, "n side side"]


def prints(parts: Sequence[UInt8[np.ndarray, "_ height width channels"]]) -> Prints:
    """Digest, difference hash and thumbnail of every picture of some arrays, laid end to end."""
    exact = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for images in parts for image in images]
    blocks = [images[i : i + BLOCK] for images in parts for i in range(0, len(images), BLOCK)]
    hashes = [difference_hash(block) for block in blocks]
    thumbnails = [np.rint(_shrunk(block, THUMBNAIL, THUMBNAIL)).astype(np.uint8) for block in blocks]
    return Prints(exact, np.concatenate(hashes), np.concatenate(thumbnails))


def difference_hash(images: UInt8[np.ndarray, "n height width channels"]) -> UInt64[np.ndarray, "n"]:
    """64 bits a picture: where it grows brighter from left to right."""
    cells = _shrunk(images, 8, 9)
    bits = (np.diff(cells, axis=2) > 0).reshape(len(images), 64)
    hashes: UInt64[np.ndarray, "n"] = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return hashes


def exact_pairs(exact: list[bytes]) -> Pairs:
    """Each picture that equals an earlier one, with the first of its kind."""
    first: dict[bytes, int] = {}
    pairs = [(first[digest], i) for i, digest in enumerate(exact) if first.setdefault(digest, i) != i]
    return np.array(pairs, np.int64).reshape(-1, 2)


def near_pairs(found: Prints) -> Pairs:
    """Pairs that look the same but are not equal, each once, the earlier picture first."""
    candidates = _closest(found.hashes, _unique([_neighbours(found.hashes, turn) for turn in (0, 16, 32, 48)]))
    near = [_alike(found.thumbnails, candidates[i : i + BLOCK]) for i in range(0, len(candidates), BLOCK)]
    kept = candidates[np.concatenate(near)] if near else candidates
    different = np.array([found.exact[a] != found.exact[b] for a, b in kept], bool)
    near_ones: Pairs = kept[different]
    return near_ones


def _shrunk(
    images: UInt8[np.ndarray, "n height width channels"], rows: int, columns: int
) -> Float32[np.ndarray, "n rows columns"]:
    """Grey means over a grid of cells."""
    grey = images.mean(axis=3, dtype=np.float32)
    down, across = _averaging(grey.shape[1], rows), _averaging(grey.shape[2], columns)
    cells: Float32[np.ndarray, "n rows columns"] = np.matmul(np.matmul(down, grey), across.T)
    return cells


def _averaging(n: int, cells: int) -> Float32[np.ndarray, "cells n"]:
    """Row i averages the i-th of equal parts of n pixels; a pixel on a border counts in part."""
    edges = np.linspace(0, n, cells + 1)
    pixels = np.arange(n)
    covered = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    weights: Float32[np.ndarray, "cells n"] = (np.clip(covered, 0, None) * (cells / n)).astype(np.float32)
    return weights


def _neighbours(hashes: UInt64[np.ndarray, "n"], turn: int) -> Pairs:
    """Pairs of hashes that are close, among neighbours in the order of the hashes turned by some bits."""
    turned = (hashes << np.uint64(turn)) | (hashes >> np.uint64((64 - turn) % 64))
    order = np.argsort(turned, kind="stable").astype(np.int64)
    ordered = hashes[order]
    pairs = []
    for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
        close = np.flatnonzero(np.bitwise_count(ordered[step:] ^ ordered[:-step]) <= HASH_BITS)
        pairs.append(np.stack([order[close], order[close + step]], axis=1))
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _closest(hashes: UInt64[np.ndarray, "n"], pairs: Pairs) -> Pairs:
    """The pairs worth a closer look, when there are too many for all of them."""
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
    """Whether the two thumbnails of each pair are as bright and correlate; two flat ones need not."""
    first, second = (thumbnails[pairs[:, i]].astype(np.float32).reshape(len(pairs), -1) for i in (0, 1))
    brightness = first.mean(axis=1) - second.mean(axis=1)
    first -= first.mean(axis=1, keepdims=True)
    second -= second.mean(axis=1, keepdims=True)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    correlated = (first * second).sum(axis=1) >= CORRELATION * norms
    flat = norms <= thumbnails[0].size
    alike: Bool[np.ndarray, "pairs"]
    alike = (np.abs(brightness) <= np.where(flat, 1, BRIGHTNESS)) & (correlated | flat)
    return alike
