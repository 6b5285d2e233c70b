"""The networks of classify: 8-bit pictures in, one logit per class out.

- `FastNet`: a frozen patch-whitening stem, then blocks of two 3×3 convolutions with pooling between them.
- `ClassicNet`: the textbook's network: convolution and pooling, then fully connected layers with dropout.
"""

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from typing_extensions import override

from trine.classify.recipe import own_stride
from trine.nn.convolution import Convolution

PIECE = 2**18
"""Pixels that are prepared at a time: their patches take 25 MB."""
SMALLEST = 8
"""Smallest side of a picture that the networks accept, in pixels."""


class Pixels(nn.Module):
    """Normalisation of 8-bit pictures: (value − mean) / deviation per channel, in channels_last without a copy."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((channels,), 127.5))
        self.register_buffer("deviation", torch.full((channels,), 64.0))

    mean: Tensor
    deviation: Tensor

    def fit(self, images: UInt8[Tensor, "batch height width channels"]) -> None:
        """Set mean and standard deviation to those of these pictures."""
        count, total, squares = 0, torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double()
        for part in in_pieces(images):
            values = part.flatten(0, -2).double()
            count += len(values)
            total += values.sum(0)
            squares += values.square().sum(0)
        mean = total / count
        self.mean.copy_(mean)
        variance = (squares - count * mean.square()) / max(1, count - 1)
        self.deviation.copy_(variance.clamp_min(1.0).sqrt())

    def forward(
        self, images: UInt8[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Normalised pictures, channels first."""
        return ((images.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)


class PatchWhitening(nn.Module):
    """A frozen convolution whose outputs are uncorrelated and of unit variance, followed by their negatives.

    The filters are the eigenvectors of the patches' covariance matrix, divided by the square roots of its eigenvalues
    (Page, "How to train your ResNet 8", 2019). Only the bias is trained.

    It computes in single precision: filters of directions without variance are large, and their terms would no longer
    cancel after rounding to bfloat16.
    """

    def __init__(self, channels: int, patch: int, stride: int) -> None:
        super().__init__()
        self.patch, self.stride = patch, stride
        inputs = channels * patch * patch
        self.register_buffer("filters", torch.zeros(2 * inputs, channels, patch, patch))
        self.bias = nn.Parameter(torch.zeros(2 * inputs))

    filters: Tensor

    @torch.no_grad()
    def fit(self, pictures: Iterable[Float[Tensor, "batch channels height width"]], floor: float = 5e-4) -> None:
        """Compute the filters from pictures, batch by batch; `floor` is added to the variances."""
        products, count = torch.zeros(self.filters[0].numel(), self.filters[0].numel(), dtype=torch.float64), 0
        for pixels in pictures:
            patches = F.unfold(pixels, self.patch, stride=self.stride).transpose(1, 2).flatten(0, 1).double()
            products, count = products + patches.T @ patches, count + len(patches)
        variances, vectors = torch.linalg.eigh(products / count)
        scaled = (vectors / torch.sqrt(variances + floor)).T.flip(0).view(-1, *self.filters.shape[1:])
        self.filters.copy_(torch.cat([scaled, -scaled]))

    def forward(
        self, pixels: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features rows columns"]:
        """Whitened patches as feature maps."""
        kind = pixels.device.type
        with torch.autocast(kind, enabled=False):
            maps = F.conv2d(pixels.float(), self.filters, self.bias, stride=self.stride)
        return maps.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else maps


class ShiftNorm(nn.BatchNorm2d):
    """Batch normalisation without a scale, which the next convolution makes redundant."""

    def __init__(self, channels: int, momentum: float = 0.4) -> None:
        super().__init__(channels, eps=1e-5, momentum=momentum)
        self.weight.requires_grad_(False)


class ConvBlock(nn.Sequential):
    """3×3 convolutions, each with normalisation and activation; the first is followed by 2×2 pooling."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        parts: list[nn.Module] = []
        for index in range(depth):
            first = index == 0
            parts += [_identity_conv(inputs if first else outputs, outputs, pooled=first)]
            parts += [nn.MaxPool2d(2)] if first else []
            parts += [ShiftNorm(outputs), nn.GELU()]
        super().__init__(*parts)


class PictureNet(nn.Module):
    """Base of all networks of classify: normalisation, features, and a last linear layer."""

    pixels: Pixels
    head: nn.Linear
    view_shift: ClassVar[int] = 1
    """Shift of the views for test-time averaging, in pixels."""
    largest_batch: ClassVar[int] = 65_536
    """Largest batch size whose training step fits into memory."""

    def prepare(self, images: UInt8[Tensor, "batch height width channels"]) -> None:
        """Fit the parts that are not trained by gradients to some training pictures."""
        self.pixels.fit(images)

    @abstractmethod
    def features(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch features"]:
        """Inputs of the last layer."""

    @abstractmethod
    def layers(self) -> dict[str, nn.Module]:
        """The modules whose outputs are feature maps, by name, first to last."""

    @abstractmethod
    def filters(self) -> Float[Tensor, "filters channels height width"]:
        """The filters of the first layer."""

    def forward(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.logits(self.features(images))

    def logits(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        """Logits of inputs of the last layer."""
        logits: Tensor = self.head(features)
        return logits


class FastNet(PictureNet):
    """The network with the best accuracy per compute: whitening stem, convolution blocks, one linear layer.

    After airbench94 (Jordan, 2024). There are as many blocks as it takes to reach feature maps of at most 4 pixels, so
    depth grows with the picture; blocks before the last three have the first width.
    """

    def __init__(
        self,
        channels: int,
        size: int,
        classes: int,
        widths: tuple[int, ...],
        depth: int = 2,
        stride: int | None = None,
    ) -> None:
        super().__init__()
        self.pixels = Pixels(channels)
        stride = stride or own_stride(size)
        self.stem = PatchWhitening(channels, max(2, stride), stride)
        first = 2 * channels * self.stem.patch**2
        widths = _stretched(widths, _halvings((size - self.stem.patch) // stride + 1))
        self.blocks = nn.Sequential(
            *(ConvBlock(inputs, outputs, depth) for inputs, outputs in zip((first, *widths), widths, strict=False))
        )
        self.head = nn.Linear(widths[-1], classes, bias=False)
        self.scale = 1 / widths[-1]
        with torch.no_grad():
            self.head.weight.mul_(1 / self.head.weight.std())
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @override
    def prepare(self, images: UInt8[Tensor, "batch height width channels"]) -> None:
        super().prepare(images)
        self.stem.fit(map(self.pixels, in_pieces(images)))

    @override
    def features(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch features"]:
        """The largest value of each feature map."""
        maps = self.blocks(F.gelu(self.stem(self.pixels(images))))
        peaks: Tensor = maps.amax((2, 3))
        return peaks

    @override
    def layers(self) -> dict[str, nn.Module]:
        """The whitened patches, then every convolution after normalisation and activation."""
        layers: dict[str, nn.Module] = {"whitening": self.stem}
        for number, block in enumerate(self.blocks, 1):
            activations = [part for part in block.children() if isinstance(part, nn.GELU)]
            layers |= {f"block {number}, convolution {index}": part for index, part in enumerate(activations, 1)}
        return layers

    @override
    def filters(self) -> Float[Tensor, "filters channels height width"]:
        """The whitening filters, without their negatives."""
        return self.stem.filters[: len(self.stem.filters) // 2]

    @override
    def logits(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch classes"]:
        return super().logits(features) * self.scale


class ClassicNet(PictureNet):
    """The textbook's network: convolution, pooling, flattening, fully connected layers with dropout.

    The network returns logits; the softmax is part of the loss.
    """

    def __init__(self, channels: int, size: int, classes: int, widths: tuple[int, ...], dropout: float = 0.4) -> None:
        super().__init__()
        self.pixels = Pixels(channels)
        blocks = min(len(widths), max(1, int(math.log2(size / 4))))
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (inputs, outputs) in enumerate(zip((channels, *widths), widths[:blocks], strict=False), 1):
            layers[f"convolution_{number}a"] = nn.Conv2d(inputs, outputs, 3, padding=1)
            layers[f"relu_{number}a"] = nn.ReLU()
            layers[f"convolution_{number}b"] = nn.Conv2d(outputs, outputs, 3, padding=1)
            layers[f"relu_{number}b"] = nn.ReLU()
            layers[f"pooling_{number}"] = nn.MaxPool2d(2)
        layers["pooling_last"] = nn.AdaptiveAvgPool2d(min(4, size >> blocks))
        layers["flatten"] = nn.Flatten()
        layers["connected_1"] = nn.Linear(widths[blocks - 1] * min(4, size >> blocks) ** 2, 256)
        layers["relu_connected"] = nn.ReLU()
        layers["dropout"] = nn.Dropout(dropout)
        self.blocks = nn.Sequential(layers)
        self.head = nn.Linear(256, classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @override
    def features(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch features"]:
        hidden: Tensor = self.blocks(self.pixels(images))
        return hidden

    @override
    def layers(self) -> dict[str, nn.Module]:
        """Every convolution after its activation, and every pooling."""
        layers = {name: part for name, part in self.blocks.named_children() if name.startswith(("relu_", "pooling_"))}
        maps = [name for name in layers if name not in ("relu_connected", "pooling_last")]
        return {name.replace("relu", "convolution").replace("_", " "): layers[name] for name in maps}

    @override
    def filters(self) -> Float[Tensor, "filters channels height width"]:
        return self.blocks.get_parameter("convolution_1a.weight")


def in_pieces(images: UInt8[Tensor, "batch height width channels"]) -> tuple[Tensor, ...]:
    """The pictures in batches of about `PIECE` pixels."""
    return torch.split(images, max(1, PIECE // (images.shape[1] * images.shape[2])))


def _identity_conv(inputs: int, outputs: int, pooled: bool) -> nn.Conv2d:
    """A 3×3 convolution initialised as the identity."""
    convolution = Convolution(inputs, outputs, bias=False, pooled=pooled)
    nn.init.dirac_(convolution.weight.data[:inputs])
    return convolution


def _halvings(size: int) -> int:
    """Number of halvings until a map of this size is at most 4 pixels wide."""
    return 0 if size <= 4 else 1 + _halvings(size // 2)


def _stretched(widths: tuple[int, ...], count: int) -> tuple[int, ...]:
    """`count` widths: the first one repeated at the front, or only the last ones."""
    return ((widths[0],) * max(0, count - len(widths)) + widths)[-max(1, count) :]
