"""Every setting of a classifier, and its presets."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field
from typing_extensions import override

from trine.pictures.reading import Fit
from trine.recipe import Among, Between, Recipe

SMALLEST_MAP = 24
"""Smallest side of the whitening stem's map, in pixels, that a budget chooses."""
SHAPE = ("widths", "depth", "stem_stride", "crop", "crop_until", "hard_share", "hard_from", "stem_until")
RATES = ("filter_rate", "filter_momentum", "bias_rate", "head_rate", "momentum", "weight_decay")
"""Settings of shape and course, and rates, that the pretrained network does not have."""
FAST, OTHERS, SHIFTED = ("fast",), ("classic", "pretrained"), ("fast", "classic")
"""Networks that settings are for, where a search tries them."""
FEW_PASSES = 30
"""Passes over a small set that are enough for a network with 128 channels; wider ones need more."""


class ClassifyRecipe(Recipe):
    """Settings of one training of a classifier."""

    network: Literal["auto", "fast", "classic", "pretrained"] = "auto"
    """auto: fast or pretrained, whichever suits the pictures; fast: best accuracy per compute; classic: the textbook's;
    pretrained: ImageNet features, for few pictures."""
    widths: tuple[int, ...] = Field((64, 128, 128), min_length=1, max_length=8)
    """Channels of the convolution blocks, first to last."""
    depth: int = Field(2, ge=1, le=8)
    """Convolutions per block of the fast network."""
    stem_stride: int | None = Field(None, ge=1, le=64)
    """Stride of the fast network's whitening stem, in pixels; none: 1, or more for pictures of 128 pixels and more."""
    picture_size: int | None = Field(None, ge=8, le=512)
    """Side that pictures are scaled to, in pixels; none: their own size, or one chosen from their sizes."""
    fit: Fit = "auto"
    """How a picture that is not square becomes square. auto: crop up to 4:3, else pad; crop: its middle; pad: the whole
    on the colour of its border; squash: the whole, distorted."""
    label_from: str | None = None
    """Regular expression with one group, the class, searched in each picture's path below DATA; none: class folders."""
    validation_share: float = Field(0.1, gt=0, lt=0.9)
    """Share of the train split that is held out for validation and calibration."""
    validation_limit: int = Field(1000, ge=1)
    """Largest number of pictures that are held out."""

    warmup: float = Field(0.0, ge=0, lt=1)
    """Share of the training in which the learning rate rises linearly; Muon needs no warm-up."""
    filter_rate: Annotated[float, Between(0.05, 0.5, log=True, where=FAST)] = Field(0.205, gt=0)
    """Muon's peak learning rate for convolution filters. Each filter bank is rescaled to norm √(number of filters)
    before an update."""
    filter_momentum: float = Field(0.655, ge=0, lt=1)
    """Muon's momentum."""
    bias_rate: Annotated[float, Between(0.02, 0.2, log=True, where=FAST)] = Field(0.0573, gt=0)
    """SGD's learning rate for biases, per sample: multiplied by the batch size."""
    head_rate: Annotated[float, Between(0.2, 1.5, log=True, where=FAST)] = Field(0.5415, gt=0)
    """SGD's learning rate for the last layer, per sample: multiplied by the batch size."""
    momentum: float = Field(0.825, ge=0, lt=1)
    """SGD's Nesterov momentum."""
    weight_decay: float = Field(1.04e-6, ge=0)
    """Weight decay of biases and last layer, per sample: multiplied by the batch size."""
    adam_rate: Annotated[float, Between(3e-4, 1e-2, log=True, where=OTHERS)] = Field(1e-3, gt=0)
    """AdamW's peak learning rate for the classic network and for the last layer of the pretrained one."""
    finetune_rate: float = Field(0.0, ge=0)
    """AdamW's peak learning rate for the pretrained features; 0 freezes them."""
    stem_until: float = Field(0.03, ge=0, le=1)
    """Share of the training in which the bias of the whitening stem is trained."""

    hard_share: float = Field(1.0, gt=0, le=1)
    """Share of the pictures that later epochs of the fast network show: those with the largest losses."""
    hard_from: float = Field(0.35, ge=0, le=1)
    """Share of the training after which epochs show only the hardest pictures."""

    trust_labels: Literal["auto", "always"] = "auto"
    """Whether later epochs show the hardest pictures alone. auto: not where many labels look wrong; always: they do."""
    balance: Literal["none", "sampling", "logits"] = "none"
    """What is done about classes of different sizes. none: a large class is answered more often, as in training;
    sampling: epochs show as many pictures of each class; logits: the loss allows for the sizes."""

    label_smoothing: Annotated[float, Between(0.0, 0.2)] = Field(0.09, ge=0, lt=1)
    """Probability that is spread evenly over all classes."""
    dropout: Annotated[float, Between(0.0, 0.6, where=OTHERS)] = Field(0.4, ge=0, lt=1)
    """Dropout rate of the classic network's fully connected layer, and of pretrained features."""
    flip: Literal["auto", "alternating", "random", "none"] = "auto"
    """Mirroring; auto: alternating for colour pictures, none for grey ones (digits and letters are not symmetric)."""
    shift: Annotated[int, Among((0, 1, 2, 3, 4), where=SHIFTED)] = Field(2, ge=0, le=32)
    """Largest random shift of a picture, in pixels."""
    crop: float = Field(0.0, ge=0, le=0.5)
    """Share of height and width that is cropped early in the training, to save compute."""
    crop_until: float = Field(0.8, ge=0, le=1)
    """Share of the training in which pictures are cropped."""
    cutout: int = Field(0, ge=0, le=256)
    """Side of the square that is set to grey, in pixels; 0: none."""
    colour_jitter: Annotated[float, Between(0.0, 0.3)] = Field(0.14, ge=0, lt=1)
    """Strength of random changes of brightness and contrast."""

    least_steps: int = Field(300, ge=1)
    """Smallest number of steps, also for a small set."""
    selective_accuracy: float = Field(0.99, gt=0, le=1)
    """Target accuracy of the given answers; less confident ones are marked `abstain`."""

    former: ClassVar[dict[str, Any]] = {"fit": "crop", "trust_labels": "always"}

    @property
    def network_by_hand(self) -> tuple[str, str] | None:
        """The network that a setting changed by hand belongs to, and why; none where the pictures are to decide."""
        by_hand = self.by_hand
        if self.finetune_rate > 0:
            return "pretrained", "finetune_rate is set"
        own = [name for name in (*SHAPE, *RATES) if name in by_hand]
        return ("fast", f"{own[0]} is set") if own else None

    @override
    def resumed(self, started: dict[str, Any]) -> Self:
        """This recipe with the network that the run chose."""
        same = super().resumed(started)
        return same.changed(network=started["network"]) if same.network == "auto" and "network" in started else same

    def shapes(self, size: int) -> list["ClassifyRecipe"]:
        """This recipe in the presets' shapes, largest first, then with larger strides; settings by hand stay.

        size   side of the pictures, in pixels
        """
        names, own = ("best", "good", "quick"), self.presets[self.effort]
        shapes = [self._shaped({**dict.fromkeys(own), **self.presets[name]}) for name in names]
        first = own_stride(size)
        strides = [stride for stride in range(first + 1, 8 * first) if size // stride >= SMALLEST_MAP]
        return [*shapes, *(shapes[-1]._shaped({"stem_stride": stride}) for stride in strides)]

    def _shaped(self, settings: dict[str, Any]) -> "ClassifyRecipe":
        """These settings, None for the default, except those that were changed by hand."""
        fields, by_hand = type(self).model_fields, self.by_hand
        return self.changed(
            **{
                name: fields[name].default if value is None else value
                for name, value in settings.items()
                if name not in by_hand
            }
        )

    def wanted_passes(self, count: int) -> float:
        """Passes over so many pictures that this shape needs: as many steps as for 50,000, but some passes suffice."""
        return max(self.epochs, min(FEW_PASSES * max(self.widths) / 128, self.epochs * 50_000 / count))

    presets: ClassVar[dict[str, dict[str, Any]]] = {
        # On CIFAR-10 and one recent core: three minutes, 0.03 PFLOP, 91 %.
        "quick": {
            "widths": (32, 96, 128),
            "epochs": 4.0,
            "batch_size": 500,
            "filter_rate": 0.15,
            "stem_until": 0.65,
            "hard_share": 0.45,
            "hard_from": 0.3,
        },
        # A quarter of an hour, 0.25 PFLOP, 94.01 %.
        "good": {"widths": (32, 256, 256), "epochs": 12.7, "batch_size": 768, "filter_rate": 0.15},
        # Forty minutes, 0.52 PFLOP, 94.66 % (one seed).
        "best": {"widths": (48, 384, 384), "epochs": 12.0, "batch_size": 768, "filter_rate": 0.15},
    }


def own_stride(size: int) -> int:
    """Stride of the stem for pictures of this size: its map has fewer than 128 pixels a side."""
    return max(1, size // 64)
