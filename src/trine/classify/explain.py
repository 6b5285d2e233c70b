"""What a classifier looks at, as pictures: where (Grad-CAM), with which filters, and what each layer makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from trine import files
from trine.classify.classifier import Classifier, Prediction
from trine.classify.network import PictureNet
from trine.drawing import figure, png
from trine.errors import DataError
from trine.pictures.decode import read_picture

FINE = 5
"""Grad-CAM looks at the last layer whose maps are at least so many pixels wide."""
LAYERS, MAPS = 8, 8
"""Layers of the feature maps' picture, and maps of each: those with the largest mean."""
FILTERS = 64


def explain(classifier: Classifier, paths: Sequence[str | Path], out: str | Path) -> list[Path]:
    """Write `filters.png`, and for each picture Grad-CAM of the two likeliest classes and `…-maps.png`, into `out`.

    Returns the files written. Raises `DataError` for a picture that cannot be read, `RunError` when `out` cannot be
    written.
    """
    written = [_write(Path(out) / "filters.png", draw_filters(classifier.model.filters()))]
    for name, path in zip(_names(paths), paths, strict=True):
        said = classifier.predict([path])[0]
        if said.error:
            raise DataError(said.error)
        image = read_picture(path, (classifier.size, classifier.size), classifier.channels)
        pictures = torch.from_numpy(image.copy())[None].to(classifier.device.name)
        wanted = [classifier.classes.index(label) for label, _ in said.top[:2]]
        heats = [grad_cam(classifier.model, pictures, index).cpu().numpy() for index in wanted]
        written.append(_write(Path(out) / f"{name}.png", draw_heat(image, said, heats)))
        maps = feature_maps(classifier.model, pictures)
        written.append(_write(Path(out) / f"{name}-maps.png", draw_maps(maps)))
    return written


def feature_maps(
    model: PictureNet, images: UInt8[Tensor, "1 height width channels"]
) -> dict[str, Float[Tensor, "maps rows columns"]]:
    """What each layer makes of one picture, first to last."""
    found: dict[str, Tensor] = {}

    def keeping(name: str) -> Any:
        return lambda _module, _inputs, output: found.__setitem__(name, output[0].detach().float().cpu())

    handles = [part.register_forward_hook(keeping(name)) for name, part in model.layers().items()]
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        for handle in handles:
            handle.remove()
    return found


def grad_cam(
    model: PictureNet, images: UInt8[Tensor, "1 height width channels"], label: int
) -> Float[Tensor, "height width"]:
    """Where one picture speaks for a class, 0 to 1.

    The last layer's maps, weighted by the mean gradient of the class's logit, summed, cut at zero, enlarged to the
    picture (Selvaraju et al., 2017). Where that layer is too coarse, an earlier one's, weighted place by place by what
    speaks for the class (LayerCAM; Jiang et al., 2021): one mean over its places would mix what is far apart.
    """
    maps: list[Tensor] = []

    def leaf(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        maps.append(output.detach().requires_grad_())
        return maps[0]

    layer, is_last = _fine_layer(model, images)
    handle = layer.register_forward_hook(leaf)
    try:
        (gradient,) = torch.autograd.grad(model.eval()(images)[0, label], maps)
    finally:
        handle.remove()
    weights = gradient.mean((2, 3), keepdim=True) if is_last else F.relu(gradient)
    heat = F.relu((weights * maps[0].detach()).sum(1, keepdim=True))
    heat = F.interpolate(heat, size=images.shape[1:3], mode="bilinear", align_corners=False)[0, 0]
    return heat / heat.amax().clamp_min(1e-12)


def draw_heat(
    image: UInt8[np.ndarray, "height width channels"], said: Prediction, heats: list[Float[np.ndarray, "height width"]]
) -> bytes:
    """The picture, and over it what speaks for the likeliest classes."""
    drawn, axes = figure(1, 1 + len(heats), width=3 * (1 + len(heats)), height=3.5)
    _show(axes[0], image, "the picture" + (", abstain" if said.abstain else ""))
    for place, heat, (label, probability) in zip(axes[1:], heats, said.top, strict=False):
        grey = image.astype(np.float32).mean(2) / 255
        _show(place, np.repeat(grey[..., None], 3, 2), f"{label}: {100 * probability:.1f} %")
        shown = place.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.15 + 0.65 * heat, interpolation="bilinear")
    bar = drawn.colorbar(shown, ax=list(axes), shrink=0.8, pad=0.02)
    bar.set_ticks([0, 1], labels=["no part", "most"])
    drawn.suptitle("what speaks for each class (Grad-CAM)", fontsize=10)
    return png(drawn)


def draw_filters(filters: Float[Tensor, "filters channels height width"]) -> bytes:
    """The first layer's filters, in colour when they see colour; grey is zero."""
    shown = filters[:FILTERS].detach().float().cpu().permute(0, 2, 3, 1).numpy()
    columns = min(len(shown), 8)
    rows = -(-len(shown) // columns)
    drawn, axes = figure(rows, columns, width=0.8 * columns + 0.4, height=0.8 * rows + 0.7)
    for place in np.ravel(axes):
        place.axis("off")
    for place, weights in zip(np.ravel(axes), shown, strict=False):
        place.imshow(0.5 + 0.5 * weights / max(float(np.abs(weights).max()), 1e-12), cmap="gray", vmin=0, vmax=1)
    drawn.suptitle(f"the first layer's {len(shown)} filters, each scaled to its largest weight", fontsize=9)
    return png(drawn)


def draw_maps(maps: dict[str, Float[Tensor, "maps rows columns"]]) -> bytes:
    """A row a layer: its strongest feature maps."""
    names = list(maps)
    chosen = [names[index] for index in sorted({round(i) for i in np.linspace(0, len(names) - 1, LAYERS)})]
    drawn, axes = figure(len(chosen), MAPS + 1, width=0.95 * MAPS + 3.2, height=1.05 * len(chosen) + 0.5)
    axes = axes.reshape(len(chosen), MAPS + 1)
    for place in axes.flat:
        place.axis("off")
    for row, name in zip(axes, chosen, strict=True):
        _label(row[0], f"{name}\n{maps[name].shape[0]} maps of {maps[name].shape[1]}×{maps[name].shape[2]}")
        for place, one in zip(row[1:], _strongest(maps[name]), strict=False):
            place.imshow(one.numpy(), cmap="viridis")
    drawn.suptitle("feature maps, first layer to last: the strongest of each", fontsize=10)
    return png(drawn)


def _strongest(maps: Float[Tensor, "maps rows columns"]) -> Float[Tensor, "few rows columns"]:
    strength = maps.clamp_min(0).mean((1, 2))
    return maps[strength.topk(min(MAPS, len(maps))).indices]


def _fine_layer(model: PictureNet, images: UInt8[Tensor, "1 height width channels"]) -> tuple[nn.Module, bool]:
    """The last layer whose maps are fine enough to show a place, or the finest there is; and whether it is the last."""
    sides = {name: min(maps.shape[1:]) for name, maps in feature_maps(model, images).items()}
    needed = min(FINE, max(sides.values()))
    name = [name for name, side in sides.items() if side >= needed][-1]
    return model.layers()[name], name == list(sides)[-1]


def _show(place: Any, image: np.ndarray, title: str) -> None:
    place.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else 1)
    place.set_title(title)
    place.axis("off")


def _label(place: Any, text: str) -> None:
    place.text(1, 0.5, text, ha="right", va="center", fontsize=7, transform=place.transAxes)


def _names(paths: Sequence[str | Path]) -> list[str]:
    """A name for each picture's files: its own without the ending, numbered when two are called the same."""
    names: list[str] = []
    for path in paths:
        stem = Path(path).stem
        taken = (f"{stem}-{number}" if number else stem for number in range(len(paths) + 1))
        names.append(next(name for name in taken if name not in (*names, "filters")))
    return names


def _write(path: Path, content: bytes) -> Path:
    files.write_bytes(path, content)
    return path
