"""The inside of a classifier that only the full package gives: Grad-CAM on one scale, and what a layer computes."""

import copy
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from trine.classify.classifier import Classifier
from trine.classify.explain import feature_maps, fine_layer
from trine.classify.network import ClassicNet, FastNet, PatchWhitening, PictureNet, Pixels
from trine.serve.refusals import Refusal
from trine.serve.service import array_json

LEAST_NEEDED = 0.5
"""Smallest log-odds that a decision is taken to need."""


def evidence(model: Classifier, image: np.ndarray, label: str | None) -> dict[str, Any]:
    """Grad-CAM of a class, as parts of the log-odds that the decision needs: the same scale in every picture.

    The log-odds of the class among all classes are what is differentiated. A decision needs those of the threshold,
    less those of a class that is as probable as any other.
    """
    network = copy.deepcopy(model.network)  # hooks are set on it, and other threads may be predicting
    pictures = torch.from_numpy(image.copy())[None].to(model.device.name)
    with torch.no_grad():
        features = network.eval().features(pictures)
        logits = network.logits(features)[0] / model.temperature
    index = _class(model, label, int(logits.argmax()))
    name, layer, is_last = fine_layer(network, pictures)
    heat = _heat(network, layer, is_last, pictures, index) / model.temperature
    chance = 1 / len(model.classes)
    needed = max(LEAST_NEEDED, _log_odds(model.threshold) - _log_odds(chance))
    return {
        "label": model.classes[index],
        "probability": float(torch.softmax(logits, 0)[index]),
        "heat": array_json((heat / needed).cpu().numpy()),
        "evidence": float((_odds_of(logits, index) - _log_odds(chance)) / needed),
        "layer": name,
        "features": array_json(features[0].cpu().numpy()),
        "weights": array_json(network.head.weight[index].detach().cpu().numpy()),
        "logits": logits.tolist(),
    }


def maps_of(model: Classifier, image: np.ndarray) -> dict[str, np.ndarray]:
    """The feature maps of one picture, layer by layer."""
    network = copy.deepcopy(model.network)
    found = feature_maps(network, torch.from_numpy(image.copy())[None].to(model.device.name))
    return {name: maps.numpy() for name, maps in found.items()}


def anatomy(model: Classifier, layer: str | None, chosen: int | None) -> dict[str, Any]:
    """What a layer computes from the maps of the layer before it. Raises `Refusal` (404).

    chosen   index of one filter of its convolution
    """
    network = model.network
    names = list(network.layers())
    name = names[0] if layer is None else layer
    if name not in names:
        raise Refusal(404, f"no layer {name!r:.80}: there are {', '.join(names)}")
    before = names[names.index(name) - 1] if names.index(name) else None
    steps = [_described(part, chosen) for part in _parts(network).get(name, ())]
    if not steps and before is None:
        steps = [_convolution(network.filters(), None, (1, 1), (0, 0), chosen)]
    return {"layer": name, "before": before, "steps": steps}


def _heat(network: PictureNet, layer: nn.Module, is_last: bool, pictures: Tensor, index: int) -> Tensor:
    maps: list[Tensor] = []

    def leaf(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        maps.append(output.detach().requires_grad_())
        return maps[0]

    handle = layer.register_forward_hook(leaf)
    try:
        (gradient,) = torch.autograd.grad(_odds_of(network.eval()(pictures)[0], index), maps)
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True) if is_last else F.relu(gradient)
    return F.relu((weights * maps[0].detach()).sum(1))[0]


def _odds_of(logits: Tensor, index: int) -> Tensor:
    """Log-odds of a class against all others."""
    others = torch.cat([logits[:index], logits[index + 1 :]])
    return logits[index] - torch.logsumexp(others, 0) if len(others) else logits[index]


def _log_odds(probability: float) -> float:
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(inside / (1 - inside))


def _class(model: Classifier, label: str | None, best: int) -> int:
    if label is None:
        return best
    if label not in model.classes:
        raise Refusal(422, f"no class {label!r:.80}: there are {', '.join(model.classes)[:300]}")
    return model.classes.index(label)


def _parts(network: PictureNet) -> dict[str, list[nn.Module]]:
    """The modules between each layer's maps and those of the layer before it; none where they are no chain."""
    if isinstance(network, FastNet):
        chain: list[nn.Module] = [
            network.pixels,
            network.stem,
            nn.GELU(),
            *(part for block in network.blocks for part in block.children()),
        ]
    elif isinstance(network, ClassicNet):
        chain = [network.pixels, *network.blocks.children()]
    else:
        return {}
    names = {id(part): name for name, part in network.layers().items()}
    parts: dict[str, list[nn.Module]] = {}
    gathered: list[nn.Module] = []
    for part in chain:
        gathered.append(part)
        if id(part) in names:
            parts[names[id(part)]], gathered = gathered, []
    return parts


def _described(part: nn.Module, chosen: int | None) -> dict[str, Any]:
    if isinstance(part, Pixels):
        return {"kind": "normalise", "mean": part.mean.tolist(), "deviation": part.deviation.tolist()}
    if isinstance(part, PatchWhitening):
        return _convolution(part.filters, part.bias, (part.stride, part.stride), (0, 0), chosen)
    if isinstance(part, nn.Conv2d):
        stride, padding = (int(part.stride[0]), int(part.stride[1])), (1, 1) if part.padding == "same" else part.padding
        return _convolution(part.weight, part.bias, stride, (int(padding[0]), int(padding[1])), chosen)
    if isinstance(part, nn.MaxPool2d):
        return {"kind": "pool", "size": part.kernel_size}
    if isinstance(part, nn.BatchNorm2d):
        scale = (part.weight / torch.sqrt(_buffer(part.running_var) + part.eps)).detach()
        shift = (part.bias - _buffer(part.running_mean) * scale).detach()
        return {"kind": "normalise maps", "scale": scale.tolist(), "shift": shift.tolist()}
    return {"kind": "activate", "function": type(part).__name__}


def _buffer(values: Tensor | None) -> Tensor:
    assert values is not None
    return values


def _convolution(
    weights: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int], chosen: int | None
) -> dict[str, Any]:
    if chosen is not None and chosen >= len(weights):
        raise Refusal(404, f"no filter {chosen}: the layer has {len(weights)}")
    part = slice(None) if chosen is None else slice(chosen, chosen + 1)
    return {
        "kind": "convolution",
        "filters": len(weights),
        "weights": array_json(weights[part].detach().cpu().numpy()),
        "bias": None if bias is None else bias[part].detach().cpu().tolist(),
        "stride": list(stride),
        "padding": list(padding),
    }
