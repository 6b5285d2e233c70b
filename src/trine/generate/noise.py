"""Random numbers of a seed, the same with torch and without it.

They are those that torch's generator gives on a processor, up to the last digit: models made with earlier versions keep
the pictures of their seeds. It is the Mersenne Twister, and the Box-Muller transform of its numbers.
"""

from collections.abc import Sequence
from math import cos, log1p, pi, prod, sin, sqrt

import numpy as np

from trine.annotations import Float32, UInt64
from trine.errors import UsageError

BLOCK = 64
"""Number of pictures whose noise is drawn together. A seed's pictures depend on it; they do not depend on how many are
sampled."""
AT_ONCE = 16
"""Number of normal numbers that are made together; of fewer, each is made alone, in double precision."""


def blocks_of(first: int, last: int) -> range:
    """The blocks that pictures `first` to `last` are made in. Raises `UsageError` where the first block is cut."""
    if first % BLOCK or not 0 <= first < last:
        raise UsageError(f"first={first}: give a multiple of {BLOCK} below {last}")
    return range(first // BLOCK, -(-last // BLOCK))


class Draws:
    """A stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.MT19937()
        self._bits.state = np.random.RandomState(seed % 2**32).get_state(legacy=False)  # type: ignore[assignment]
        self._second: float | None = None

    def uniform(self, *shape: int) -> Float32[np.ndarray, "..."]:
        """Numbers from 0 to 1, in steps of 2⁻²⁴."""
        low = self._raw(prod(shape)) & np.uint64(2**24 - 1)
        return (low.astype(np.float32) * np.float32(2**-24)).reshape(shape)

    def normal(self, *shape: int) -> Float32[np.ndarray, "..."]:
        """N(0, 1) numbers."""
        count = prod(shape)
        if count < AT_ONCE:
            return np.array([self._one_normal() for _ in range(count)], np.float32).reshape(shape)
        whole = count - count % AT_ONCE
        values = self.uniform(count)
        values[:whole] = _box_muller(values[:whole])
        if whole < count:
            values[-AT_ONCE:] = _box_muller(self.uniform(AT_ONCE))
        return values.reshape(shape)

    def integer(self, below: int) -> int:
        """A whole number from 0 to `below`, which is more than 2³²."""
        return self._whole() % below

    def _raw(self, count: int) -> UInt64[np.ndarray, "count"]:
        """Numbers of 32 bits."""
        return np.asarray(self._bits.random_raw(count), np.uint64)

    def _whole(self) -> int:
        high, low = self._raw(2).tolist()
        return int(high << 32 | low)

    def _one_normal(self) -> float:
        if (kept := self._second) is not None:
            self._second = None
            return kept
        angle, share = (2.0**-53 * (self._whole() % 2**53) for _ in range(2))
        radius = sqrt(-2 * log1p(-share))
        self._second = radius * sin(2 * pi * angle)
        return radius * cos(2 * pi * angle)


def block_noise(
    shapes: Sequence[tuple[int, ...]], seed: int, block: int
) -> tuple[list[Float32[np.ndarray, "..."]], Float32[np.ndarray, "block"], int]:
    """The noise of one block of pictures: N(0, I) per group, a uniform number per picture, and a seed for the pixels.

    shapes   shape of each group's latent, top group first
    """
    draws = Draws(seed * 1_000_003 + block)
    groups = [draws.normal(BLOCK, *shape) for shape in shapes]
    return groups, draws.uniform(BLOCK), draws.integer(2**62)


def encoding_noise(draws: Draws, shapes: Sequence[tuple[int, ...]], count: int) -> list[Float32[np.ndarray, "..."]]:
    """The noise of each group when `count` pictures are encoded; of latent maps, the channels are drawn last."""
    return [np.moveaxis(draws.normal(count, *shape[1:], shape[0]), -1, 1) for shape in shapes]


def _box_muller(uniform: Float32[np.ndarray, "numbers"]) -> Float32[np.ndarray, "numbers"]:
    """Normal numbers of uniform ones; the two of a pair are eight places apart."""
    pairs = uniform.reshape(-1, 2, AT_ONCE // 2)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - pairs[:, 0]))
    angle = np.float32(2 * pi) * pairs[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
