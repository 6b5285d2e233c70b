"""One training of the demo."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.page.chapter import Chapter


@dataclass(frozen=True)
class Part:
    """One training of the demo."""

    data: str
    """A named set that comes with the package."""
    what: str
    """Description of the data."""
    settings: dict[str, Any]
    """Settings of the recipe: smaller than `quick`, so that all tasks take a minute or two on two cores."""
    chapter: Callable[[Any, Path], Chapter]
    """(trained model, its run's folder) -> its chapter."""
