"""Pictures that are certainly of no class: noise, flat colours, checkerboards, stripes, shuffled pieces of pictures."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

EACH = 8
"""Pictures of each kind."""
PIECES = 32
"""Pictures whose pieces are shuffled."""
Pictures = UInt8[np.ndarray, "_ _ _ _"]


def outliers(images: Pictures, each: int = EACH, seed: int = 0) -> Pictures:
    """`each` pictures of every kind, of the shape of `images`, whose pieces are used for the shuffled ones."""
    rng, (side, _, channels) = np.random.default_rng(seed), images.shape[1:]
    made = [make(rng, each, side, channels) for make in KINDS]
    return np.concatenate([*made, _shuffled(rng, images[rng.integers(0, len(images), each)])])


def _noise(rng: np.random.Generator, count: int, side: int, channels: int) -> Pictures:
    return rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def _coarse_noise(rng: np.random.Generator, count: int, side: int, channels: int) -> Pictures:
    """Noise in squares of an eighth of the side."""
    return _enlarged(rng.integers(0, 256, (count, 8, 8, channels), dtype=np.uint8), side)


def _flat(rng: np.random.Generator, count: int, side: int, channels: int) -> Pictures:
    return _enlarged(rng.integers(0, 256, (count, 1, 1, channels), dtype=np.uint8), side)


def _checkerboards(rng: np.random.Generator, count: int, side: int, channels: int) -> Pictures:
    """Two colours in squares of 1 to a quarter of the side."""
    return _two_colours(rng, count, side, channels, lambda row, column: (row + column) % 2)


def _stripes(rng: np.random.Generator, count: int, side: int, channels: int) -> Pictures:
    return _two_colours(rng, count, side, channels, lambda row, column: (row + 0 * column) % 2)


def _two_colours(
    rng: np.random.Generator,
    count: int,
    side: int,
    channels: int,
    which: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Pictures:
    """Pictures of two colours; `which` of them, 0 or 1, by row and column in cells."""
    made = []
    for cell in rng.integers(1, max(2, side // 4), count):
        row, column = np.mgrid[:side, :side] // cell
        colours = rng.integers(0, 256, (2, channels), dtype=np.uint8)
        made.append(colours[which(row, column)])
    return np.stack(made)


def _shuffled(rng: np.random.Generator, images: Pictures) -> Pictures:
    """Pictures whose pieces of a quarter of the side lie in another order."""
    count, piece = len(images), images.shape[1] // 4
    whole = images[:, : 4 * piece, : 4 * piece]
    pieces = whole.reshape(count, 4, piece, 4, piece, -1).swapaxes(2, 3).reshape(count, 16, piece, piece, -1)
    mixed = np.stack([each[rng.permutation(16)] for each in pieces])
    whole = mixed.reshape(count, 4, 4, piece, piece, -1).swapaxes(2, 3).reshape(count, 4 * piece, 4 * piece, -1)
    return _enlarged(whole, images.shape[1])


def _enlarged(small: Pictures, side: int) -> Pictures:
    """Pictures of this side, by the nearest pixel."""
    at = np.arange(side) * small.shape[1] // side
    return small[:, at][:, :, at]


KINDS = (_noise, _coarse_noise, _flat, _checkerboards, _stripes)
