"""Ways to look at the latent space: paths between pictures, single units changed, and a map in two dimensions."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.drawing import figure, png
from trine.errors import UsageError
from trine.generate.generator import Generator
from trine.pictures.batches import evenly
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet
from trine.plurals import quantity
from trine.sheet import grid_png

Strip = UInt8[np.ndarray, "steps height width channels"]
MAPPED = 2000
"""Default number of pictures in a map: t-SNE takes seconds for them."""
THUMBNAIL = 32
"""Side of a picture on a map of thumbnails, in pixels: larger ones are thinned out."""
LEGEND = 20
"""Largest number of classes that a map's legend lists."""
REACH = 2.5
"""A traversed unit goes from −2.5 to 2.5, in standard deviations of its prior N(0, 1)."""


def slerp(
    start: Float[Tensor, "1 *latent"], end: Float[Tensor, "1 *latent"], steps: int
) -> Float[Tensor, "steps *latent"]:
    """Spherical interpolation with both ends included; the norm changes linearly.

    Latents of N(0, I) are near a sphere. A straight line would pass near its centre, where no latents are (White,
    "Sampling generative networks", 2016).
    """
    share = torch.linspace(0, 1, steps).view(-1, *[1] * (start.dim() - 1))
    angle = torch.arccos(F.cosine_similarity(start.flatten(), end.flatten(), 0).clamp(-1, 1))
    if not 1e-3 < angle < torch.pi - 1e-3 or not start.any() or not end.any():  # the arc is not unique
        return torch.lerp(start, end, share)
    directions = torch.sin((1 - share) * angle) * start / start.norm() + torch.sin(share * angle) * end / end.norm()
    points: Tensor = directions / torch.sin(angle) * torch.lerp(start.norm(), end.norm(), share)
    return points


def between(model: Generator, ends: UInt8[np.ndarray, "n height width channels"], steps: int = 10) -> Strip:
    """A strip of pictures from one given picture to another, interpolated in the latents of every group.

    Raises `UsageError`.
    """
    _check_steps(steps)
    if len(ends) != 2:
        raise UsageError(f"{quantity(len(ends), 'picture')} to interpolate between: give two")
    means = model.encode(ends).mean
    return model.decode([slerp(values[:1], values[1:], steps) for values in means])


def between_samples(
    model: Generator, steps: int = 10, seed: int = 0, label: str | None = None, prior: str | None = None
) -> Strip:
    """A strip of pictures from one new picture to another, interpolated in their noise. Raises `UsageError`."""
    _check_steps(steps)
    noise = model.noise(seed)
    groups = [slerp(values[:1], values[1:2], steps) for values in noise.groups]
    return model.from_noise(replace(noise, groups=groups, chance=noise.chance[:1].expand(steps)), label, prior)


def traverse(
    model: Generator,
    start: UInt8[np.ndarray, "starts height width channels"] | None = None,
    directions: int = 8,
    steps: int = 9,
    seed: int = 0,
) -> tuple[list[int], UInt8[np.ndarray, "n height width channels"]]:
    """Change single units of the latent vector: those with the most information about a picture.

    start        one picture, whose latent vector is changed; without, a new picture
    directions   number of units
    steps        pictures per unit
    Returns the units' indices, and pictures in order: `steps` per unit. Raises `UsageError`.
    """
    _check_steps(steps)
    if start is not None and len(start) != 1:
        raise UsageError(f"{quantity(len(start), 'picture')} to start from: give one")
    if directions < 1:
        raise UsageError(f"{directions} directions: give 1 or more")
    units = model.information.argsort(descending=True)[:directions].tolist()
    first = model.sample(1, seed=seed) if start is None else start
    rows = model.encode(first).mean[0][0].repeat(len(units), steps, 1)
    for row, unit in zip(rows, units, strict=True):
        row[:, unit] = torch.linspace(-REACH, REACH, steps)
    return units, model.decode([rows.flatten(0, 1)])


def draw_map(model: Generator, opened: PictureSet, split: str | None = None, most: int = MAPPED) -> bytes:
    """Latent vectors in two dimensions (t-SNE), coloured by label, as a PNG.

    split   without, test, else validation, else train
    most    largest number of pictures
    Raises `DataError`.
    """
    _, chosen = opened.chosen_split(split)
    sampled = evenly(len(chosen), most)  # sets are often sorted by class
    images = as_channels(chosen.images[sampled], model.channels)
    labels = None if chosen.labels is None else chosen.labels[sampled]
    drawn, axes = figure(width=7, height=6)
    points = _in_two_dimensions(model.codec.encode_top(images)[0].numpy(), model.recipe.seed)
    if labels is None:
        axes.scatter(*points.T, s=6)
    for number in np.unique(labels if labels is not None else []):
        axes.scatter(*points[labels == number].T, s=6, color=f"C{number % 10}", label=opened.classes[int(number)])
    if labels is not None and len(opened.classes) <= LEGEND:
        axes.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set(xticks=[], yticks=[], title=f"latent vectors of {len(images):,} pictures, in two dimensions")
    return png(drawn)


def thumbnail_map(model: Generator, images: UInt8[np.ndarray, "n height width channels"], across: int = 24) -> bytes:
    """A map of latent vectors in two dimensions (t-SNE), as a PNG: pictures at their places, none on another.

    across   places in a row and in a column; of the pictures of one place, the first is shown
    """
    points = _in_two_dimensions(model.codec.encode_top(images)[0].numpy(), model.recipe.seed)
    low, high = points.min(0), points.max(0)
    cells = np.minimum((points - low) / np.maximum(high - low, 1e-9) * across, across - 1).astype(np.int64)
    sheet = np.full((across * across, *images.shape[1:]), 255, np.uint8)
    for place, image in zip(reversed(cells[:, 1] * across + cells[:, 0]), reversed(images), strict=True):
        sheet[place] = image
    step = max(1, images.shape[1] // THUMBNAIL)
    return grid_png(sheet[:, ::step, ::step], columns=across)


def _in_two_dimensions(latents: Float[np.ndarray, "n latent"], seed: int) -> Float[np.ndarray, "n 2"]:
    if latents.shape[1] <= 2 or len(latents) < 5:
        return np.pad(latents, ((0, 0), (0, 1)))[:, :2]
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(latents) - 1) / 3)
    return np.asarray(TSNE(random_state=seed, init="pca", perplexity=perplexity).fit_transform(latents))


def _check_steps(steps: int) -> None:
    if not 2 <= steps <= 1000:
        raise UsageError(f"{quantity(steps, 'step')}: give 2 to 1000")
