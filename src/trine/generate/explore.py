"""Ways through the latent space: from one picture to another, along single directions, and a map of it."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.drawing import figure, png
from trine.errors import UsageError
from trine.generate.generator import Generator, chosen_split
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet

Strip = UInt8[np.ndarray, "steps height width channels"]
MAPPED = 2000
REACH = 2.5
"""How far a direction is followed, in deviations of N(0, 1)."""


def slerp(
    start: Float[Tensor, "1 *latent"], end: Float[Tensor, "1 *latent"], steps: int
) -> Float[Tensor, "steps *latent"]:
    """Points on the arc between two points, both included: the norm goes evenly from one's to the other's.

    Latents of N(0, I) lie near a sphere; a straight line would pass through its empty middle (White, 2016).
    """
    way = torch.linspace(0, 1, steps).view(-1, *[1] * (start.dim() - 1))
    angle = torch.arccos(F.cosine_similarity(start.flatten(), end.flatten(), 0).clamp(-1, 1))
    if not 1e-3 < angle < torch.pi - 1e-3 or not start.any() or not end.any():  # no arc, or more than one
        return torch.lerp(start, end, way)
    directions = torch.sin((1 - way) * angle) * start / start.norm() + torch.sin(way * angle) * end / end.norm()
    found: Tensor = directions / torch.sin(angle) * torch.lerp(start.norm(), end.norm(), way)
    return found


def between(model: Generator, ends: UInt8[np.ndarray, "2 height width channels"], steps: int = 10) -> Strip:
    """Pictures on the way from one given picture to another, in every group's latents."""
    _check_steps(steps)
    means = model.encode(ends).mean
    return model.decode([slerp(values[:1], values[1:], steps) for values in means])


def between_samples(
    model: Generator, steps: int = 10, seed: int = 0, label: str | None = None, prior: str | None = None
) -> Strip:
    """Pictures on the way from one new picture to another: the way goes through the noise that they are made of."""
    _check_steps(steps)
    noise = model.noise(seed)
    groups = [slerp(values[:1], values[1:2], steps) for values in noise.groups]
    return model.from_noise(replace(noise, groups=groups, chance=noise.chance[:1].expand(steps)), label, prior)


def traverse(
    model: Generator,
    start: UInt8[np.ndarray, "1 height width channels"] | None = None,
    directions: int = 8,
    steps: int = 9,
    seed: int = 0,
) -> tuple[list[int], UInt8[np.ndarray, "n height width channels"]]:
    """The directions of the latent vector that say most of a picture, and pictures along each, a row a direction.

    start   a picture to go from; without, a new one
    """
    _check_steps(steps)
    if directions < 1:
        raise UsageError(f"{directions} directions: give 1 or more")
    units = model.information.argsort(descending=True)[:directions].tolist()
    first = model.sample(1, seed=seed) if start is None else start
    rows = model.encode(first).mean[0][0].repeat(len(units), steps, 1)
    for row, unit in zip(rows, units, strict=True):
        row[:, unit] = torch.linspace(-REACH, REACH, steps)
    return units, model.decode([rows.flatten(0, 1)])


def draw_map(model: Generator, opened: PictureSet, split: str | None = None, most: int = MAPPED) -> bytes:
    """The latent vectors of pictures in two dimensions (t-SNE), coloured by label."""
    _, chosen = chosen_split(opened, split)
    some = np.linspace(0, len(chosen) - 1, min(most, len(chosen))).astype(int)  # sets are often in order of class
    images = as_channels(chosen.images[some], model.channels)
    labels = None if chosen.labels is None else chosen.labels[some]
    drawn, axes = figure(width=7, height=6)
    places = _flat(model.codec.encode_top(images)[0].numpy(), model.recipe.seed)
    if labels is None:
        axes.scatter(*places.T, s=6)
    for number in np.unique(labels if labels is not None else []):
        axes.scatter(*places[labels == number].T, s=6, color=f"C{number % 10}", label=opened.classes[int(number)])
    if labels is not None and len(opened.classes) <= 20:
        axes.legend(markerscale=3, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set(xticks=[], yticks=[], title=f"latent vectors of {len(images):,} pictures, in two dimensions")
    return png(drawn)


def _flat(latents: Float[np.ndarray, "n latent"], seed: int) -> Float[np.ndarray, "n 2"]:
    if latents.shape[1] <= 2 or len(latents) < 5:
        return np.pad(latents, ((0, 0), (0, 1)))[:, :2]
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(latents) - 1) / 3)
    return np.asarray(TSNE(random_state=seed, init="pca", perplexity=perplexity).fit_transform(latents))


def _check_steps(steps: int) -> None:
    if not 2 <= steps <= 1000:
        raise UsageError(f"{steps} steps: give 2 to 1000")
