"""Ways to look at the latent space: paths between pictures, directions that matter, and a map in two dimensions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.drawing import figure, png, styled
from trine.errors import UsageError
from trine.generate import interpolation
from trine.generate.directions import Directions
from trine.generate.generator import Generator, Labels, Pictures
from trine.labels import LONGEST, labels, width
from trine.pictures.batches import evenly
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet
from trine.plurals import quantity
from trine.sheet import labelled_png, over_board

Strip = UInt8[np.ndarray, "steps height width channels"]
MAPPED = 2000
"""Default number of pictures in a map: t-SNE takes seconds for them."""
MAP_WIDTH = 1.4
"""Width of a map, in parts of its height."""
THUMBNAIL = 0.08
"""Longer side of a picture on a map, in parts of the map's height."""
MAP_INCHES = 6.0
"""Height of a map."""
LEGEND, COLUMN = 40, 20
"""Largest number of classes that a map's legend lists, and per column."""
SHORT = 12
"""Width of a class's name in a legend of two columns, in letters."""
MARKERS = "os^Dv"
"""Shapes of points: another one after every ten classes."""
REACH = 2.5
"""A traversal goes from −2.5 to 2.5 standard deviations."""


def slerp(
    start: Float[Tensor, "1 *latent"], end: Float[Tensor, "1 *latent"], steps: int
) -> Float[Tensor, "steps *latent"]:
    """`trine.generate.interpolation.slerp`, of tensors."""
    return torch.from_numpy(interpolation.slerp(start.numpy(), end.numpy(), steps))


def between(model: Generator, ends: Pictures, steps: int = 10, label: Labels = None) -> Strip:
    """A strip of pictures from one given picture to another, interpolated in the latents of every group.

    label   the class of both ends, or of each, for a model with labels; it changes in the middle of the strip
    Raises `DataError`, `UsageError`.
    """
    _check_steps(steps)
    if len(ends) != 2:
        raise UsageError(f"{quantity(len(ends), 'picture')} to interpolate between: give two")
    means = model.encode(ends, label=label).mean
    along = label if label is None or isinstance(label, str) else [label[int(2 * i >= steps)] for i in range(steps)]
    return model.decode([slerp(values[:1], values[1:], steps) for values in means], along)


def between_samples(
    model: Generator, steps: int = 10, seed: int = 0, label: str | None = None, prior: str | None = None
) -> Strip:
    """A strip of pictures from one new picture to another, interpolated in their noise. Raises `UsageError`."""
    _check_steps(steps)
    noise = model.noise(seed)
    groups = [slerp(values[:1], values[1:2], steps) for values in noise.groups]
    return model.from_noise(replace(noise, groups=groups, chance=noise.chance[:1].expand(steps)), label, prior)


@dataclass(frozen=True)
class Traversal:
    """Pictures along directions of the latent space."""

    names: list[str]
    """What each direction is, in words."""
    values: Float[np.ndarray, "steps"]
    """Where each column is along its row's direction, in standard deviations."""
    own: Float[np.ndarray, "rows"]
    """Where the picture itself is along each direction."""
    start: UInt8[np.ndarray, "height width channels"]
    rows: UInt8[np.ndarray, "rows steps height width channels"]


def traverse(
    model: Generator,
    start: Pictures | None = None,
    directions: int = 8,
    steps: int = 9,
    seed: int = 0,
    label: str | None = None,
) -> Traversal:
    """Move a picture along the directions in which the training's pictures differ most.

    Models of former versions keep no directions: single units with the most information take their place.

    start        one picture; without, a new one
    directions   number of directions
    steps        pictures per direction
    label        the picture's class, for a model with labels
    Raises `DataError`, `UsageError`.
    """
    _check_steps(steps)
    if start is not None and len(start) != 1:
        raise UsageError(f"{quantity(len(start), 'picture')} to start from: give one")
    if directions < 1:
        raise UsageError(f"{directions} directions: give 1 or more")
    first = model.sample(1, seed=seed, label=label) if start is None else model.pixels(start)
    latent = model.encode(first, label=label).mean[0][0].numpy()
    names, along = _directions(model, directions)
    own, values = along.at(latent), np.linspace(-REACH, REACH, steps, dtype=np.float32)
    moved = latent + (values[None, :, None] - own[:, None, None]) * along.steps[:, None]
    images = model.decode([torch.from_numpy(moved).flatten(0, 1)], label)
    rows = images.reshape(len(names), steps, *images.shape[1:])
    return Traversal(names, values.astype(np.float64), own.astype(np.float64), first[0], rows)


def _directions(model: Generator, most: int) -> tuple[list[str], Directions]:
    """Names and steps of at most so many directions; a direction and its opposite are one."""
    found = model.directions
    if len(found.steps):
        names = [
            f"direction {index}\n{100 * share:.0f} % of variance" for index, share in enumerate(found.shares[:most], 1)
        ]
        return names, replace(found, steps=found.steps[:most], shares=found.shares[:most])
    information = model.information.numpy()
    numbers = Directions.along_numbers(information)
    chosen = replace(numbers, steps=numbers.steps[:most], shares=numbers.shares[:most])
    return [f"number {unit}\n{information[unit]:.2f} nats" for unit in chosen.steps.argmax(1)], chosen


def draw_traversal(
    model: Generator,
    start: Pictures | None = None,
    directions: int = 8,
    steps: int = 9,
    seed: int = 0,
    label: str | None = None,
) -> tuple[Traversal, bytes]:
    """`traverse`, and its picture as a PNG: a row per direction, its values above the columns.

    The picture that is started from is on the left; a frame marks the value of each row that is nearest to its own.
    Raises `DataError`, `UsageError`.
    """
    found = traverse(model, start, directions, steps, seed, label)
    beside = np.full_like(found.rows[:, :1], 255)
    beside[0] = found.start
    what = "direction of the latent space" if len(model.directions.steps) else "latent number"
    sheet = labelled_png(
        np.concatenate([beside, found.rows], 1).reshape(-1, *found.start.shape),
        found.names,
        ["new" if start is None else "picture", *(_signed(value) for value in found.values.tolist())],
        f"one {what} at a time, in standard deviations; framed: the picture's own value",
        framed=[(row, 1 + int(np.abs(found.values - own).argmin())) for row, own in enumerate(found.own.tolist())],
    )
    return found, sheet


@styled
def draw_map(model: Generator, opened: PictureSet, split: str | None = None, most: int = MAPPED) -> bytes:
    """Latent vectors in two dimensions (t-SNE) as a PNG: points coloured by label, and some of the pictures.

    split   without, test, else validation, else train
    most    largest number of pictures
    Raises `DataError`.
    """
    _, chosen = opened.chosen_split(split)
    sampled = evenly(len(chosen), most)
    images = as_channels(chosen.images[sampled], model.channels)
    classes = np.zeros(len(images), np.int64) if chosen.labels is None else np.asarray(chosen.labels)[sampled]
    points = _in_two_dimensions(model.codec.encode_top(images)[0].numpy(), model.recipe.seed)
    low, high = points.min(0), points.max(0)
    points = (points - low) / np.maximum(high - low, 1e-9) * (MAP_WIDTH, 1)
    names = [] if chosen.labels is None else labels(opened.classes, SHORT if len(opened.classes) > COLUMN else LONGEST)
    drawn, axes = _map_axes(names)
    for number in np.unique(classes).tolist():
        axes.scatter(*points[classes == number].T, s=18, **_look(number), label=names[number] if names else None)
    mixed = np.random.default_rng(model.recipe.seed).permutation(len(points))  # sets are often sorted by class
    for index in mixed[apart(points[mixed], 1.2 * THUMBNAIL)]:
        _place(axes, points[index], images[index], str(_look(int(classes[index]))["color"]))
    edge = THUMBNAIL / 2 + 0.01
    axes.set(xlim=(-edge, MAP_WIDTH + edge), ylim=(-edge, 1 + edge), xticks=[], yticks=[], aspect="equal")
    axes.set_title(f"latent vectors of {len(images):,} pictures, in two dimensions (t-SNE)")
    if names:
        _add_legend(axes)
    return png(drawn)


def apart(points: Float[np.ndarray, "n 2"], side: float) -> list[int]:
    """Indices of points at which squares of this side do not overlap: each is far enough from all chosen before."""
    chosen: list[int] = []
    for index, point in enumerate(points):
        if not chosen or (np.abs(points[chosen] - point).max(1) > side).all():
            chosen.append(index)
    return chosen


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−") if abs(value) > 0.05 else "0"


def _look(number: int) -> dict[str, str]:
    """Colour and marker of a class: no two of the first 50 look the same."""
    return {"color": f"C{number % 10}", "marker": MARKERS[number // 10 % len(MARKERS)]}


def _place(axes: Any, point: Float[np.ndarray, "2"], image: UInt8[np.ndarray, "h w c"], colour: str) -> None:
    """A small picture at a point of the map, framed in the colour of its class."""
    from matplotlib.patches import Rectangle

    high, wide = (THUMBNAIL * side / max(image.shape[:2]) for side in image.shape[:2])
    left, bottom = point[0] - wide / 2, point[1] - high / 2
    extent = (left, left + wide, bottom, bottom + high)
    axes.imshow(over_board(image[None]).squeeze(), cmap="gray", vmin=0, vmax=255, extent=extent, zorder=3)
    corner = Rectangle((left, bottom), wide, high, fill=False, edgecolor=colour, linewidth=2, zorder=4)
    axes.add_patch(corner)


def _map_axes(names: Sequence[str]) -> tuple[Any, Any]:
    """A figure and the axes of a map, with space on the right for the names of classes in a legend."""
    across, columns = MAP_INCHES * MAP_WIDTH, math.ceil(min(len(names), LEGEND) / COLUMN)
    beside = columns * (0.1 * max(map(width, names), default=0) + 0.6) + 0.3
    drawn, axes = figure(width=across + max(beside, 1.8 if names else 0.3), height=MAP_INCHES + 0.5)
    drawn.set_layout_engine("none")
    wide, high = drawn.get_size_inches()
    axes.set_position((0.1 / wide, 0.1 / high, across / wide, MAP_INCHES / high))
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return drawn, axes


def _add_legend(axes: Any) -> None:
    """The classes beside the map, in up to two columns; of more, the first ones, and how many are left out."""
    handles, names = axes.get_legend_handles_labels()
    left = len(names) - LEGEND
    axes.legend(
        handles[:LEGEND],
        names[:LEGEND],
        title=f"classes, and {left:,} more" if left > 0 else None,
        markerscale=2,
        ncols=math.ceil(min(len(names), LEGEND) / COLUMN),
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        borderaxespad=0,
        handlelength=1,
        columnspacing=1,
    )


def _in_two_dimensions(latents: Float[np.ndarray, "n latent"], seed: int) -> Float[np.ndarray, "n 2"]:
    if latents.shape[1] <= 2 or len(latents) < 5:
        return np.pad(latents, ((0, 0), (0, 1)))[:, :2]
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(latents) - 1) / 3)
    return np.asarray(TSNE(random_state=seed, init="pca", perplexity=perplexity).fit_transform(latents))


def _check_steps(steps: int) -> None:
    if not 2 <= steps <= 1000:
        raise UsageError(f"{quantity(steps, 'step')}: give 2 to 1000")
