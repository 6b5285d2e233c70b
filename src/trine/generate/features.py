"""Spaces in which generated pictures are compared with real ones: each maps pictures to features.

- `lite0`: EfficientNet-Lite0 with ImageNet weights, for any kind of picture.
- A classifier of the pictures at hand is another; whoever calls hands its features in.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.nn.efficientnet import CHUNK, DEVIATION, MEAN, NATIVE, architecture, fused, load_weights, pooled

Features = Callable[[UInt8[np.ndarray, "n height width channels"]], Float[Tensor, "n features"]]
JUDGED = 64
"""Small pictures are enlarged to this side: twice as fast as at 96 pixels, and blur and noise show as well."""


def lite0(size: int) -> Features:
    """Features of EfficientNet-Lite0 for pictures `size` pixels wide, in float32 wherever they are computed.

    Raises `UsageError` when the extra `pretrained` is missing.
    """
    side = min(NATIVE, max(JUDGED, size))
    network = architecture(side)
    load_weights(network)
    network = fused(network)

    @torch.inference_mode()
    def features(images: UInt8[np.ndarray, "n height width channels"]) -> Float[Tensor, "n features"]:
        found = []
        for start in range(0, len(images), 4 * CHUNK):
            batch = torch.from_numpy(np.array(images[start : start + 4 * CHUNK]))
            pixels = ((batch.float() - MEAN) / DEVIATION).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
            found.append(pooled(network, pixels, side))
        return torch.cat(found)

    return features
