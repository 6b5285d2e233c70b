"""Memory that steps use over and over, and how much of it at once."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
PIXELS = 500 * 32 * 32
"""Of the pictures that are judged together."""


def at_once(height: int, width: int) -> int:
    """How many pictures of this size are judged together."""
    return max(1, PIXELS // (height * width))


def keep_freed_blocks() -> None:
    """Let freed memory stay with the process instead of going back to the system.

    glibc gives large blocks back when they are freed, so every step would pay for the pages of its activation maps
    again: a sixth of the training rate on two cores. Elsewhere than on glibc nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
