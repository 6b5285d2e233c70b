"""Which files are pictures: by the end of the name, or else by the first bytes."""

import re
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".jif",
        ".mpo",
        ".bmp",
        ".dib",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
    }
    | {".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif", ".jp2", ".j2k", ".jpx", ".ico", ".qoi", ".pcx", ".tga"}
    | {".heic", ".heif", ".hif"}
)
"""Suffixes of the files that are read as pictures, in lower case."""
RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".dng", ".arw", ".orf", ".rw2", ".pef", ".srw", ".raf", ".raw"})
"""Suffixes of camera raw files. Some begin like TIFF, but what Pillow would read is their small preview."""
HEAD = 32
"""Bytes by which a picture is recognised."""
HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
MAGIC = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|BM....\0\0\0\0|II\*\0|MM\0\*|RIFF....WEBP|P[1-6]\s[\s#]*+[0-9]"
    rb"|\0\0\0\x0cjP  |qoif",
    re.DOTALL,
)
"""The first bytes of the formats that are read."""


def has_picture_suffix(name: str) -> bool:
    """Whether the name of a file ends like a picture's."""
    return suffix(name) in PICTURE_SUFFIXES


def suffix(name: str) -> str:
    """The end of a name from its last dot on, in lower case; empty without one."""
    stem, dot, end = name.rpartition(".")
    return f".{end.lower()}" if dot and stem else ""


def is_picture_file(path: str | Path, name: str) -> bool:
    """Whether a file is a picture: by its name, or by its first bytes where the name does not tell."""
    end = suffix(name)
    return end in PICTURE_SUFFIXES or (end not in RAW_SUFFIXES and begins_like_a_picture(path))


def begins_like_a_picture(path: str | Path) -> bool:
    """Whether the first bytes of a file are those of a picture; not for what is no file, or cannot be read."""
    try:
        if not Path(path).is_file():  # a pipe would be waited for
            return False
        with Path(path).open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return bool(MAGIC.match(head)) or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS | AVIF_BRANDS)


def is_heif(head: bytes) -> bool:
    """Whether the first bytes of a file are those of HEIC, which iPhones write."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS
