"""How similar generated pictures are to real ones in a feature space.

- A feature space maps pictures to features: EfficientNet-Lite0 with ImageNet weights (`lite0`), or a classifier of the
  same pictures, whose features the caller provides.
- Fréchet distance of the features: each set is described by a normal distribution (Heusel et al., 2017). The FID uses
  another network (Inception), so its published values cannot be compared with these.
- Density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020). Each real
  picture has a ball whose radius is the distance to its k-th nearest real neighbour. Density is the mean number of
  balls that contain a generated picture, divided by k: 1 for real pictures, more for pictures that are too typical.
  Coverage is the share of balls that contain at least one generated picture.
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
Features = Callable[[UInt8[np.ndarray, "n height width channels"]], Float[Tensor, "n features"]]
BLUR = 1 / 16
"""Standard deviation of the blur of the `blurred` reference, as a share of a picture's side."""
REFERENCES = 2000
"""Largest number of real pictures that are blurred, and of pictures of noise, for the references."""
LITE0_SIDE = 64
"""Side to which smaller pictures are enlarged, in pixels. Features take half as long as with 96, and the distances of
blurred pictures and of noise are as clear."""
NEAREST = 5
"""k of density and coverage."""
BLOCK = 1000
"""Number of rows of a distance matrix that are computed together."""


def lite0(size: int) -> Features:
    """Features of EfficientNet-Lite0, in single precision, for pictures of which `size` is the longer side, in pixels.

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
    """Mean and covariance of features: a normal distribution."""

    mean: Float[Tensor, "features"]
    covariance: Float[Tensor, "features features"]

    @classmethod
    def of(cls, features: Float[Tensor, "n features"]) -> "Gaussian":
        """The normal distribution with the mean and covariance of the features of at least two pictures."""
        values = features.double()
        return cls(values.mean(0), torch.cov(values.T))

    def distance(self, other: "Gaussian") -> float:
        """Squared 2-Wasserstein distance: |m − m'|² + tr(C + C' − 2 (C C')^½)."""
        shift = (self.mean - other.mean).square().sum()
        root = _root(self.covariance)
        shared = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp_min(0).sqrt().sum()
        return max(0.0, float(shift + self.covariance.trace() + other.covariance.trace() - 2 * shared))


class Manifold:
    """Features of real pictures, each with the radius of its ball."""

    def __init__(self, real: Float[Tensor, "n features"], nearest: int = NEAREST) -> None:
        self.nearest = min(nearest, len(real) - 1)
        self.centre = real.mean(0)
        self.real = real - self.centre
        kth = [rows.kthvalue(self.nearest + 1).values for rows in _distances(self.real, self.real)]
        self.radii = torch.cat(kth)

    def density_and_coverage(self, generated: Float[Tensor, "m features"]) -> tuple[float, float]:
        """Density and coverage of the features of generated pictures."""
        contained, covered = 0, 0
        for distances, radii in zip(
            _distances(self.real, generated - self.centre), torch.split(self.radii, BLOCK), strict=True
        ):
            inside = distances < radii[:, None]
            contained, covered = contained + int(inside.sum()), covered + int(inside.any(1).sum())
        return contained / (self.nearest * len(generated)), covered / len(self.real)


@dataclass(frozen=True)
class Realism:
    """Fréchet distance, density and coverage of a set of pictures."""

    frechet: float
    density: float
    coverage: float


class RealPictures:
    """Real pictures in a feature space. Other pictures are compared with them."""

    def __init__(self, features: Features, real: Pictures) -> None:
        self.features, self.real = features, real
        values = features(real)
        self.gaussian, self.manifold = Gaussian.of(values), Manifold(values)

    def compare(self, pictures: Pictures) -> Realism:
        """Fréchet distance, density and coverage of other pictures."""
        values = self.features(pictures)
        density, coverage = self.manifold.density_and_coverage(values)
        return Realism(self.gaussian.distance(Gaussian.of(values)), density, coverage)

    def references(self, train: Pictures | None) -> dict[str, Realism]:
        """What good and bad pictures reach: real training pictures, blurred real ones, noise."""
        real = self.real[:REFERENCES]
        noise = np.random.default_rng(0).integers(0, 256, real.shape, dtype=np.uint8)
        kinds = {"blurred": blurred(real), "noise": noise} | ({} if train is None else {"train": train})
        return {kind: self.compare(images) for kind, images in kinds.items()}


def realism_metrics(space: str, real: RealPictures, generated: Pictures, train: Pictures | None) -> dict[str, Any]:
    """Figures of a result; density and coverage are those of this space."""
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

    filtered = ImageFilter.GaussianBlur(BLUR * images.shape[1])
    flat = images[..., 0] if images.shape[-1] == 1 else images
    return np.stack([np.asarray(Image.fromarray(image).filter(filtered)) for image in flat]).reshape(images.shape)


def _distances(
    rows: Float[Tensor, "n features"], columns: Float[Tensor, "m features"]
) -> Iterator[Float[Tensor, "block m"]]:
    """Euclidean distances, block by block. Both sets are centred: single precision then loses the fewest digits."""
    for start in range(0, len(rows), BLOCK):
        yield torch.cdist(rows[start : start + BLOCK], columns)


def _root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
