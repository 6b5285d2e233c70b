"""A generator at work without torch: new pictures from noise, pictures to latents, latents to pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trine.annotations import Float, UInt8
from trine.errors import DataError, UsageError
from trine.generate.arguments import check_sample, label_index, size_of
from trine.generate.directions import KEPT_AS, Directions
from trine.generate.noise import BLOCK, Draws, block_noise, blocks_of, encoding_noise
from trine.pictures.decode import CHANNEL_COUNTS, as_channels
from trine.runtime.exported import ExportedBundle

ENCODED = 256
"""Number of pictures whose noise is drawn together when they are encoded, as with torch."""
Latents = list[Float[np.ndarray, "n ..."]]


@dataclass(frozen=True)
class Posteriors:
    """Posteriors of pictures in the latent space: one array per group, top group first."""

    mean: Latents
    variance: Latents
    sample: Latents


class ExportedGenerator:
    """`sample`, `encode` and `decode` answer as those of `trine.Generator`, with arrays in place of tensors."""

    def __init__(self, exported: ExportedBundle) -> None:
        content = exported.content
        self.classes, self.channels = tuple(content["classes"]), content["channels"]
        """Labels that pictures can be sampled for; 1 for grey, 3 for colour, 4 for colour and opacity."""
        self.size = size_of(content["size"])
        """Height and width of the pictures, in pixels."""
        arrays = exported.arrays("information", KEPT_AS)
        self.information = arrays["information"]
        """Mean KL divergence of each number of the latent vector, in nats: its information about a picture."""
        self.directions = Directions.of(arrays)
        """Directions of the latent space in which the training's pictures differ most."""
        self.shapes = exported.shapes("encoder", "mean")
        """Shape of each group's latent: the vector, then maps, coarsest first."""
        self._encoder, self._decoder, self._prior = map(exported.graph, ("encoder", "decoder", "prior"))

    def sample(
        self, n: int, *, label: str | None = None, temperature: float = 1.0, seed: int = 0
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """New pictures of the recipe's prior; the same seed gives the same pictures, whatever their number.

        label         a class, for a model trained with labels; without, of any class
        temperature   scale of the latents' noise: 0 gives the most typical picture, 1 the learned distribution
        Returns uint8 levels of shape (n, height, width, channels). Raises `UsageError`.
        """
        return np.concatenate(list(self.sample_stream(n, label=label, temperature=temperature, seed=seed)))

    def sample_stream(
        self, n: int, *, label: str | None = None, temperature: float = 1.0, seed: int = 0, first: int = 0
    ) -> Iterator[UInt8[np.ndarray, "batch height width channels"]]:
        """`sample` in blocks: memory does not grow with the number of pictures. Raises `UsageError` at the call.

        first   pictures that are left out at the beginning, whole blocks of 64: another process makes them
        """
        check_sample(n, temperature, seed)
        index = label_index(label, self.classes)

        def pictures(block: int) -> UInt8[np.ndarray, "batch height width channels"]:
            count = min(BLOCK, n - block * BLOCK)
            drawn, chance, _ = block_noise(self.shapes, seed, block)
            groups = [np.float32(temperature) * values[:count] for values in drawn]
            inputs = {"noise": groups[0], "chance": chance[:count], "labels": self._labels(index, count)}
            latents = self._prior.run(**{name: inputs[name] for name in self._prior.inputs})["latent.0"]
            return self._decoded([latents, *groups[1:]], 1, index)

        return map(pictures, blocks_of(first, n))

    def encode(
        self, images: UInt8[np.ndarray, "n height width channels"], seed: int = 0, label: str | None = None
    ) -> Posteriors:
        """Posteriors of pictures, and one sample of each. Raises `DataError` for pictures of another size.

        images   uint8 levels of shape (n, height, width, channels)
        seed     seed of the sample
        label    the class of all pictures, for a model with labels; None: unknown. `UsageError` for an unknown one
        Returns `mean`, `variance` and `sample`: per group, top group first, a float32 array of shape (n, *shape), with
        the group's shape in `shapes`.
        """
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
            raise DataError(f"{type(images).__name__}: give uint8 levels of shape (n, height, width, channels)")
        if images.shape[1:3] != self.size or images.shape[3] not in CHANNEL_COUNTS:
            height, width = self.size
            raise DataError(
                f"shape {images.shape[1:]}: the model takes height {height}, width {width}, 1, 3 or 4 channels"
            )
        draws, parts, index = Draws(seed), list[Posteriors](), label_index(label, self.classes)
        for start in range(0, len(images), ENCODED):
            batch = as_channels(images[start : start + ENCODED], self.channels)
            parts += self._encoded(batch, draws, index)
        moments = ([getattr(part, name) for part in parts] for name in ("mean", "variance", "sample"))
        return Posteriors(*([np.concatenate(group) for group in zip(*moment, strict=True)] for moment in moments))

    def decode(
        self, latents: Sequence[Float[np.ndarray, "n ..."]], label: str | None = None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The expected pictures of latents, top group first. Missing latents are the means of their priors.

        latents   per group an array of shape (n, *shape), with the group's shape in `shapes`
        Returns uint8 levels of shape (n, height, width, channels).

        Raises `UsageError` for latents of other shapes, or an unknown label.
        """
        count = len(latents[0]) if len(latents) else 0
        wanted = [(count, *shape) for shape in self.shapes[: len(latents)]]
        if not count or [values.shape for values in latents] != wanted:
            shapes = ", ".join(str(("n", *shape)).replace("'", "") for shape in self.shapes)
            raise UsageError(f"latents of shapes {[values.shape for values in latents]}: the model has {shapes}")
        index, pictures = label_index(label, self.classes), []
        for start in range(0, count, BLOCK):
            given = [np.asarray(values[start : start + BLOCK], np.float32) for values in latents]
            missing = [np.zeros((len(given[0]), *shape), np.float32) for shape in self.shapes[len(given) :]]
            pictures.append(self._decoded([*given, *missing], len(given), index))
        return np.concatenate(pictures)

    def _encoded(
        self, batch: UInt8[np.ndarray, "n height width channels"], draws: Draws, label: int | None
    ) -> Iterator[Posteriors]:
        """The posteriors of pictures whose noise is drawn together, in blocks."""
        fixed = {"pictures": batch}
        if "labels" in self._encoder.inputs:
            fixed["labels"] = self._labels(label, len(batch))
        if "binarisation" in self._encoder.inputs:
            fixed["binarisation"] = draws.uniform(len(batch), self.channels, *self.size)
        noise = encoding_noise(draws, self.shapes, len(batch))
        groups = range(len(noise))
        inputs = fixed | {name: noise[i] for i in groups if (name := f"noise.{i}") in self._encoder.inputs}
        for start in range(0, len(batch), BLOCK):
            part = slice(start, start + BLOCK)
            found = self._encoder.run(**{name: np.ascontiguousarray(value[part]) for name, value in inputs.items()})
            mean, variance = ([found[f"{name}.{i}"] for i in groups] for name in ("mean", "variance"))
            yield Posteriors(mean, variance, [mean[i] + np.sqrt(variance[i]) * noise[i][part] for i in groups])

    def _decoded(
        self, values: Sequence[Float[np.ndarray, "n ..."]], given: int, label: int | None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures of latents, of which the first `given` are given and the others noise."""
        inputs = {f"latent.{i}": np.ascontiguousarray(value) for i, value in enumerate(values)}
        inputs |= {"given": np.array(given), "labels": self._labels(label, len(values[0]))}
        return self._decoder.run(**{name: inputs[name] for name in self._decoder.inputs})["pictures"]

    def _labels(self, label: int | None, count: int) -> np.ndarray:
        """The class of each picture; one more than there are means unknown."""
        return np.full(count, len(self.classes) if label is None else label)
