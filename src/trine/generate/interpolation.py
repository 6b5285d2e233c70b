"""Paths between latents."""

import numpy as np

from trine.annotations import Float


def slerp(
    start: Float[np.ndarray, "1 *latent"], end: Float[np.ndarray, "1 *latent"], steps: int
) -> Float[np.ndarray, "steps *latent"]:
    """Spherical interpolation with both ends included; the norm changes linearly.

    Latents of N(0, I) are near a sphere. A straight line would pass near its centre, where no latents are (White,
    "Sampling generative networks", 2016).
    """
    share = np.linspace(0, 1, steps, dtype=start.dtype).reshape(-1, *[1] * (start.ndim - 1))
    line: np.ndarray = (1 - share) * start + share * end
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not all(lengths):
        return line
    angle = np.arccos(np.clip(np.vdot(start, end) / (lengths[0] * lengths[1]), -1, 1))
    if not 1e-3 < angle < np.pi - 1e-3:  # the arc is not unique
        return line
    directions = np.sin((1 - share) * angle) * start / lengths[0] + np.sin(share * angle) * end / lengths[1]
    points: np.ndarray = directions / np.sin(angle) * ((1 - share) * lengths[0] + share * lengths[1])
    return points.astype(start.dtype)
