"""Paths through the latent space: between two pictures, along single units, and a map in two dimensions."""

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

Strip = UInt8[np.ndarray, "steps height width channels"]
MAPPED = 2000
"""Largest number of pictures in a map."""
REACH = 2.5
"""Range of a traversed unit: ± this, in standard deviations of N(0, 1)."""


def slerp(
    start: Float[Tensor, "1 *latent"], end: Float[Tensor, "1 *latent"], steps: int
) -> Float[Tensor, "steps *latent"]:
    """Spherical interpolation, both ends included; the norm changes linearly.

    Latents of N(0, I) lie near a sphere: a straight line would pass through its empty centre (White, 2016).
    """
    share = torch.linspace(0, 1, steps).view(-1, *[1] * (start.dim() - 1))
    angle = torch.arccos(F.cosine_similarity(start.flatten(), end.flatten(), 0).clamp(-1, 1))
    if not 1e-3 < angle < torch.pi - 1e-3 or not start.any() or not end.any():  # no unique arc
        return torch.lerp(start, end, share)
    directions = torch.sin((1 - share) * angle) * start / start.norm() + torch.sin(share * angle) * end / end.norm()
    points: Tensor = directions / torch.sin(angle) * torch.lerp(start.norm(), end.norm(), share)
    return points


def between(model: Generator, ends: UInt8[np.ndarray, "n height width channels"], steps: int = 10) -> Strip:
    """Pictures between two given pictures, interpolated in the latents of every group. Raises `UsageError`."""
    _check_steps(steps)
    if len(ends) != 2:
        raise UsageError(f"{len(ends)} pictures to interpolate between: give two")
    means = model.encode(ends).mean
    return model.decode([slerp(values[:1], values[1:], steps) for values in means])


def between_samples(
    model: Generator, steps: int = 10, seed: int = 0, label: str | None = None, prior: str | None = None
) -> Strip:
    """Pictures between two new pictures, interpolated in their noise."""
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
    """Indices of the latent units with the most information, and pictures along each: one row per unit.

    start        the picture to start from; without, a new one
    directions   number of units
    """
    _check_steps(steps)
    if start is not None and len(start) != 1:
        raise UsageError(f"{len(start)} pictures to start from: give one")
    if directions < 1:
        raise UsageError(f"{directions} directions: give 1 or more")
    units = model.information.argsort(descending=True)[:directions].tolist()
    first = model.sample(1, seed=seed) if start is None else start
    rows = model.encode(first).mean[0][0].repeat(len(units), steps, 1)
    for row, unit in zip(rows, units, strict=True):
        row[:, unit] = torch.linspace(-REACH, REACH, steps)
    return units, model.decode([rows.flatten(0, 1)])


def draw_map(model: Generator, opened: PictureSet, split: str | None = None, most: int = MAPPED) -> bytes:
    """Latent vectors of at most `most` pictures in two dimensions (t-SNE), coloured by label."""
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
    if labels is not None and len(opened.classes) <= 20:
        axes.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set(xticks=[], yticks=[], title=f"latent vectors of {len(images):,} pictures, in two dimensions")
    return png(drawn)


def _in_two_dimensions(latents: Float[np.ndarray, "n latent"], seed: int) -> Float[np.ndarray, "n 2"]:
    if latents.shape[1] <= 2 or len(latents) < 5:
        return np.pad(latents, ((0, 0), (0, 1)))[:, :2]
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(latents) - 1) / 3)
    return np.asarray(TSNE(random_state=seed, init="pca", perplexity=perplexity).fit_transform(latents))


def _check_steps(steps: int) -> None:
    if not 2 <= steps <= 1000:
        raise UsageError(f"{steps} steps: give 2 to 1000")
