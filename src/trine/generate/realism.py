"""How close generated pictures come to real ones in a feature space.

- A feature space maps pictures to features: EfficientNet-Lite0 with ImageNet weights (`lite0`), or a classifier of the
  same pictures, whose features the caller provides.
- Fréchet distance of the features, each set taken as a normal distribution (Heusel et al., 2017). The inception network
  of the FID is not used here, so published FID values do not compare.
- Density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020). A ball
  around each real picture reaches to its k-th nearest real neighbour. Density: number of balls that contain a generated
  picture, divided by k; 1 for real pictures, more for pictures that are too typical. Coverage: share of the balls that
  contain a generated picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.nn.efficientnet import CHUNK, DEVIATION, MEAN, NATIVE, architecture, fused, load_weights, pooled

Pictures = UInt8[np.ndarray, "_ height width channels"]
BLURRED = 1 / 16
"""Standard deviation of the blur of the `blurred` reference, as a share of a picture's side."""
Features = Callable[[UInt8[np.ndarray, "n height width channels"]], Float[Tensor, "n features"]]
LITE0_SIDE = 64
"""Side to which smaller pictures are enlarged, in pixels: twice as fast as 96, and blur and noise show as well."""
NEAREST = 5
"""k of density and coverage."""
BLOCK = 1000
"""Rows of a distance matrix that are computed together."""


def lite0(size: int) -> Features:
    """Features of EfficientNet-Lite0 for pictures `size` pixels wide, in float32.

    Raises `UsageError` when the extra `pretrained` is missing.
    """
    side = min(NATIVE, max(LITE0_SIDE, size))
    network = architecture(side)
    load_weights(network)
    network = fused(network)

    @torch.inference_mode()
    def features(images: UInt8[np.ndarray, "n height width channels"]) -> Float[Tensor, "n features"]:
        parts = []
        for start in range(0, len(images), 4 * CHUNK):
            batch = torch.from_numpy(np.array(images[start : start + 4 * CHUNK]))
            pixels = ((batch.float() - MEAN) / DEVIATION).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
            parts.append(pooled(network, pixels, side))
        return torch.cat(parts)

    return features


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features."""

    mean: Float[Tensor, "features"]
    covariance: Float[Tensor, "features features"]

    @classmethod
    def of(cls, features: Float[Tensor, "n features"]) -> "Gaussian":
        """The normal distribution with the features' moments; needs at least two pictures."""
        values = features.double()
        return cls(values.mean(0), torch.cov(values.T))

    def distance(self, other: "Gaussian") -> float:
        """Squared 2-Wasserstein distance: |m − m'|² + tr(C + C' − 2 (C C')^½)."""
        shift = (self.mean - other.mean).square().sum()
        root = _root(self.covariance)
        shared = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp_min(0).sqrt().sum()
        return max(0.0, float(shift + self.covariance.trace() + other.covariance.trace() - 2 * shared))


class Manifold:
    """Real features, each with the radius of its ball."""

    def __init__(self, real: Float[Tensor, "n features"], nearest: int = NEAREST) -> None:
        self.nearest = min(nearest, len(real) - 1)
        self.centre = real.mean(0)
        self.real = real - self.centre
        kth = [rows.kthvalue(self.nearest + 1).values for rows in _distances(self.real, self.real)]
        self.radii = torch.cat(kth)

    def density_and_coverage(self, generated: Float[Tensor, "m features"]) -> tuple[float, float]:
        """Density and coverage of generated features."""
        inside, covered, start = 0, 0, 0
        for rows in _distances(self.real, generated - self.centre):
            within = rows < self.radii[start : start + len(rows), None]
            inside, covered, start = inside + int(within.sum()), covered + int(within.any(1).sum()), start + len(rows)
        return inside / (self.nearest * len(generated)), covered / len(self.real)


@dataclass(frozen=True)
class Realism:
    """Fréchet distance, density and coverage of a set of pictures."""

    frechet: float
    density: float
    coverage: float


class RealPictures:
    """Real pictures in a feature space, with which other pictures are compared."""

    def __init__(self, features: Features, real: Pictures) -> None:
        self.features, self.real = features, real
        values = features(real)
        self.gaussian, self.manifold = Gaussian.of(values), Manifold(values)

    def compare(self, pictures: Pictures) -> Realism:
        """Distance, density and coverage of other pictures."""
        values = self.features(pictures)
        density, coverage = self.manifold.density_and_coverage(values)
        return Realism(self.gaussian.distance(Gaussian.of(values)), density, coverage)

    def references(self, train: Pictures | None, most: int = 2000) -> dict[str, Realism]:
        """Values to compare with: real training pictures (best case), blurred real ones and noise (bad cases)."""
        some = self.real[:most]
        noise = np.random.default_rng(0).integers(0, 256, some.shape, dtype=np.uint8)
        kinds = {"blurred": blurred(some), "noise": noise} | ({} if train is None else {"train": train})
        return {kind: self.compare(images) for kind, images in kinds.items()}


def realism_metrics(space: str, real: RealPictures, generated: Pictures, train: Pictures | None) -> dict[str, Any]:
    """The figures of a result; density and coverage are those in this space."""
    realism = real.compare(generated)
    return {
        f"frechet_{space}": realism.frechet,
        "density": realism.density,
        "coverage": realism.coverage,
        "density_and_coverage_in": space,
        f"beside_{space}": {kind: asdict(figures) for kind, figures in real.references(train).items()},
    }


def blurred(images: Pictures) -> Pictures:
    """The pictures through a Gaussian filter."""
    from PIL import Image, ImageFilter

    filtered = ImageFilter.GaussianBlur(BLURRED * images.shape[1])
    flat = images[..., 0] if images.shape[-1] == 1 else images
    return np.stack([np.asarray(Image.fromarray(image).filter(filtered)) for image in flat]).reshape(images.shape)


def _distances(
    rows: Float[Tensor, "n features"], columns: Float[Tensor, "m features"]
) -> Iterator[Float[Tensor, "block m"]]:
    """Euclidean distances, block by block; both sets are centred, where float32 loses least."""
    for start in range(0, len(rows), BLOCK):
        yield torch.cdist(rows[start : start + BLOCK], columns)


def _root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
