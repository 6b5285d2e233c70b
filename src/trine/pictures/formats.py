"""The formats of picture files that are read, and how a file is opened with them.

Pillow's other formats are left out: some can start programs, as EPS does.
"""

from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from io import BufferedReader, BytesIO

from PIL import Image, UnidentifiedImageError

from trine.pictures.kinds import HEAD, is_heif

PLUGINS = {
    "PNG": "Png",
    "JPEG": "Jpeg",
    "BMP": "Bmp",
    "GIF": "Gif",
    "PPM": "Ppm",
    "TIFF": "Tiff",
    "WEBP": "WebP",
    "AVIF": "Avif",
    "JPEG2000": "Jpeg2K",
    "ICO": "Ico",
    "QOI": "Qoi",
    "PCX": "Pcx",
    "DIB": "Bmp",
}
"""Pillow's plugin for each format that is recognised by its first bytes."""
SAFE_LIBHEIF = (1, 23, 4)
"""First version of libheif with known holes closed that let a picture run code."""
HEIC_ADVICE = "a HEIC picture: pip install 'pillow-heif>=1.7', or convert it to JPEG"


@lru_cache(maxsize=1)
def formats() -> tuple[str, ...]:
    """The formats that can be read here: importing a plugin registers it with Pillow. AVIF needs Pillow 11.3."""
    registered = []
    for name, plugin in PLUGINS.items():
        with suppress(ImportError):
            import_module(f"PIL.{plugin}ImagePlugin")
            registered.append(name)
    return tuple(registered)


def open_image(file: BufferedReader | BytesIO, suffix: str = "") -> Image.Image:
    """The picture in an open file, not decoded. Raises what Pillow raises, with advice for HEIC.

    suffix   the end of the file's name: TGA files can be recognised by nothing else
    """
    if suffix == ".tga":
        import_module("PIL.TgaImagePlugin")
        return Image.open(file, formats=("TGA",))
    try:
        return Image.open(file, formats=formats())
    except UnidentifiedImageError:
        file.seek(0)
        if not is_heif(file.read(HEAD)):
            raise
        file.seek(0)
        if not _has_heif():
            raise ValueError(HEIC_ADVICE) from None
        return Image.open(file, formats=("HEIF",))


@lru_cache(maxsize=1)
def _has_heif() -> bool:
    """Whether pillow-heif is installed, with a libheif that is safe. It is no extra: its wheels are under the GPL."""
    try:
        heif = import_module("pillow_heif")
    except ImportError:
        return False
    numbers = tuple(int(part) for part in str(heif.libheif_version()).split(".")[:3] if part.isdigit())
    if numbers < SAFE_LIBHEIF:
        return False
    heif.register_heif_opener()
    return True
