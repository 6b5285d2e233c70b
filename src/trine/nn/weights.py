"""Weights between torch and files: as arrays in a bundle, as tensors in a checkpoint."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def arrays_of(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors' values, on the processor."""
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def tensors_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The arrays as tensors that share their memory."""
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The content of a safetensors file; tied weights are stored separately.

    safetensors' own function that writes a file does not report a full disk as an `OSError`.
    """
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()})
