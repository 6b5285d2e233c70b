"""A trained network applied to many pictures: logits and features."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.classify import augment
from trine.classify.look import look
from trine.classify.network import PictureNet
from trine.classify.novelty import Seen
from trine.device import Device
from trine.pictures.batches import at_once, batches


@torch.inference_mode()
def predict_logits(
    network: PictureNet,
    images: UInt8[np.ndarray, "n height width channels"],
    device: Device,
    tta: bool = False,
    flip: bool = True,
) -> Float[Tensor, "n classes"]:
    """Logits of pictures; with `tta` the weighted mean over test-time views. The network is in evaluation mode."""
    logits = []
    for _, weighted in _weighted_views(network, images, device, tta, flip):
        with device.autocast():
            logits.append(torch.stack([weight * network(view).float() for weight, view in weighted]).sum(0).cpu())
    return torch.cat(logits)


@torch.inference_mode()
def predict_seen(
    network: PictureNet,
    images: UInt8[np.ndarray, "n height width channels"],
    device: Device,
    tta: bool = False,
    flip: bool = True,
) -> Seen:
    """Look, features and logits of pictures; with `tta` the logits are those of `predict_logits` with it."""
    parts = []
    for batch, weighted in _weighted_views(network, images, device, tta, flip):
        with device.autocast():
            features = [network.features(view) for _, view in weighted]
            views = [
                weight * network.logits(each).float() for (weight, _), each in zip(weighted, features, strict=True)
            ]
        parts.append(Seen(look(batch).cpu(), features[0].float().cpu(), torch.stack(views).sum(0).cpu()))
    return Seen.joined(parts)


@torch.inference_mode()
def predict_features(
    network: PictureNet,
    images: UInt8[np.ndarray, "n height width channels"] | Iterator[Tensor],
    device: Device,
) -> Float[Tensor, "n features"]:
    """Inputs of the last layer for pictures, given as an array or batch by batch."""
    prepared = device_batches(images, device) if isinstance(images, np.ndarray) else images
    with device.autocast():
        return torch.cat([network.features(batch.to(device.name)).float().cpu() for batch in prepared])


def device_batches(images: UInt8[np.ndarray, "n height width channels"], device: Device) -> Iterator[Tensor]:
    """Batches of a size that suits the pictures, on the device."""
    return (batch.to(device.name) for batch in batches(images, at_once(*images.shape[1:3])))


def _weighted_views(
    network: PictureNet, images: UInt8[np.ndarray, "n height width channels"], device: Device, tta: bool, flip: bool
) -> Iterator[tuple[Tensor, list[tuple[float, Tensor]]]]:
    """Each batch with its test-time views and their weights; without `tta`, the batch itself is the only view."""
    for batch in device_batches(images, device):
        yield batch, augment.views(batch, flip, network.view_shift) if tta else [(1.0, batch)]
