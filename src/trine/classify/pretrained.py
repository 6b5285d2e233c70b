"""EfficientNet-Lite0 with ImageNet weights (Tan and Le, 2019), for sets of few pictures.

By default only the last layer is trained; with a `finetune_rate` the features are trained too.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from typing_extensions import override

from trine.classify.network import PictureNet, Pixels
from trine.nn.efficientnet import CHUNK, DEVIATION, FEATURES, MEAN, NATIVE, architecture, load_weights, pooled


class PretrainedNet(PictureNet):
    """ImageNet features, dropout and one linear layer; grey pictures are repeated to RGB."""

    view_shift = 0
    largest_batch = 64

    def __init__(self, channels: int, size: int, classes: int, dropout: float = 0.0, trained: bool = False) -> None:
        super().__init__()
        self.trained, self.dropout = trained, dropout
        self.side = resolution(size)
        self.pixels = Pixels(3)
        self.pixels.mean.fill_(MEAN)
        self.pixels.deviation.fill_(DEVIATION)
        self.network = architecture(self.side).requires_grad_(trained)
        self.head = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @override
    def prepare(self, images: UInt8[Tensor, "batch height width channels"]) -> None:
        """Load the ImageNet weights; the pictures are not used."""
        load_weights(self.network)

    @override
    def train(self, mode: bool = True) -> "PretrainedNet":
        """Set the training mode; frozen features stay in evaluation mode."""
        super().train(mode)
        self.network.train(mode and self.trained)
        return self

    @override
    def features(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch features"]:
        """The mean of each feature map."""
        if self.training and self.trained:
            return F.dropout(self._pooled(images), self.dropout)
        if torch.compiler.is_exporting():  # a graph has batches of any size, which chunks would freeze
            return self._pooled(images)
        return torch.cat([self._pooled(part) for part in torch.split(images, CHUNK)])

    @override
    def layers(self) -> dict[str, nn.Module]:
        """The stem, the last block of each resolution, and the last convolution."""
        blocks: Any = self.network._blocks
        ends = [index for index in range(len(blocks)) if index + 1 == len(blocks) or _halves(blocks[index + 1])]
        last: dict[str, nn.Module] = {"last convolution": self.network.get_submodule("_bn1")}
        stem: dict[str, nn.Module] = {"stem": self.network.get_submodule("_bn0")}
        return stem | {f"block {index + 1}": blocks[index] for index in ends} | last

    @override
    def filters(self) -> Float[Tensor, "filters channels height width"]:
        return self.network.get_parameter("_conv_stem.weight")

    def _pooled(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch features"]:
        return pooled(self.network, self.pixels(images.expand(-1, -1, -1, 3)), self.side)


def resolution(size: int) -> int:
    """Side to which pictures of `size` pixels are scaled: small ones are enlarged up to five times.

    CIFAR-10 with 100 pictures per class: 82.8 % at 128 pixels, 84.9 % at 160, 87.5 % at 224, which costs twice as much.
    """
    return max(size, min(NATIVE, max(96, 5 * size // 32 * 32)))


def _halves(block: Any) -> bool:
    return bool(block._depthwise_conv.stride[0] == 2)
