"""Whether generated pictures are copies of training pictures.

- A picture's ratio is its distance to the nearest training picture divided by its distance to the nearest held-out
  picture. The model has not seen held-out pictures, so their own ratios show what is normal. Blur, and a training set
  larger than the held-out set, change both kinds of ratios alike.
- A generated picture counts as copied when its ratio is below that of 99 % of real held-out pictures.
- The check includes a control: generated pictures of which one in ten is replaced by a training picture with a little
  noise. The check must call the control memorised.

Distances are between pixels: copies that are shifted, rotated or recoloured are not recognised. Mirrored copies are
recognised with `mirrored`.
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
"""Share of real held-out pictures that count as copied: it defines the threshold."""
ALARM = 0.03
"""Share of copied pictures from which a model counts as memorising."""
CONTROL_SHARE = 0.1
"""Share of the control's pictures that are copies of training pictures."""
CONTROL_NOISE = 8.0
"""Standard deviation of the noise on the control's copies, in grey levels."""
BLOCK = 500
"""Pictures whose distances to all others are computed together."""


@dataclass(frozen=True)
class Nearest:
    """The nearest picture of a set to each of n pictures."""

    distance: Float[Tensor, "n"]
    """Euclidean distance of grey levels on a scale from 0 to 1."""
    index: Int64[Tensor, "n"]
    """Index of the nearest picture in the set."""


@dataclass(frozen=True)
class Memorisation:
    """Result of the check for n generated pictures."""

    ratio: Float[Tensor, "n"]
    """Ratios of the generated pictures."""
    real_ratio: Float[Tensor, "m"]
    """Ratios of held-out pictures, compared with the other held-out pictures."""
    control_ratio: Float[Tensor, "n"]
    """Ratios of the control's pictures."""
    threshold: float
    """Ratio below which a picture counts as copied."""
    train: Nearest
    """Nearest training picture of each generated picture."""
    held_out: Nearest
    """Nearest held-out picture of each generated picture, as an index into `compared`."""
    compared: Int64[np.ndarray, "held"]
    """Indices of the held-out pictures that generated pictures are compared with."""

    def metrics(self) -> dict[str, Any]:
        """Figures of a result."""
        copied, control = (self._copied(ratio) for ratio in (self.ratio, self.control_ratio))
        return {
            "nearest_ratio": float(self.ratio.median()),
            "nearest_ratio_of_real": float(self.real_ratio.median()),
            "copied": copied,
            "copied_expected": EXPECTED,
            "memorised": copied >= ALARM,
            "copying_control": {"copies": CONTROL_SHARE, "copied": control, "caught": control >= ALARM},
        }

    def most_suspicious(self, count: int = 10) -> Int64[Tensor, "count"]:
        """Indices of the generated pictures with the smallest ratios."""
        return self.ratio.argsort()[:count]

    def _copied(self, ratio: Tensor) -> float:
        """Share of ratios below the threshold."""
        return float((ratio < self.threshold).double().mean())


def check_memorisation(
    generated: Pictures, train: Pictures, held_out: Pictures, mirrored: bool = False
) -> Memorisation:
    """Compare generated pictures with all training pictures and with held-out ones, of which two are needed.

    Half of the held-out pictures, but no more than there are generated ones, are the examples of real pictures.

    mirrored   also recognise mirrored copies
    """
    order = np.random.default_rng(0).permutation(len(held_out))
    real, compared = np.split(order, [min(len(generated), len(held_out) // 2)])
    searches = nearest_of(train, mirrored), nearest_of(held_out[compared], mirrored)

    def ratios(images: Pictures) -> tuple[Tensor, Nearest, Nearest]:
        in_train, in_held_out = (search(images) for search in searches)
        return in_train.distance / in_held_out.distance.clamp_min(1e-6), in_train, in_held_out

    ratio, in_train, in_held_out = ratios(generated)
    real_ratio, _, _ = ratios(held_out[real])
    copies = _noisy(train[np.linspace(0, len(train) - 1, max(1, round(CONTROL_SHARE * len(generated)))).astype(int)])
    control = torch.cat([ratios(copies)[0], ratio[len(copies) :]])
    threshold = float(real_ratio.quantile(EXPECTED))
    return Memorisation(ratio, real_ratio, control, threshold, in_train, in_held_out, compared)


def nearest_of(pictures: Pictures, mirrored: bool = False) -> Callable[[Pictures], Nearest]:
    """A search for the nearest of `pictures`, or of them and their mirror images."""
    known = _flat(pictures)
    centre = known.mean(0)
    known -= centre

    def search(images: Pictures) -> Nearest:
        nearest = _search(_flat(images) - centre, known)
        if not mirrored:
            return nearest
        flipped = _search(_flat(images[:, :, ::-1]) - centre, known)
        nearer = flipped.distance < nearest.distance
        return Nearest(
            torch.where(nearer, flipped.distance, nearest.distance), torch.where(nearer, flipped.index, nearest.index)
        )

    return search


def _search(images: Float[Tensor, "n pixels"], known: Float[Tensor, "m pixels"]) -> Nearest:
    indices = torch.cat([torch.cdist(rows, known).argmin(1) for rows in torch.split(images, BLOCK)])
    return Nearest((images - known[indices]).norm(dim=1), indices)  # computed again: cdist rounds small distances


def _flat(images: Pictures) -> Float[Tensor, "n pixels"]:
    return torch.from_numpy(np.array(images)).flatten(1).float() / 255


def _noisy(images: Pictures) -> Pictures:
    noise = np.random.default_rng(0).normal(0, CONTROL_NOISE, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)
