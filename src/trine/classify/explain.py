"""What a classifier looks at, as pictures: Grad-CAM, the first layer's filters with their maps, all layers' maps."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from trine import files
from trine.classify.classifier import Classifier
from trine.classify.network import PictureNet
from trine.classify.predictor import Prediction
from trine.drawing import SMALL, figure, png, styled
from trine.errors import DataError
from trine.labels import labels
from trine.pictures.decode import read_picture

FINE = 5
"""Smallest side of the maps that Grad-CAM uses, in pixels: it takes the last layer with such maps."""
LAYERS, MAPS = 7, 6
"""Layers shown, and feature maps per layer: those with the largest mean."""
FILTERS = 64
"""Largest number of filters shown."""
PAIRS = 8
"""Filters shown beside their maps of a picture: the strongest, in two columns."""
WIDTHS = (2.4, 1, 1, 1, 1)
"""Relative widths of the picture, and of two columns of filters and maps."""


def explain(classifier: Classifier, paths: Sequence[str | Path], out: str | Path) -> list[Path]:
    """Write pictures into `out`: `filters.png`, and for each picture three.

    `….png` is Grad-CAM of its two most probable classes, `…-maps.png` the feature maps of each layer, `…-filters.png`
    the first layer's filters beside their maps.

    Returns the files written. Raises `DataError` for a picture that cannot be read, `RunError` when `out` cannot be
    written.
    """
    network = copy.deepcopy(classifier.network)  # hooks are set on it, and other threads may be predicting
    written = [_write(Path(out) / "filters.png", draw_filters(network.filters()))]
    for name, path in zip(_names(paths), paths, strict=True):
        prediction = classifier.predict([path])[0]
        if prediction.error:
            raise DataError(prediction.error)
        image = read_picture(path, (classifier.size, classifier.size), classifier.channels, reading=classifier.reading)
        pictures = torch.from_numpy(image.copy())[None].to(classifier.device.name)
        wanted = [classifier.classes.index(name) for name, _ in prediction.top[:2]]
        named = [labels(classifier.classes)[index] for index in wanted]
        heats = [grad_cam(network, pictures, index).cpu().numpy() for index in wanted]
        written.append(_write(Path(out) / f"{name}.png", draw_heat(image, prediction, heats, named)))
        maps = feature_maps(network, pictures)
        written.append(_write(Path(out) / f"{name}-maps.png", draw_maps(maps)))
        pairs = draw_responses(image, network.filters(), next(iter(maps.values())))
        written.append(_write(Path(out) / f"{name}-filters.png", pairs))
    return written


def feature_maps(
    network: PictureNet, images: UInt8[Tensor, "1 height width channels"]
) -> dict[str, Float[Tensor, "maps rows columns"]]:
    """Feature maps of one picture, layer by layer. Sets hooks on the network meanwhile."""
    maps: dict[str, Tensor] = {}

    def keeping(name: str) -> Any:
        return lambda _module, _inputs, output: maps.__setitem__(name, output[0].detach().float().cpu())

    handles = [part.register_forward_hook(keeping(name)) for name, part in network.layers().items()]
    try:
        with torch.no_grad():
            network.eval()(images)
    finally:
        for handle in handles:
            handle.remove()
    return maps


def grad_cam(
    network: PictureNet, images: UInt8[Tensor, "1 height width channels"], label: int
) -> Float[Tensor, "height width"]:
    """Evidence for a class at each pixel of one picture, 0 to 1. Sets hooks on the network meanwhile.

    The last layer's maps are weighted by the mean gradient of the class's logit, summed, clipped at zero and enlarged
    to the picture (Selvaraju et al., 2017). Where that layer is too coarse, an earlier layer's maps are weighted pixel
    by pixel with the positive gradient (LayerCAM; Jiang et al., 2021): a mean would mix distant pixels.
    """
    maps: list[Tensor] = []

    def leaf(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        maps.append(output.detach().requires_grad_())
        return maps[0]

    _, layer, is_last = fine_layer(network, images)
    handle = layer.register_forward_hook(leaf)
    try:
        (gradient,) = torch.autograd.grad(network.eval()(images)[0, label], maps)
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True) if is_last else F.relu(gradient)
    heat = F.relu((weights * maps[0].detach()).sum(1, keepdim=True))
    heat = F.interpolate(heat, size=images.shape[1:3], mode="bilinear", align_corners=False)[0, 0]
    return heat / heat.amax().clamp_min(1e-12)


@styled
def draw_heat(
    image: UInt8[np.ndarray, "height width channels"],
    prediction: Prediction,
    heats: list[Float[np.ndarray, "height width"]],
    names: Sequence[str],
) -> bytes:
    """The picture, and over it the evidence for its most probable classes; `names` are theirs in the figure."""
    drawn, axes = figure(1, 1 + len(heats), width=3.2 * (1 + len(heats)), height=4.1)
    _show(axes[0], image, "the picture" + (", abstain" if prediction.abstain else ""))
    for place, heat, name, (_, probability) in zip(axes[1:], heats, names, prediction.top, strict=False):
        grey = image.astype(np.float32).mean(2) / 255
        _show(place, np.repeat(grey[..., None], 3, 2), f"{name}\n{100 * probability:.1f} %")
        shown = place.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.15 + 0.65 * heat, interpolation="bilinear")
    bar = drawn.colorbar(shown, ax=list(axes), shrink=0.8, pad=0.02)
    bar.set_ticks([0, 1], labels=["none", "most"])
    drawn.suptitle("evidence for each class (Grad-CAM)")
    return png(drawn)


@styled
def draw_filters(filters: Float[Tensor, "filters channels height width"]) -> bytes:
    """The first layer's filters, in colour for colour pictures; grey is zero."""
    shown = filters[:FILTERS]
    columns = min(len(shown), 8)
    rows = -(-len(shown) // columns)
    drawn, axes = figure(rows, columns, width=max(6.0, 0.9 * columns + 0.4), height=0.9 * rows + 0.8)
    for place in np.ravel(axes):
        place.axis("off")
    for place, weights in zip(np.ravel(axes), shown, strict=False):
        place.imshow(_scaled(weights), cmap="gray", vmin=0, vmax=1)
    drawn.suptitle(f"the first layer's {len(shown)} filters; white: positive")
    return png(drawn)


@styled
def draw_maps(maps: dict[str, Float[Tensor, "maps rows columns"]]) -> bytes:
    """The strongest feature maps of each layer, one row per layer."""
    names = list(maps)
    chosen = [names[index] for index in sorted({round(i) for i in np.linspace(0, len(names) - 1, LAYERS)})]
    drawn, axes = figure(len(chosen), MAPS + 1, width=10, height=1.1 * len(chosen) + 0.5)
    axes = axes.reshape(len(chosen), MAPS + 1)
    for place in axes.flat:
        place.axis("off")
    for row, name in zip(axes, chosen, strict=True):
        count, height, across = maps[name].shape
        _label(row[0], "\n".join([*name.split(", "), f"{count} maps of {height}×{across}"]))
        for place, one in zip(row[1:], _strongest(maps[name]), strict=False):
            _show_map(place, one, _is_signed(maps[name]))
    drawn.suptitle("feature maps, first layer to last: the strongest of each")
    return png(drawn)


@styled
def draw_responses(
    image: UInt8[np.ndarray, "height width channels"],
    filters: Float[Tensor, "filters channels _ _"],
    maps: Float[Tensor, "maps rows columns"],
) -> bytes:
    """The picture, and the first layer's filters that respond most to it, each beside its map of the picture.

    The strongest are those whose maps vary most, from top to bottom, then in the second column.
    """
    strength = maps[: len(filters)].std((1, 2))
    order = strength.argsort(descending=True)[:PAIRS].tolist()
    rows = -(-len(order) // 2)
    drawn, axes = figure(rows, 5, width=10.5, height=1.0 + 1.35 * max(2, rows), squeeze=False, width_ratios=WIDTHS)
    grid = axes[0, 0].get_gridspec()
    for place in axes[:, 0]:
        place.remove()
    _show(drawn.add_subplot(grid[:, 0]), image, "the picture")
    places = np.concatenate([axes[:, 1:3], axes[:, 3:]])
    for place in places.flat:
        place.axis("off")
    for (left, right), index in zip(places, order, strict=False):
        _show(left, _scaled(filters[index]), f"filter {index}")
        _show_map(right, maps[index], _is_signed(maps), "its map")
    drawn.suptitle("filters of the first layer, strongest first, and what each finds in the picture")
    return png(drawn)


def _scaled(weights: Float[Tensor, "channels height width"]) -> Float[np.ndarray, "height width channels"]:
    """A filter as levels from 0 to 1: grey is zero."""
    values = weights.detach().float().cpu().permute(1, 2, 0).numpy()
    return np.asarray(0.5 + 0.5 * values / max(float(np.abs(values).max()), 1e-12))


def _is_signed(maps: Float[Tensor, "maps rows columns"]) -> bool:
    """Whether a layer's values are as often negative: they follow no activation."""
    return bool(maps.amin() < -0.3 * maps.amax())


def _show_map(place: Any, values: Float[Tensor, "rows columns"], signed: bool, title: str = "") -> None:
    """A feature map: a signed one in red (positive) and blue, white being zero."""
    largest = float(values.abs().max()) or 1.0
    brightest = max(0.0, float(values.max()))  # a map behind GELU can be negative everywhere
    limits = (
        {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
        if signed
        else {"cmap": "viridis", "vmin": 0, "vmax": brightest}
    )
    place.imshow(values.numpy(), **limits)
    place.set_title(title)


def _strongest(maps: Float[Tensor, "maps rows columns"]) -> Float[Tensor, "few rows columns"]:
    strength = maps.clamp_min(0).mean((1, 2))
    return maps[strength.topk(min(MAPS, len(maps))).indices]


def fine_layer(network: PictureNet, images: UInt8[Tensor, "1 height width channels"]) -> tuple[str, nn.Module, bool]:
    """The last layer whose maps have at least `FINE` pixels a side, else the finest; and whether it is the last."""
    sides = {name: min(maps.shape[1:]) for name, maps in feature_maps(network, images).items()}
    needed = min(FINE, max(sides.values()))
    name = [name for name, side in sides.items() if side >= needed][-1]
    return name, network.layers()[name], name == list(sides)[-1]


def _show(place: Any, image: np.ndarray, title: str) -> None:
    place.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    place.set_title(title)
    place.axis("off")


def _label(place: Any, text: str) -> None:
    place.text(1, 0.5, text, ha="right", va="center", fontsize=SMALL, transform=place.transAxes)


def _names(paths: Sequence[str | Path]) -> list[str]:
    """A file name for each picture: its own without the suffix, numbered when two are equal."""
    names: list[str] = []
    for path in paths:
        stem = Path(path).stem
        taken = (f"{stem}-{number}" if number else stem for number in range(len(paths) + 1))
        names.append(next(name for name in taken if name not in (*names, "filters")))
    return names


def _write(path: Path, content: bytes) -> Path:
    files.write_bytes(path, content)
    return path
