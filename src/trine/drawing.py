"""Figures: matplotlib without a screen, in one style. Texts are shown as they are: `$` begins no formula."""

import io
import logging
import warnings
from collections.abc import Callable, Mapping
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
    "text.parse_math": False,
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
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(drawn)
    with warnings.catch_warnings(), rc_context(STYLE):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box is drawn instead
        _show_texts_as_they_are(drawn)
        canvas.draw()  # savefig would draw twice: once to lay out the axes
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def attempted(drawings: Mapping[str, Callable[[], bytes]]) -> dict[str, bytes]:
    """The pictures by name. One that cannot be drawn is left out, with a line in the log: it must cost no training."""
    pictures = {}
    for name, draw in drawings.items():
        try:
            pictures[name] = draw()
        except Exception as problem:  # noqa: BLE001  (whatever it is, the trained model counts for more)
            why = " ".join(str(problem).split()) or type(problem).__name__
            logging.getLogger(__name__).warning("%s could not be drawn, and is left out: %.200s", name, why)
    return pictures


def _show_texts_as_they_are(drawn: Any) -> None:
    """Names of classes are no formulas; the numbers of a logarithmic axis are."""
    from matplotlib.text import Text

    for text in drawn.findobj(Text):
        text.set_parse_math(False)
    for axis in (axis for axes in drawn.axes for axis in (axes.xaxis, axes.yaxis) if axis.get_scale() == "log"):
        for label in axis.get_ticklabels(which="both"):
            label.set_parse_math(True)


def picture_png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """A picture as a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
