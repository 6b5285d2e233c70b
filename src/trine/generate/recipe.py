"""Every setting of a generator, and its presets."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from trine.pictures.reading import Fit
from trine.recipe import Between, Recipe

SIDES = range(8, 257)
"""Heights and widths of pictures that a network can learn, in pixels."""


def _in_range(size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
    sides = size if isinstance(size, tuple) else (size,)
    if not all(side is None or side in SIDES for side in sides):
        raise ValueError(f"give {SIDES[0]} to {SIDES[-1]} pixels")
    return size[0] if isinstance(size, tuple) and size[0] == size[1] else size


class GenerateRecipe(Recipe):
    """Settings of one training of a variational autoencoder."""

    network: Literal["plain", "map", "deep"] = "plain"
    """plain: one latent vector, the textbook's VAE; map: one latent map; deep: a vector, and latent maps at the
    decoder's resolutions."""
    widths: tuple[int, ...] = Field((32, 64, 128), min_length=1, max_length=8)
    """Channels per resolution, from half the picture's size downwards; the last is repeated."""
    depth: int = Field(1, ge=1, le=8)
    """Residual blocks per resolution of the encoder, and after each latent group of the decoder."""
    latent: int | None = Field(None, ge=1, le=1024)
    """Units of the latent vector; none: 64 for grey pictures, 128 for colour pictures."""
    groups: tuple[int, ...] = Field((2, 2, 1), max_length=8)
    """The deep network's latent maps per resolution, coarsest first."""
    map_latent: int | None = Field(None, ge=1, le=256)
    """Channels of a latent map; none: 4 of the network `map`, 8 of each map of `deep`."""
    likelihood: Literal["gaussian", "logistic", "bernoulli"] = "gaussian"
    """gaussian: one calibrated deviation; logistic: a mixture, fewer bits per dimension; bernoulli: black and white."""
    bounded_means: bool = False
    """Limit the gaussian's means by tanh, as former versions did: it can stop learning black and white drawings."""
    components: int = Field(5, ge=1, le=20)
    """Components of the logistic mixture."""
    picture_size: Annotated[int | tuple[int, int] | None, AfterValidator(_in_range)] = None
    """Side of squares that pictures are resized to, or [height, width], in pixels; none: their own size, or one chosen
    from their sizes."""
    aspect: Literal["common", "square"] = "common"
    """Without a picture_size. common: the aspect ratio that most pictures share; square: pictures become square."""
    transparency: Literal["auto", "none"] = "auto"
    """auto: opacity is a fourth channel if a pixel of the pictures is not opaque; none: a backdrop is laid below."""
    fit: Fit = "pad"
    """What is done with a picture of another aspect ratio. pad: the whole on the colour of its border; crop: its
    middle; auto: crop up to 4:3, else pad; squash: the whole, distorted."""
    label_from: str | None = None
    """Regular expression with one group, the class, searched in each picture's path below DATA; none: class folders."""
    validation_share: float = Field(0.1, gt=0, lt=0.9)
    """Share of the train split held out."""
    validation_limit: int = Field(1000, ge=1)
    """Largest number of pictures held out."""

    label: bool = False
    """Learn the labels, so that `sample` can make pictures of one class."""
    label_dropped: float = Field(0.1, ge=0, lt=1)
    """Share of training pictures whose label is hidden: the network also learns to sample without one."""

    learning_rate: Annotated[float, Between(5e-4, 6e-3, log=True)] = Field(2e-3, gt=0)
    """AdamW's peak learning rate."""
    filter_rate: Annotated[float, Between(0.01, 0.1, log=True)] = Field(0.03, ge=0)
    """Muon's peak learning rate for the inner convolution filters; 0: AdamW trains them."""
    weight_decay: Annotated[float, Between(1e-3, 0.1, log=True)] = Field(0.01, ge=0)
    """Weight decay of AdamW and Muon; biases have none."""
    kl_warmup: Annotated[float, Between(0.02, 0.3)] = Field(0.1, ge=0, le=1)
    """Share of the training in which the weight of the KL divergence rises from 0 to `beta`."""
    beta: float = Field(1.0, ge=0)
    """Weight of the KL divergence; 1 is the bound on the log likelihood."""
    free_bits: float = Field(0.0, ge=0)
    """KL divergence of each latent map of the deep network that costs nothing, in nats (Kingma et al., 2016)."""
    flip: Literal["auto", "random", "none"] = "auto"
    """Mirroring of training pictures; auto: random for colour pictures, none for grey ones."""

    prior: Literal["normal", "mixture", "flow"] = "flow"
    """Distribution of sampled latent vectors: the model's own N(0, I), or one fitted after the training."""
    mixture_components: int = Field(10, ge=1, le=1000)
    """Components of the Gaussian mixture prior."""
    flow_steps: int = Field(1500, ge=1)
    """Training steps of the flow prior."""
    flow_width: int | None = Field(None, ge=1, le=4096)
    """Width of the flow's layers; none: four times the units of the latent vector, but at least 256."""
    map_flow_width: int = Field(32, ge=1, le=1024)
    """Channels of the convolutions of a flow of latent maps; `flow_width` is the width of its dense layers."""
    sharpen_steps: int = Field(2000, ge=0)
    """Training steps in which a copy of the decoder learns to make sharp pictures; 0: none. For the networks plain and
    map with the gaussian likelihood; without a number given by hand, for 500 pictures and more."""
    least_steps: int = Field(300, ge=1)
    """Smallest number of training steps: more epochs for a small set."""

    batch_size: int = Field(128, ge=1, le=65_536)
    """Pictures per step, over all processes together."""
    schedule: Literal["triangular", "cosine", "constant"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup: float = Field(0.02, ge=0, lt=1)
    """Share of the training in which the learning rate rises linearly."""
    gradient_clip: float = Field(200.0, ge=0)
    """Largest norm of the gradient of the loss in nats per picture; 0: no limit."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    """Decay per step of the exponential moving average of the weights, which is the final model; 0: no average."""
    final_rate: float = Field(0.01, ge=0, le=1)
    """Learning rate at the end of the training, as a share of its peak."""

    former: ClassVar[dict[str, Any]] = {
        "fit": "crop",
        "aspect": "square",
        "transparency": "none",
        "bounded_means": True,
        "sharpen_steps": 0,
    }
    large: ClassVar[dict[str, Any]] = {
        "batch_size": 256,
        "learning_rate": 2.8e-3,
        "filter_rate": 0.04,
        "ema_decay": 0.996,
        "flow_width": 512,
    }
    """Longer trainings have enough steps for larger, faster batches; rates and average are adapted to them."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # Compute on the 60,000 pictures of Fashion-MNIST: 0.02 PFLOP
        "quick": {"epochs": 10.0},
        # 0.08 PFLOP
        "good": {**large, "epochs": 40.0, "flow_steps": 3000, "sharpen_steps": 4000},
        # 0.45 PFLOP
        "best": {**large, "epochs": 120.0, "widths": (48, 96, 192), "flow_steps": 6000, "sharpen_steps": 8000},
    }

    def latents(self, channels: int) -> int:
        """Units of the latent vector for pictures with this number of channels."""
        return self.latent or (64 if channels == 1 else 128)

    @property
    def map_channels(self) -> int:
        """Channels of a latent map."""
        return self.map_latent or (4 if self.network == "map" else 8)

    @property
    def sharpens(self) -> bool:
        """Whether the decoder is sharpened, if there are enough pictures."""
        return self.sharpen_steps > 0 and self.network != "deep" and self.likelihood == "gaussian"

    def flow_units(self, latents: int) -> int:
        """Width of the flow's layers for latent vectors of this size."""
        return self.flow_width or max(256, 4 * latents)
