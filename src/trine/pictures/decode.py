"""One picture file -> uint8 pixels, whatever its mode: RGB, or one grey channel when the whole set is grey.

- Transparency lies over white; 16-bit grey is scaled; EXIF rotation is applied; of an animation the first frame counts.
- Resizing scales the short side and crops the centre in one antialiased step.
- Pictures over 100 megapixels are refused before a pixel of them is decoded.
"""

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from trine.errors import DataError, UnsafeDataError

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
# Other formats may start programs, as EPS does. The last two are known to Pillow only once their modules are imported.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", TiffImageFile.format, WebPImageFile.format)
MAX_PIXELS = 100_000_000
GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow's readers are known to raise on broken files, beside their own errors.
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


_QUIET = threading.RLock()


@dataclass(frozen=True)
class Header:
    """What a picture's first bytes say: its size as shown to people, and whether it has no colour."""

    height: int
    width: int
    grey: bool


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Pillow's remarks on odd files stay out of the way: what cannot be read raises by itself."""
    with _QUIET, warnings.catch_warnings():  # the filters are the process's: one thread changes them at a time
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path, name: str) -> Header:
    """Look at a picture without decoding it; raises DataError like `decode`."""
    with _opened(path, name) as image:
        width, height = image.size
        # PNG's getexif decodes the whole picture unless the header held the data.
        known = image.format != "PNG" or "exif" in image.info
        if known and image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, _is_grey(image))


def decode(path: Path, name: str, shape: tuple[int, int], channels: int) -> UInt8[np.ndarray, "height width channels"]:
    """The pixels of one file at `shape` (height, width), with 1 or 3 channels.

    Raises DataError (`unreadable: …`, `truncated: …`, `missing: …`) and UnsafeDataError (`oversized: …`).
    """
    with _opened(path, name) as image:
        if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
            # The JPEG decoder scales by powers of two almost for free; twice the final size loses nothing.
            image.draft(image.mode, (2 * max(shape), 2 * max(shape)))
        image.load()
        turn = ROTATIONS.get(1 if image.format == "TIFF" else _orientation(image))
        turned = shape[::-1] if turn in TURNED else shape
        small = _over_white(_fit(_plain_mode(image), turned))
        if turn is not None:
            small = small.transpose(turn)
        return np.asarray(small.convert("L" if channels == 1 else "RGB")).reshape(*shape, channels)


TURNED = frozenset(ROTATIONS[i] for i in (5, 6, 7, 8))


Picture = str | Path


def picture_name(picture: Picture, number: int) -> str:
    """The path of a picture, or `picture N` for one that was not given as a path."""
    return str(picture)


def read_picture(
    picture: Picture, size: tuple[int, int], channels: int, name: str | None = None
) -> UInt8[np.ndarray, "height width channels"]:
    """One file as a model of that picture size (height, width) and channel count takes it."""
    with quiet_pillow():
        return decode(Path(picture), name or str(picture), size, channels)


def resize(
    images: UInt8[np.ndarray, "n h w channels"], shape: tuple[int, int]
) -> UInt8[np.ndarray, "n height width channels"]:
    """Decoded pictures at another size (height, width)."""
    if images.shape[1:3] == shape:
        return images
    channels = images.shape[3]
    small = [np.asarray(_fit(Image.fromarray(image.squeeze(2) if channels == 1 else image), shape)) for image in images]
    return np.stack(small).reshape(len(images), *shape, channels)


def as_channels(
    images: UInt8[np.ndarray, "n height width from"], channels: int
) -> UInt8[np.ndarray, "n height width to"]:
    """Grey pictures as RGB, or RGB pictures as grey."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    return (images @ np.array([0.299, 0.587, 0.114]) + 0.5).astype(np.uint8)[..., None]  # type: ignore[no-any-return]


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Image.Image]:
    """The picture, opened and of a bearable size; every way to fail is one line that starts with its kind."""
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"unreadable: {name} (not a file)")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnsafeDataError(f"oversized: {name} ({image.width}x{image.height}; the limit is 100 megapixels)")
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


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(ExifTags.Base.Orientation, 1) or 1)


def _is_grey(image: Image.Image) -> bool:
    if image.mode not in ("P", "PA"):
        return image.mode in GREY_MODES
    palette = image.getpalette("RGB")
    return palette is not None and palette[0::3] == palette[1::3] == palette[2::3]


def _plain_mode(image: Image.Image) -> Image.Image:
    """A mode that can be scaled: L, LA, RGB, RGBA or CMYK."""
    if image.mode == "F":
        levels = np.asarray(image)
        return Image.fromarray(np.clip(levels * (255 if levels.max() <= 1 else 1), 0, 255).astype(np.uint8))
    if image.mode.startswith("I"):
        return Image.fromarray(np.clip(np.asarray(image) / 257 + 0.5, 0, 255).astype(np.uint8))
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("L", "RGB") and image.has_transparency_data:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    plain = {"1": "L", "La": "LA", "RGBa": "RGBA", "L": "L", "LA": "LA", "RGBA": "RGBA", "CMYK": "CMYK"}
    return image.convert(plain.get(image.mode, "RGB"))


def _fit(image: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """The largest centred part of the right proportions, scaled."""
    height, width = shape
    if image.size == (width, height):
        return image
    scale = min(image.width / width, image.height / height)
    across, down = width * scale, height * scale
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = (max(left, 0), max(top, 0), min(left + across, image.width), min(top + down, image.height))
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode not in ("LA", "RGBA"):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
