"""Pictures as they arrive: limited in bytes and pixels, and decoded beside the loop that serves."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TypeVar

import numpy as np
from fastapi import UploadFile
from PIL import Image

from trine.errors import DataError
from trine.pictures.decode import BROKEN, quiet_pillow, read_picture
from trine.pictures.formats import open_image
from trine.pictures.reading import Reading
from trine.serve.refusals import Refusal
from trine.serve.settings import Limits

T = TypeVar("T")
READERS = 2
"""Pictures that are decoded, and logs that are read, at the same time."""
WAITING = 64
"""Requests that may wait for that."""


class Readers:
    """Threads beside the loop, and a bound on what waits for them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(READERS, "reading")
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives. Raises `Refusal` (429) where too much waits."""
        if self._waiting >= WAITING:
            raise Refusal.busy(1)
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: "asyncio.Future[T]") -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # it counts as seen, also where nobody waits any more


async def contents(files: Sequence[UploadFile], limits: Limits, most: int | None = None) -> list[tuple[str, bytes]]:
    """Names and bytes of uploaded files. Raises `Refusal` (413) for more than `most`."""
    most = most or limits.batch
    if len(files) > most:
        raise Refusal(413, f"{len(files)} files in one request: the limit is {most}")
    return [(_shown(file.filename, number), await file.read()) for number, file in enumerate(files, 1)]


def decoded(
    content: bytes, name: str, size: tuple[int, int], channels: int, reading: Reading, limits: Limits
) -> np.ndarray:
    """An uploaded picture at a model's size. Raises `DataError`, and `Refusal` (413) for too many pixels."""
    with quiet_pillow():
        try:
            with open_image(BytesIO(content)) as image:
                width, height = image.size
        except Image.DecompressionBombError:
            raise Refusal(413, f"{name}: the limit is {limits.pixels:,} pixels") from None
        except BROKEN:
            width = height = 0  # what is wrong with it is said below
    if width * height > limits.pixels:
        raise Refusal(413, f"{name}: {width}×{height}: the limit is {limits.pixels:,} pixels")
    return read_picture(content, size, channels, name, reading)


def all_decoded(
    given: Sequence[tuple[str, bytes]], size: tuple[int, int], channels: int, reading: Reading, limits: Limits
) -> np.ndarray:
    """Uploaded pictures at a model's size. Raises `Refusal` (422) that names the first that cannot be read."""
    try:
        return np.stack([decoded(content, name, size, channels, reading, limits) for name, content in given])
    except DataError as problem:
        raise Refusal.of(problem) from None


def _shown(name: str | None, number: int) -> str:
    """What an uploaded file is called in answers: the last part of its name, printable and not long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter for letter in last if letter.isprintable())
    return printable[:100] or f"picture {number}"
