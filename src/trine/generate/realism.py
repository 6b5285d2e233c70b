"""How near generated pictures come to real ones in a feature space, and how near is near."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.generate.features import Features
from trine.generate.frechet import Gaussian
from trine.generate.manifold import Manifold

Pictures = UInt8[np.ndarray, "_ height width channels"]
BLURRED = 1 / 16
"""Deviation of the ceiling's blur, as a share of a picture's side."""


@dataclass(frozen=True)
class Realism:
    """What one set of pictures is worth."""

    frechet: float
    density: float
    coverage: float


class Judge:
    """Compares sets of pictures with real ones in one feature space."""

    def __init__(self, features: Features, real: Pictures) -> None:
        self.features, self.real = features, real
        found = features(real)
        self.gaussian, self.manifold = Gaussian.of(found), Manifold(found)

    def __call__(self, made: Pictures) -> Realism:
        """Distance, density and coverage of pictures."""
        found = self.features(made)
        density, coverage = self.manifold.density_and_coverage(found)
        return Realism(self.gaussian.distance(Gaussian.of(found)), density, coverage)

    def beside(self, train: Pictures | None, most: int = 2000) -> dict[str, Realism]:
        """The floor, real pictures that were trained on, and the ceilings, real ones blurred and plain noise."""
        some = self.real[:most]
        noise = np.random.default_rng(0).integers(0, 256, some.shape, dtype=np.uint8)
        kinds = {"blurred": blurred(some), "noise": noise} | ({} if train is None else {"train": train})
        return {kind: self(images) for kind, images in kinds.items()}


def measure(space: str, judge: Judge, made: Pictures, train: Pictures | None) -> dict[str, Any]:
    """The figures of a result; density and coverage are those in this space."""
    found = judge(made)
    return {
        f"frechet_{space}": found.frechet,
        "density": found.density,
        "coverage": found.coverage,
        "density_and_coverage_in": space,
        f"beside_{space}": {kind: asdict(figures) for kind, figures in judge.beside(train).items()},
    }


def blurred(images: Pictures) -> Pictures:
    """The pictures through a Gaussian filter."""
    from PIL import Image, ImageFilter

    filtered = ImageFilter.GaussianBlur(BLURRED * images.shape[1])
    flat = images[..., 0] if images.shape[-1] == 1 else images
    found = np.stack([np.asarray(Image.fromarray(image).filter(filtered)) for image in flat])
    return found.reshape(images.shape)
