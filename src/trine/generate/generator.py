"""A trained generator: new pictures from noise, pictures to latents, latents to pictures."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from typing_extensions import override

from trine.bundle import joined, part
from trine.device import Device
from trine.drawing import attempted
from trine.errors import DataError, UsageError, nearest
from trine.generate.arguments import check_sample, check_seed, label_codes, label_index, size_of, written_size
from trine.generate.bound import importance_nll, measure_bound
from trine.generate.codec import Codec, EncodedPictures, Noise
from trine.generate.directions import Directions
from trine.generate.map_flow import MapFlow
from trine.generate.network import VAE, PictureVAE, decoder_of, with_decoder
from trine.generate.noise import BLOCK, blocks_of
from trine.generate.prior import Flow, FlowPrior, MixturePrior, NormalPrior, Prior
from trine.generate.recipe import GenerateRecipe
from trine.generate.report import draw_kl, metrics, model_card
from trine.generate.strangeness import Strangeness, strangeness
from trine.generate.top import TopMap
from trine.model import Evaluation, Model
from trine.nn.likelihood import Bernoulli, CalibratedGaussian, Likelihood
from trine.nn.logistic import LogisticMixture
from trine.nn.weights import arrays_of, tensors_of
from trine.pictures.batches import evenly, labels_of
from trine.pictures.decode import Picture, as_channels, read_picture
from trine.pictures.given import as_list, picture_name
from trine.pictures.opening import open_to_evaluate
from trine.pictures.picture_set import ALL, PictureSet, PictureSplit
from trine.pictures.reading import Reading
from trine.plurals import quantity
from trine.result import Data
from trine.sheet import OPACITY, grid_png, pairs_png

Pictures = Sequence[Picture] | np.ndarray
"""Pictures as people have them, see `trine.pictures.decode.Picture`, or an array of them."""
Labels = str | Sequence[str | None] | None
"""The class of all pictures or of each; None: unknown."""
SHOWN = 64
"""Number of pictures on the sheet of samples."""
RECONSTRUCTED = 10
"""Number of pictures on the sheet of reconstructions."""
MOST_GUIDANCE = 10
"""Largest guidance: far beyond what makes pictures."""
LIKELIHOODS: dict[str, Callable[[GenerateRecipe, int], Likelihood]] = {
    "gaussian": lambda recipe, channels: CalibratedGaussian(channels, recipe.bounded_means),
    "logistic": lambda recipe, channels: LogisticMixture(channels, recipe.components),
    "bernoulli": lambda recipe, channels: Bernoulli(channels),
}
"""A new likelihood for a recipe and a number of channels, by the recipe's name of it."""


class Generator(Model[GenerateRecipe]):
    """Makes new pictures like its training pictures.

    >>> model = Generator(effort="quick").fit("fashion-mnist", minutes=10)
    >>> model.sample(64, seed=1)
    """

    task: ClassVar[str] = "generate"
    recipe_type: ClassVar[type[GenerateRecipe]] = GenerateRecipe

    classes: tuple[str, ...]
    """Labels that pictures can be sampled for; empty for a model without labels."""
    size: tuple[int, int]
    """Height and width of the pictures, in pixels."""
    channels: int
    """1 for grey pictures, 3 for colour, 4 for colour and opacity."""
    reading: Reading
    """How pictures become pixels, as in the training."""
    network: PictureVAE
    sharp: PictureVAE
    """The network with the decoder that pictures are made by: a sharpened one, or `network` itself."""
    priors: nn.ModuleDict
    """Distributions that latent vectors can be sampled from: normal, mixture, flow."""
    directions: Directions
    """Directions of the latent space in which the training's pictures differ most."""
    errors: Float[Tensor, "held_out"]
    """Reconstruction errors of held-out pictures, ascending; none in models of former versions."""
    information: Float[Tensor, "latent"]
    """Mean KL divergence of each unit of the latent vector, in nats: its information about a picture."""

    def sample(
        self,
        n: int,
        *,
        label: str | None = None,
        temperature: float = 1.0,
        pixel_noise: float = 0.0,
        guidance: float = 1.0,
        seed: int = 0,
        prior: str | None = None,
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """New pictures; the same seed gives the same pictures, whatever their number.

        label         a class, for a model trained with labels; without, of any class
        temperature   scale of the latents' noise: 0 gives the most typical picture, 1 the learned distribution
        pixel_noise   scale of the pixels' noise: 0 gives the expected picture, 1 a sample of the likelihood
        guidance      1: as the class is; more, such as 2: more typical of it, and less varied
        prior         normal, mixture or flow; without, the recipe's
        Raises `UsageError`.
        """
        blocks = self.sample_stream(
            n,
            label=label,
            temperature=temperature,
            pixel_noise=pixel_noise,
            guidance=guidance,
            seed=seed,
            prior=prior,
        )
        return np.concatenate(list(blocks))

    def sample_stream(
        self,
        n: int,
        *,
        label: str | None = None,
        temperature: float = 1.0,
        pixel_noise: float = 0.0,
        guidance: float = 1.0,
        seed: int = 0,
        prior: str | None = None,
        first: int = 0,
    ) -> Iterator[UInt8[np.ndarray, "batch height width channels"]]:
        """`sample` in blocks: memory does not grow with the number of pictures. Raises `UsageError` at the call.

        first   pictures that are left out at the beginning, whole blocks of 64: another process makes them
        """
        self._check(n, label, temperature, pixel_noise, seed, prior)
        self._check_guidance(guidance, label, self._prior(prior))

        def pictures(block: int) -> UInt8[np.ndarray, "batch height width channels"]:
            noise = self.noise(seed, block).scaled(temperature, pixel_noise)
            return self.from_noise(noise, label, prior, guidance)[: n - block * BLOCK]

        return map(pictures, blocks_of(first, n))

    def pixels(self, pictures: Pictures) -> UInt8[np.ndarray, "n height width channels"]:
        """Pictures as the network takes them, from an array of its size, or from paths, files, images or arrays.

        Raises `DataError`, `UsageError`.
        """
        if isinstance(pictures, np.ndarray):
            if pictures.dtype != np.uint8 or pictures.ndim != 4:
                raise DataError(
                    f"an array of {pictures.dtype}, shape {pictures.shape}: give uint8 levels from 0 to 255 of shape "
                    "(pictures, height, width, channels)"
                )
            if pictures.shape[1:3] == self.size and pictures.shape[3] in (1, 3):
                return as_channels(pictures, self.channels)
        read = [
            read_picture(one, self.size, self.channels, picture_name(one, number), self.reading)
            for number, one in enumerate(as_list(pictures), 1)
        ]
        if not read:
            raise DataError("no pictures: give one or more")
        return np.stack(read)

    def encode(self, pictures: Pictures, seed: int = 0, label: Labels = None) -> EncodedPictures:
        """Posteriors of pictures, and one sample of each. Raises `DataError`, `UsageError`.

        label   the class of all pictures, or of each, for a model with labels; None: unknown
        """
        images = self.pixels(pictures)
        return self.codec.encode(images, seed, self._codes(label, len(images)))

    def decode(
        self, latents: Sequence[Float[Tensor, "n ..."]], label: Labels = None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The expected pictures of latents, top group first. Missing latents are the means of their priors.

        Raises `UsageError` for an unknown label.
        """
        return self.codec.decode(latents, self._codes(label, len(latents[0])))

    def reconstruct(self, pictures: Pictures, label: Labels = None) -> UInt8[np.ndarray, "n height width channels"]:
        """Pictures decoded from the means of their posteriors. Raises `DataError`, `UsageError`."""
        return self.decode(self.encode(pictures, label=label).mean, label)

    def anomaly(self, pictures: Pictures, label: Labels = None) -> Float[np.ndarray, "n"]:
        """Mean squared error of each picture's reconstruction, with levels from 0 to 1: high for unfamiliar pictures.

        The likelihood does not measure anomaly: smooth pictures of other kinds have a higher likelihood than training
        pictures (Nalisnick et al., "Do deep generative models know what they don't know?", 2019). An error far below
        those of the training's pictures is as strange: an empty picture is easy to reconstruct. See `score`.
        """
        originals = self.pixels(pictures)
        codes, codec = self._codes(label, len(originals)), Codec(self.network, self.device)
        reconstructed = codec.decode(codec.encode(originals, 0, codes).mean, codes)
        error = (originals.astype(np.float64) - reconstructed) / 255
        return np.asarray(np.square(error).mean((1, 2, 3)))

    def score(self, pictures: Pictures, label: Labels = None) -> list[Strangeness]:
        """How strange each picture is beside held-out pictures of the training. Raises `DataError`, `UsageError`."""
        return strangeness(self.anomaly(pictures, label), self.errors.numpy())

    @property
    def codec(self) -> Codec:
        """The network's encoder, and the decoder that pictures are made by."""
        return Codec(self.network, self.device, self.sharp)

    def noise(self, seed: int, block: int = 0) -> Noise:
        """The random numbers of a block of pictures, from which `from_noise` makes them. Raises `UsageError`."""
        check_seed(seed)
        return Noise.drawn(self.network.vae.shapes, seed, block)

    def from_noise(
        self,
        noise: Noise,
        label: str | None = None,
        prior: str | None = None,
        guidance: float = 1.0,
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures of given noise. Raises `UsageError` for an unknown label or prior."""
        return self.codec.from_noise(noise, self._prior(prior), label_index(label, self.classes), guidance)

    def importance(self, opened: PictureSet, split: str, samples: int, count: int = 1000) -> dict[str, Any]:
        """Importance-sampled negative log likelihood of the first `count` pictures of a split, in nats.

        samples   samples per picture
        Raises `UsageError`, `DataError` for an unknown split.
        """
        if samples < 1 or count < 1:
            raise UsageError(f"{quantity(samples, 'sample')} of {quantity(count, 'picture')}: give at least 1 of both")
        _, chosen = opened.chosen_split(split)
        images, labels = as_channels(chosen.images[:count], self.channels), self.known_labels(opened, chosen)
        labels = None if labels is None else labels[:count]
        nats = importance_nll(self.network, images, labels, self.device, samples)
        return {"iw_nats": nats, "iw_samples": samples, "iw_n": len(images)}

    @override
    def open(self, data: str | Path, data_dir: Path | None = None) -> PictureSet:
        """A set to evaluate on: as a whole, but the data of the training is split as in the training."""
        trained_on = self.data.get("fingerprint")
        return open_to_evaluate(
            self.recipe, data, data_dir, self.size, self.reading, trained_on, self.channels == OPACITY
        )

    @override
    def evaluation(self, opened: PictureSet, split: str | None = None) -> Evaluation:
        """The bound and its parts. Raises `DataError`.

        By default on test; else on validation for the data of the training, else on all.
        """
        learned = opened.fingerprint == self.data.get("fingerprint")
        name, chosen = opened.chosen_split(split or (None if learned or "test" in opened.splits else ALL))
        images = as_channels(chosen.images, self.channels)
        bound = measure_bound(self.network, images, self.known_labels(opened, chosen), self.device)
        data = Data(name=opened.name, fingerprint=opened.fingerprint, split=name, n=len(images))
        shown = images[evenly(len(images), RECONSTRUCTED)]
        pictures = attempted(
            {
                "samples.png": lambda: grid_png(self.sample(SHOWN, seed=self.recipe.seed)),
                "reconstructions.png": lambda: pairs_png(shown, self.reconstruct(shown)),
                "kl.png": lambda: draw_kl(bound),
            }
        )
        figures = metrics(bound, self.network.likelihood, self.recipe.likelihood, images[0].size)
        return Evaluation(data, figures, pictures)

    def known_labels(self, opened: PictureSet, split: PictureSplit) -> Tensor | None:
        """Labels of a split, if model and set have the same classes; else None."""
        if not self.classes or opened.classes != self.classes or split.labels is None:
            return None
        return labels_of(split)

    @override
    def content(self) -> dict[str, Any]:
        return {
            "classes": list(self.classes),
            "size": written_size(self.size),
            "channels": self.channels,
            "reading": self.reading.as_json(),
            "sharpened": self.sharp is not self.network,
        }

    @override
    def arrays(self) -> dict[str, np.ndarray]:
        parts = {"network": self.network.state_dict(), "priors": self.priors.state_dict()}
        if self.sharp is not self.network:
            parts["sharp"] = decoder_of(self.sharp)
        own = {"information": self.information, "errors": self.errors}
        return arrays_of({**joined(parts), **own}) | self.directions.arrays()

    @override
    @classmethod
    def parts(
        cls, recipe: GenerateRecipe, content: dict[str, Any], arrays: dict[str, np.ndarray], device: Device
    ) -> dict[str, Any]:
        classes, size, channels = tuple(content["classes"]), size_of(content["size"]), content["channels"]
        tensors = tensors_of(arrays)
        with torch.device("meta"):  # no values yet: drawing first weights would change torch's random state
            network = build_network(recipe, channels, size, classes)
            priors = build_priors(recipe, network.vae, classes)
        for name, module in (("network", network), ("priors", priors)):
            module.to_empty(device=device.name).load_state_dict(part(tensors, name))
        network.eval()
        return {
            "classes": classes,
            "size": size,
            "channels": channels,
            "reading": Reading.from_json(content.get("reading")),
            "network": network,
            "sharp": with_decoder(network, part(tensors, "sharp")) if content.get("sharpened") else network,
            "priors": priors.eval().requires_grad_(False),
            "information": tensors["information"],
            "directions": Directions.of(arrays),
            "errors": tensors.get("errors", torch.zeros(0)),
        }

    @override
    def card(self) -> str:
        figures = self.result.model_dump(mode="json") if self.result else {}
        return model_card(figures, self.data, self.recipe.model_dump(mode="json"))

    def _check(
        self, n: int, label: str | None, temperature: float, pixel_noise: float, seed: int, prior: str | None
    ) -> None:
        """Raise `UsageError` for arguments of `sample` that are out of range."""
        check_sample(n, temperature, seed)
        if not isinstance(pixel_noise, int | float) or not 0 <= pixel_noise <= 1:
            raise UsageError(
                f"pixel noise {pixel_noise!r:.80}: give 0 (the expected picture) to 1 (all noise of the likelihood)"
            )
        self._prior(prior)
        label_index(label, self.classes)

    @staticmethod
    def _check_guidance(guidance: float, label: str | None, prior: Prior) -> None:
        """Raise `UsageError` for a guidance that is out of range, or that nothing follows."""
        if not isinstance(guidance, int | float) or not 1 <= guidance <= MOST_GUIDANCE:
            raise UsageError(
                f"guidance {guidance!r:.80}: give 1 (as the class is) to {MOST_GUIDANCE} (only its most typical)"
            )
        if guidance != 1 and (label is None or not isinstance(prior, Flow)):
            raise UsageError("guidance is towards a class, by the prior flow: give a label, and no other prior")

    def _codes(self, label: Labels, count: int) -> Int64[Tensor, "count"] | None:
        codes = label_codes(label, self.classes, count)
        return None if codes is None else torch.tensor(codes)

    def _prior(self, name: str | None) -> Prior:
        """A prior by name; without, the recipe's. Raises `UsageError`."""
        name = name or self.recipe.prior
        if name not in self.priors:
            raise UsageError(
                f"prior {name!r} is not known: choose {', '.join(self.priors)}{nearest(name, self.priors)}"
            )
        prior = self.priors[name]
        assert isinstance(prior, Prior)
        return prior


def build_network(recipe: GenerateRecipe, channels: int, size: tuple[int, int], classes: tuple[str, ...]) -> PictureVAE:
    """A network with random weights for pictures of this height and width, in pixels."""
    likelihood = LIKELIHOODS[recipe.likelihood](recipe, channels)
    vae = VAE(
        channels,
        size,
        likelihood.outputs,
        widths=recipe.widths,
        depth=recipe.depth,
        latent=recipe.latents(channels),
        groups=recipe.groups if recipe.network == "deep" else (),
        map_latent=recipe.map_channels,
        spatial=recipe.network == "map",
        classes=len(classes),
    )
    return PictureVAE(vae, likelihood)


def build_priors(recipe: GenerateRecipe, vae: VAE, classes: tuple[str, ...]) -> nn.ModuleDict:
    """The priors by name, before they are fitted."""
    latent = vae.top.latent
    if isinstance(vae.top, TopMap):
        widths = recipe.flow_units(latent), recipe.map_flow_width
        flow = MapFlow(latent, vae.top.channels, len(classes), *widths, rows=vae.top.size[0])
        return nn.ModuleDict({"normal": NormalPrior(), "flow": flow})
    priors: dict[str, Prior] = {
        "normal": NormalPrior(),
        "mixture": MixturePrior(recipe.mixture_components, latent),
        "flow": FlowPrior(latent, len(classes), recipe.flow_units(latent)),
    }
    return nn.ModuleDict(priors)
