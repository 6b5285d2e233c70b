"""What is written in a figure, and where: recorded while it is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

SMALLEST = 10
"""Points of the smallest text that is read from the last row, in a figure of 11 inches."""


@dataclass
class Written:
    """The texts of the figure that was drawn last."""

    figure: Any = None
    boxes: dict[int, tuple[Text, Any]] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        return [text.get_text() for text, _ in self.boxes.values()]

    def check(self) -> None:
        """No text lies on another one, or leaves the figure, or is too small."""
        assert self.boxes
        width, height = self.figure.get_size_inches() * self.figure.dpi
        placed = list(self.boxes.values())
        for index, (text, box) in enumerate(placed):
            assert text.get_fontsize() >= SMALLEST, text
            assert -1 <= box.x0 <= box.x1 <= width + 1, f"{text} leaves the figure"
            assert -1 <= box.y0 <= box.y1 <= height + 1, f"{text} leaves the figure"
            for other, beside in placed[index + 1 :]:
                across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
                down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
                assert across <= 1 or down <= 1, f"{text} lies on {other}"


@contextmanager
def written() -> Iterator[Written]:
    """Records the texts of the figures that are drawn meanwhile."""
    record, write, draw = Written(), Text.draw, FigureCanvasAgg.draw

    def writing(text: Text, renderer: Any) -> None:
        write(text, renderer)
        if text.get_visible() and text.get_text().strip():
            record.boxes[id(text)] = (text, text.get_window_extent(renderer))

    def drawing(canvas: FigureCanvasAgg) -> None:
        record.figure, record.boxes = canvas.figure, {}
        draw(canvas)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Text, "draw", writing)
        patched.setattr(FigureCanvasAgg, "draw", drawing)
        yield record
