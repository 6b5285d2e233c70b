"""One picture -> uint8 pixels: RGB, one grey channel when the whole set is grey, or RGB and opacity.

- A picture is a path, the bytes of a file, an open binary file, a PIL image or an array (see `Picture`).
- How it becomes pixels is a `Reading`: the frame, what lies below transparent pixels, the range of deep levels.
- EXIF rotation is applied. Only the first frame of an animation is read.
- Pictures over 100 megapixels are refused before their pixels are decoded.
"""

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from trine.annotations import UInt8
from trine.errors import DataError, UnsafeDataError
from trine.pictures.deep_colour import colour_levels, is_deep_colour
from trine.pictures.formats import formats, open_image
from trine.pictures.framing import framed
from trine.pictures.levels import DEEP_MODES, level_range, scaled
from trine.pictures.modes import OPAQUE, has_transparency, is_grey, over_backdrop, plain_mode, with_opacity
from trine.pictures.reading import Range, Reading

MAX_PIXELS = 100_000_000
"""Largest number of pixels of a picture: its decoded levels take at most 0.4 GB."""
MAX_BYTES = 2**30
"""Most bytes read from an open file: 100 megapixels of 64 bits each take 0.8 GB without compression."""
CHUNK = 2**20
"""Bytes read from an open file at a time."""
ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes a picture upright, for each EXIF orientation but 1."""
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""Errors that Pillow's readers are known to raise on broken files, in addition to Pillow's own."""
DEFAULT = Reading()
"""How pictures are read unless the caller says otherwise."""
_QUIET = threading.RLock()


@runtime_checkable
class BinaryReader(Protocol):
    """An open binary file, of which only `read` is used."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end of the file."""


CHANNEL_COUNTS = (1, 3, 4)
"""Channels that pictures can have: grey, RGB, or RGB and opacity."""
Picture = str | Path | bytes | bytearray | memoryview | BinaryReader | Image.Image | NDArray[Any]
"""A picture: a path, an encoded file as bytes or as an open binary file, a PIL image, or a uint8 array of shape
(height, width) or (height, width, channels) with 1, 3 or 4 channels: grey, RGB, or RGB and opacity."""


@dataclass(frozen=True)
class Header:
    """Facts about a picture: its upright size in pixels, whether it has no colour, and the range of deep levels."""

    height: int
    width: int
    grey: bool
    levels: Range | None = None
    """The lowest and highest level of a picture of more than 8 bits."""
    floating: bool = False
    """Whether these levels are floating-point numbers."""
    transparent: bool = False
    """Whether a pixel is not opaque; False where it was not looked for."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings about odd files: a file that cannot be read raises an error in any case."""
    with _QUIET, warnings.catch_warnings():  # the warning filters belong to the process: one thread may change them
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path, name: str, transparency: bool = False) -> Header:
    """Read a picture's header; raises the same errors as `decode`.

    Only pictures of more than 8 bits are decoded, and with `transparency` those that have opacities.
    """
    with _opened(path, name) as image:
        width, height = image.size
        # PNG's getexif decodes the whole picture unless the header held the data.
        known = image.format != "PNG" or "exif" in image.info
        if known and image.format != "TIFF" and _orientation(image) in SIDEWAYS:
            width, height = height, width
        grey, floating = is_grey(image), image.mode == "F"
        levels = level_range(_levels(image)) if _is_deep(image) else None
        return Header(height, width, grey, levels, floating, transparency and has_transparency(image))


def read_picture(
    picture: Picture,
    size: tuple[int, int],
    channels: int,
    name: str | None = None,
    reading: Reading = DEFAULT,
) -> UInt8[np.ndarray, "height width channels"]:
    """One picture as a model of that picture size (height, width) and channel count takes it.

    An open file is read from its position to its end. Of a PIL image the frame that it shows is read. The caller's
    image or array is never changed.

    name      names the picture in error messages; by default its path, or `picture` if it has none
    reading   the `PictureSet.reading` of the set that the model was trained on

    Raises the same errors as `decode`.
    """
    label = name or (str(picture) if isinstance(picture, str | Path) else "picture")
    with quiet_pillow():
        return decode(picture, label, size, channels, reading)


def decode(
    picture: Picture, name: str, shape: tuple[int, int], channels: int, reading: Reading = DEFAULT
) -> UInt8[np.ndarray, "height width channels"]:
    """The pixels of one picture at `shape` (height, width), with 1, 3 or 4 channels: grey, RGB, or RGB and opacity.

    Raises DataError (`unreadable: …`, `truncated: …`, `missing: …`) and UnsafeDataError (`oversized: …`).
    """
    with _opened(picture, name) as image:
        if image is not picture and image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
            # The JPEG decoder scales by powers of two almost for free; twice the final size loses nothing.
            image.draft(image.mode, (2 * max(shape), 2 * max(shape)))
        if image is not picture and is_deep_colour(image):
            plain = scaled(_levels(image), reading.integers)
        else:
            image.load()
            plain = plain_mode(image, reading)
        orientation = 1 if image.format == "TIFF" else _orientation(image)  # Pillow itself turns a TIFF file upright
        turned = shape[::-1] if orientation in SIDEWAYS else shape
        small = framed(plain, turned, reading.fit)
        if orientation in ROTATIONS:
            small = small.transpose(ROTATIONS[orientation])
        if channels == 4:
            return with_opacity(small)
        small = over_backdrop(small, reading)
        return np.asarray(small.convert("L" if channels == 1 else "RGB")).reshape(*shape, channels)


def resize(
    images: UInt8[np.ndarray, "n h w channels"], shape: tuple[int, int], reading: Reading = DEFAULT
) -> UInt8[np.ndarray, "n height width channels"]:
    """Decoded pictures scaled to another shape (height, width), as files are."""
    if images.shape[1:3] == shape:
        return images
    channels = images.shape[3]
    whole = (Image.fromarray(image.squeeze(2) if channels == 1 else image) for image in images)
    small = [np.asarray(framed(image, shape, reading.fit)) for image in whole]
    return np.stack(small).reshape(len(images), *shape, channels)


def as_channels(
    images: UInt8[np.ndarray, "n height width from"], channels: int
) -> UInt8[np.ndarray, "n height width to"]:
    """Pictures as grey, RGB, or RGB and opacity; the same array if they have that number of channels.

    Transparent pictures are laid over a backdrop that they contrast with.
    """
    if images.shape[-1] == channels:
        return images
    if channels == 4:
        return np.pad(as_channels(images, 3), ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=OPAQUE)
    if images.shape[-1] == 4:
        flat = [np.asarray(over_backdrop(Image.fromarray(image), DEFAULT)) for image in images]
        return as_channels(np.stack(flat) if flat else images[..., :3], channels)
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    return (images @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)[..., None]  # type: ignore[no-any-return]


@contextmanager
def _opened(picture: Picture, name: str) -> Iterator[Image.Image]:
    """The picture, opened and checked for its size; every error is one line that begins with its kind."""
    try:
        with _image(picture, name) as image:
            _check_size(image.width, image.height, name)
            yield image
    except Image.DecompressionBombError:
        raise UnsafeDataError(f"oversized: {name} (the limit is 100 megapixels)") from None
    except FileNotFoundError:
        raise DataError(f"missing: {name} (no such file)") from None
    except UnidentifiedImageError:
        raise DataError(f"unreadable: {name} (not a picture, or of an unknown format)") from None
    except BROKEN as error:
        why = " ".join(str(error).split()) or type(error).__name__
        kind = "truncated" if "truncated" in why or isinstance(error, EOFError) else "unreadable"
        raise DataError(f"{kind}: {name} ({why})") from None


def _image(picture: object, name: str) -> AbstractContextManager[Image.Image]:
    """The picture as Pillow's image, closed at the end unless it is the caller's."""
    if isinstance(picture, str | Path):
        return _from_path(Path(picture), name)
    if isinstance(picture, bytes | bytearray | memoryview):
        return open_image(BytesIO(bytes(picture)))
    if isinstance(picture, BinaryReader):
        return open_image(_content(picture, name))
    if isinstance(picture, np.ndarray):
        return nullcontext(_from_array(picture, name))
    if not isinstance(picture, Image.Image):
        kinds = "a path, bytes, an open binary file, a PIL image or a uint8 array"
        raise DataError(f"unreadable: {name} ({type(picture).__name__} is no picture: give {kinds})")
    if picture.format not in (
        None,
        "MPO",
        "TGA",
        "HEIF",
        *formats(),
    ):  # an image made in memory has no format; MPO is a kind of JPEG
        raise DataError(f"unreadable: {name} (the format {picture.format} is not read: give image.convert('RGB'))")
    return nullcontext(picture)


@contextmanager
def _from_path(path: Path, name: str) -> Iterator[Image.Image]:
    """The picture in a file, which Pillow is given open: from a path, Pillow 13 maps the file into memory and garbles
    uncompressed TIFF files with an EXIF rotation."""
    if path.exists() and not path.is_file():
        raise DataError(f"unreadable: {name} (not a file)")
    with path.open("rb") as file, open_image(file, path.suffix.lower()) as image:
        yield image


def _content(file: BinaryReader, name: str) -> BytesIO:
    """The bytes of an open file from its position to its end."""
    try:
        is_text = isinstance(file.read(0), str)
    except ValueError:
        raise DataError(f"unreadable: {name} (the file is closed or only written to: open it with 'rb')") from None
    if is_text:
        raise DataError(f"unreadable: {name} (the file is open as text: open it with 'rb')")
    content = BytesIO()
    while chunk := file.read(CHUNK):
        content.write(chunk)
        if content.tell() > MAX_BYTES:
            raise UnsafeDataError(f"oversized: {name} (the limit is {MAX_BYTES // 2**20:,} MiB)")
    content.seek(0)
    return content


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    """The array as a grey, an RGB or an RGBA image."""
    shape = array.shape
    if (
        array.dtype != np.uint8
        or 0 in shape
        or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in CHANNEL_COUNTS))
    ):
        raise DataError(
            f"unreadable: {name} (an array of {array.dtype}, shape {shape}: give uint8 levels of shape (height, width) "
            "or (height, width, channels) with 1, 3 or 4 channels)"
        )
    _check_size(shape[1], shape[0], name)
    return Image.fromarray(array[:, :, 0] if shape[2:] == (1,) else array)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in DEEP_MODES or is_deep_colour(image)


def _levels(image: Image.Image) -> NDArray[Any]:
    """The levels of a picture of more than 8 bits per channel."""
    return colour_levels(image) if is_deep_colour(image) else np.asarray(image)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise UnsafeDataError(f"oversized: {name} ({width}x{height}; the limit is 100 megapixels)")
    if not width * height:
        raise DataError(f"unreadable: {name} ({width}x{height} pixels)")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8 in sound files; 1 (upright) where none is given."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1) or 1)
