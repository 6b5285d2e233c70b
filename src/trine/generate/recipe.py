"""Every setting of a generator, and its presets."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from trine.recipe import Recipe


class GenerateRecipe(Recipe):
    """Settings of one training of a variational autoencoder."""

    network: Literal["plain", "deep"] = "plain"
    """plain: one latent vector, the textbook's VAE; deep: further latent maps at the decoder's resolutions."""
    widths: tuple[int, ...] = Field((32, 64, 128), min_length=1, max_length=8)
    """Channels at each resolution, from half the picture's size down; the last is repeated."""
    depth: int = Field(1, ge=1, le=8)
    """Residual blocks at each resolution, in the encoder and after each group of the decoder."""
    latent: int | None = Field(None, ge=1, le=1024)
    """Size of the latent vector; none: 64 for grey pictures, 128 for colour pictures."""
    groups: tuple[int, ...] = Field((2, 2, 1), max_length=8)
    """The deep network's latent maps at each resolution, coarsest first."""
    map_latent: int = Field(8, ge=1, le=256)
    """Channels of a latent map."""
    likelihood: Literal["gaussian", "logistic", "bernoulli"] = "gaussian"
    """gaussian: one calibrated deviation; logistic: a mixture, for few bits a dimension; bernoulli: black and white."""
    components: int = Field(5, ge=1, le=20)
    """Components of the logistic mixture."""
    picture_size: int | None = Field(None, ge=8, le=256)
    """Side that pictures are resized to, in pixels; none: their own size, or one chosen from their sizes."""
    validation_share: float = Field(0.1, gt=0, lt=0.9)
    """Share of the train split held out."""
    validation_limit: int = Field(1000, ge=1)
    """The most pictures held out."""

    label: bool = False
    """Learn what each class looks like, so that it can be asked for."""
    label_dropped: float = Field(0.1, ge=0, lt=1)
    """Share of the pictures whose label is not shown, so that sampling works without one."""

    learning_rate: float = Field(2e-3, gt=0)
    """AdamW's peak learning rate."""
    filter_rate: float = Field(0.03, ge=0)
    """Muon's peak learning rate, for the filters inside the network; 0 leaves them to AdamW."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay."""
    kl_warmup: float = Field(0.1, ge=0, le=1)
    """Share of the training in which the weight of the KL divergence rises from 0 to `beta`."""
    beta: float = Field(1.0, ge=0)
    """Weight of the KL divergence; 1 is the bound on the log likelihood."""
    free_bits: float = Field(0.0, ge=0)
    """KL divergence that each latent map of the deep network has for nothing, in nats (Kingma et al., 2016)."""
    flip: Literal["auto", "random", "none"] = "auto"
    """Mirroring; auto: random for colour pictures, none for grey ones."""

    prior: Literal["normal", "mixture", "flow"] = "flow"
    """What the latent vector is sampled from: the model's own N(0, I), or what was fitted to the latents afterwards."""
    mixture_components: int = Field(10, ge=1, le=1000)
    """Components of the Gaussian mixture."""
    flow_steps: int = Field(1500, ge=1)
    """Steps of the flow's training."""
    flow_width: int | None = Field(None, ge=1, le=4096)
    """Width of the flow's layers; none: four times the size of the latent vector, 256 at the least."""
    least_steps: int = Field(300, ge=1)
    """Steps that even a small set is trained for."""

    batch_size: int = Field(128, ge=1, le=65_536)
    """Pictures a step."""
    schedule: Literal["triangular", "cosine", "constant"] = "cosine"
    """How the learning rate goes over the training."""
    warmup: float = Field(0.02, ge=0, lt=1)
    """Share of the training in which the learning rate rises."""
    gradient_clip: float = Field(200.0, ge=0)
    """Largest norm of the gradient of the loss in nats a picture; 0 leaves it as it is."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    """Decay a step of the weights' moving average, which is the model that is kept."""
    final_rate: float = Field(0.01, ge=0, le=1)
    """Learning rate at the end, as a share of its peak."""

    large: ClassVar[dict[str, Any]] = {
        "batch_size": 256,
        "learning_rate": 2.8e-3,
        "filter_rate": 0.04,
        "ema_decay": 0.996,
        "flow_width": 512,
    }
    """Larger batches use a machine better, where a training is not short of steps; rates and average to suit."""

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # On the 60,000 pictures of Fashion-MNIST: 0.02 PFLOP.
        "quick": {"epochs": 10.0},
        # 0.08 PFLOP.
        "good": {**large, "epochs": 40.0, "flow_steps": 3000},
        # 0.45 PFLOP.
        "best": {**large, "epochs": 120.0, "widths": (48, 96, 192), "flow_steps": 6000},
    }

    def latents(self, channels: int) -> int:
        """The size of the latent vector for pictures of so many channels."""
        return self.latent or (64 if channels == 1 else 128)

    def flow_units(self, latents: int) -> int:
        """The width of the flow's layers for latent vectors of that size."""
        return self.flow_width or max(256, 4 * latents)
