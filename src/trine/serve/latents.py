"""A generator in arrays, whichever of onnxruntime and torch computes: encode, decode, sample, interpolate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trine.pictures.reading import Reading
from trine.runtime.generator import Posteriors
from trine.serve.models import Loaded


@dataclass(frozen=True, eq=False)
class Latents:
    """What a generator's graphs and its network have in common."""

    model: Any
    with_torch: bool
    shapes: tuple[tuple[int, ...], ...]
    """Shape of each group's latent, top group first."""
    size: tuple[int, int]
    """Height and width of its pictures, in pixels."""
    channels: int
    classes: tuple[str, ...]
    reading: Reading

    def encode(self, images: np.ndarray, label: str | None = None) -> Posteriors:
        """Mean and variance of pictures at the model's size, and a sample; of one class, or of unknown ones."""
        found = self.model.encode(images, label=label)
        if not self.with_torch:
            return found  # type: ignore[no-any-return]
        moments = ([values.numpy() for values in getattr(found, name)] for name in ("mean", "variance", "sample"))
        return Posteriors(*moments)

    def decode(self, values: Sequence[np.ndarray], label: str | None) -> np.ndarray:
        """The expected pictures of latents, top group first."""
        given = [np.ascontiguousarray(each, np.float32) for each in values]
        if self.with_torch:
            import torch

            return np.asarray(self.model.decode([torch.from_numpy(each.copy()) for each in given], label))
        return np.asarray(self.model.decode(given, label))

    def kl(self, posterior: Posteriors) -> list[float]:
        """KL divergence of each picture's latent vector from the prior N(0, I), in nats."""
        mean, variance = posterior.mean[0].astype(np.float64), posterior.variance[0].astype(np.float64)
        per_unit = 0.5 * (mean**2 + variance - 1 - np.log(variance))
        return per_unit.reshape(len(mean), -1).sum(1).tolist()  # type: ignore[no-any-return]


def latents_of(loaded: Loaded) -> Latents:
    """A loaded generator in arrays."""
    model, with_torch = loaded.model, loaded.engine == "torch"
    shapes = model.network.vae.shapes if with_torch else model.shapes
    reading = Reading.from_json(loaded.manifest.content.get("reading"))
    return Latents(
        model, with_torch, tuple(map(tuple, shapes)), model.size, model.channels, tuple(model.classes), reading
    )
