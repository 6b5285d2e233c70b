"""Every setting of a classifier, and its presets."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from trine.recipe import Recipe


class ClassifyRecipe(Recipe):
    """Settings of one training of a classifier."""

    network: Literal["fast", "classic", "pretrained"] = "fast"
    """fast: most accuracy per compute; classic: the textbook's; pretrained: ImageNet features, for few pictures."""
    widths: tuple[int, ...] = Field((64, 128, 128), min_length=1, max_length=8)
    """Channels of the convolution blocks, first to last."""
    depth: int = Field(2, ge=1, le=8)
    """Convolutions in each block of the fast network."""
    picture_size: int | None = Field(None, ge=8, le=512)
    """Side that pictures are resized to, in pixels; none: their own size, or one chosen from their sizes."""
    validation_share: float = Field(0.1, gt=0, lt=0.9)
    """Share of the train split held out for calibration and for choosing."""
    validation_limit: int = Field(1000, ge=1)
    """The most pictures held out."""

    warmup: float = Field(0.0, ge=0, lt=1)
    """Share of the training in which the learning rate rises; Muon needs none."""
    filter_rate: float = Field(0.205, gt=0)
    """Muon's learning rate on convolution filters, whose norm is kept at the root of their number."""
    filter_momentum: float = Field(0.655, ge=0, lt=1)
    """Muon's momentum."""
    bias_rate: float = Field(0.0573, gt=0)
    """SGD's learning rate of the biases, a sample of the batch."""
    head_rate: float = Field(0.5415, gt=0)
    """SGD's learning rate of the last layer, a sample of the batch."""
    momentum: float = Field(0.825, ge=0, lt=1)
    """SGD's Nesterov momentum."""
    weight_decay: float = Field(1.04e-6, ge=0)
    """Decay of biases and last layer, a sample of the batch."""
    adam_rate: float = Field(1e-3, gt=0)
    """AdamW's learning rate: the classic network, and the pretrained one's last layer."""
    finetune_rate: float = Field(0.0, ge=0)
    """AdamW's learning rate of the pretrained features; 0 leaves them as they are."""
    stem_until: float = Field(0.03, ge=0, le=1)
    """The share of the training in which the whitening stem's bias is trained."""

    hard_share: float = Field(1.0, gt=0, le=1)
    """Share of the pictures that later epochs of the fast network show: those explained worst when last seen."""
    hard_from: float = Field(0.35, ge=0, le=1)
    """The share of the training in which epochs still show every picture."""

    label_smoothing: float = Field(0.09, ge=0, lt=1)
    """Probability given to all classes alike."""
    dropout: float = Field(0.4, ge=0, lt=1)
    """Share of the classic network's connected units that is silenced in a step."""
    flip: Literal["auto", "alternating", "random", "none"] = "auto"
    """Mirroring; auto: alternating for colour pictures, none for grey ones (digits and letters are not symmetric)."""
    shift: int = Field(2, ge=0, le=32)
    """The furthest a picture is moved, in pixels."""
    crop: float = Field(0.0, ge=0, le=0.5)
    """Share of height and width cut off at random, to save compute; the network takes any size."""
    crop_until: float = Field(0.8, ge=0, le=1)
    """The share of the training in which pictures are cropped."""
    cutout: int = Field(0, ge=0, le=256)
    """Side of the square that is blanked, in pixels; 0: none."""
    colour_jitter: float = Field(0.14, ge=0, lt=1)
    """Strength of random changes in brightness and contrast."""

    least_steps: int = Field(300, ge=1)
    """Steps that even a small set is trained for."""
    selective_accuracy: float = Field(0.99, gt=0, le=1)
    """Accuracy wanted of the answers that are given; less sure ones are marked `abstain`."""

    costs: ClassVar[dict[str, float]] = {"quick": 0.03, "good": 0.25, "best": 0.52}
    """What the presets cost on 50,000 pictures of 32×32, in PFLOP."""

    def for_compute(self, pflop: float, share: float) -> "ClassifyRecipe":
        """This recipe with the shape of the preset that suits so much compute; what was set by hand stays.

        `share` is the size of the set, as a share of 50,000 pictures of 32×32: a smaller set is passed over more often.
        """
        fitting = [name for name, cost in self.costs.items() if cost * share <= 1.5 * pflop]
        chosen, own = self.presets[fitting[-1] if fitting else "quick"], self.presets[self.effort]
        fields, by_hand = type(self).model_fields, self.by_hand
        shape = {name: chosen.get(name, fields[name].default) for name in {**chosen, **own}}
        return self.changed(**{name: value for name, value in shape.items() if name not in by_hand})

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
