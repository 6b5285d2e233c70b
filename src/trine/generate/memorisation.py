"""Whether generated pictures are copies of training pictures.

- A picture's ratio: its distance to the nearest training picture over that to the nearest held-out one. Held-out
  pictures of which the model knows nothing show what ratio is normal, so blur, and more training than held-out
  pictures, explain themselves.
- Copied is a picture whose ratio only one real picture in a hundred goes below.
- A control must be caught: the generated pictures with one in ten replaced by a training picture under a little noise.

Distances are of pixels: a copy that was moved, turned or recoloured is not found (a mirrored one is, if asked for).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

Pictures = UInt8[np.ndarray, "_ height width channels"]
EXPECTED = 0.01
"""Share of pictures that count as copied when nothing was copied."""
ALARM = 0.03
"""Share of copied pictures from which a model counts as memorising."""
CONTROL, NOISE = 0.1, 8.0
"""Share of copies in the control, and the deviation of their noise in grey levels."""
BLOCK = 500


@dataclass(frozen=True)
class Nearest:
    """The nearest picture to each of many."""

    distance: Float[Tensor, "n"]
    index: Int64[Tensor, "n"]


@dataclass(frozen=True)
class Memorisation:
    """The check's finding."""

    ratio: Float[Tensor, "n"]
    real_ratio: Float[Tensor, "m"]
    control_ratio: Float[Tensor, "n"]
    threshold: float
    train: Nearest
    held_out: Nearest
    compared: Int64[np.ndarray, "held"]
    """Places of the held-out pictures that `held_out` counts."""

    def metrics(self) -> dict[str, Any]:
        """The figures of a result."""
        copied, control = (self._below(ratio) for ratio in (self.ratio, self.control_ratio))
        return {
            "nearest_ratio": float(self.ratio.median()),
            "nearest_ratio_of_real": float(self.real_ratio.median()),
            "copied": copied,
            "copied_expected": EXPECTED,
            "memorised": copied >= ALARM,
            "copying_control": {"copies": CONTROL, "copied": control, "caught": control >= ALARM},
        }

    def most_suspicious(self, count: int = 10) -> Int64[Tensor, "count"]:
        """Places of the generated pictures with the smallest ratios."""
        return self.ratio.argsort()[:count]

    def _below(self, ratio: Tensor) -> float:
        return float((ratio < self.threshold).double().mean())


def check_memorisation(made: Pictures, train: Pictures, held_out: Pictures, mirrored: bool = False) -> Memorisation:
    """Compare generated pictures with all training pictures and with held-out ones.

    Half of the held-out pictures, at most as many as were made, stand for pictures that are no copies.
    """
    order = np.random.default_rng(0).permutation(len(held_out))
    unseen, rest = np.split(order, [min(len(made), len(held_out) // 2)])
    among = nearest_of(train, mirrored), nearest_of(held_out[rest], mirrored)

    def ratios(images: Pictures) -> tuple[Tensor, Nearest, Nearest]:
        inside, outside = (nearest(images) for nearest in among)
        return inside.distance / outside.distance.clamp_min(1e-6), inside, outside

    ratio, inside, outside = ratios(made)
    real_ratio, _, _ = ratios(held_out[unseen])
    copies = _noisy(train[np.linspace(0, len(train) - 1, max(1, round(CONTROL * len(made)))).astype(int)])
    control = torch.cat([ratios(copies)[0], ratio[len(copies) :]])
    return Memorisation(ratio, real_ratio, control, float(real_ratio.quantile(EXPECTED)), inside, outside, rest)


def nearest_of(among: Pictures, mirrored: bool = False) -> Callable[[Pictures], Nearest]:
    """A search for the nearest of these pictures, by Euclidean distance of grey levels from 0 to 1."""
    known = _flat(among)
    centre = known.mean(0)
    known -= centre

    def search(images: Pictures) -> Nearest:
        found = _search(_flat(images) - centre, known)
        if not mirrored:
            return found
        other = _search(_flat(images[:, :, ::-1]) - centre, known)
        nearer = other.distance < found.distance
        return Nearest(
            torch.where(nearer, other.distance, found.distance), torch.where(nearer, other.index, found.index)
        )

    return search


def _search(images: Float[Tensor, "n pixels"], known: Float[Tensor, "m pixels"]) -> Nearest:
    places = torch.cat([torch.cdist(rows, known).argmin(1) for rows in torch.split(images, BLOCK)])
    return Nearest((images - known[places]).norm(dim=1), places)  # again, without cdist's rounding


def _flat(images: Pictures) -> Float[Tensor, "n pixels"]:
    return torch.from_numpy(np.array(images)).flatten(1).float() / 255


def _noisy(images: Pictures) -> Pictures:
    noise = np.random.default_rng(0).normal(0, NOISE, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)
