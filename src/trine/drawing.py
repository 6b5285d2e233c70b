"""Figures: matplotlib without a screen, in one style. Texts are shown as they are: `$` begins no formula."""

import functools
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np
from jaxtyping import UInt8

from trine.labels import families

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 13,
    "font.size": 12,
    "figure.titlesize": 13,
    "figure.dpi": 110,
    "grid.alpha": 0.25,
    "image.cmap": "viridis",
    "legend.fontsize": 11,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "text.parse_math": False,
}
"""Texts of at least a fiftieth of a figure's height, so that they can be read from the last row of a classroom."""
SMALL = 10
"""Size of the smallest texts, in points, in figures of up to 11 inches."""
Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")


def styled(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """A function that draws a figure, in the one style."""

    @functools.wraps(draw)
    def in_style(*arguments: Arguments.args, **options: Arguments.kwargs) -> Drawn:
        from matplotlib import rc_context

        with rc_context({**STYLE, "font.family": families()}):
            return draw(*arguments, **options)

    return in_style


def figure(rows: int = 1, columns: int = 1, width: float = 6.0, height: float = 4.0, **options: Any) -> tuple[Any, Any]:
    """A figure of `width` × `height` inches and its axes: an array if there are several.

    options   those of `Figure.subplots`, such as sharex
    """
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout="constrained")
    return drawn, drawn.subplots(rows, columns, **options)


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
