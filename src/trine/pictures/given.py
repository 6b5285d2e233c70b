"""Pictures as a caller gives them: one or a list, and the names that they have in messages."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from trine.errors import UsageError
from trine.pictures.decode import BinaryReader, Picture


def picture_name(picture: Picture, number: int) -> str:
    """The picture's path; `picture 3` for a picture without a path that is the third of its list."""
    return str(picture) if isinstance(picture, str | Path) else f"picture {number}"


def as_list(pictures: Picture | Sequence[Picture]) -> Sequence[Picture]:
    """The pictures of a list; a list of one for a single picture. Raises `UsageError` for what is neither.

    An array of two dimensions, or of three with the channels last, is one picture.
    """
    if isinstance(pictures, np.ndarray):
        return [pictures] if pictures.ndim < 3 or pictures.shape[2:] in ((1,), (3,), (4,)) else list(pictures)
    if isinstance(pictures, str | Path | bytes | bytearray | memoryview | Image.Image | BinaryReader):
        return [pictures]
    if isinstance(pictures, Sequence):
        return cast("Sequence[Picture]", pictures)
    raise UsageError(f"{pictures!r:.80} is no list of pictures: give one of paths, bytes, files, images or arrays")
