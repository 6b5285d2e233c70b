"""Figures: matplotlib without a screen, in one style."""

import io
from typing import Any

import numpy as np
from jaxtyping import UInt8

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.titlesize": 10,
    "font.size": 9,
    "figure.dpi": 110,
    "image.cmap": "viridis",
}


def figure(rows: int = 1, columns: int = 1, width: float = 6.0, height: float = 4.0) -> tuple[Any, Any]:
    """A figure of `width` × `height` inches and its axes: an array if there are several."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        return drawn, drawn.subplots(rows, columns)


def png(drawn: Any) -> bytes:
    """The figure as a PNG."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png")
    return buffer.getvalue()


def picture_png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """A picture as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
