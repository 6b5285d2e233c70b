"""The machine: its name, its matrix rate, its memory, its library versions."""

import ctypes
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
VERSIONED = ("trine", "torch", "numpy", "Pillow", "safetensors", "pydantic", "scikit-learn")


def sgemm_gflops(size: int = 2048, repeats: int = 8) -> float:
    """The rate of single-precision matrix products on this machine now, in GFLOP/s (the best of the repeats)."""
    a, b = torch.randn(2, size, size)
    return max(2 * size**3 / _seconds(lambda: a @ b) for _ in range(repeats)) / 1e9


def facts() -> dict[str, Any]:
    """What this machine is: processor, cores and threads in use, memory, system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that figures depend on."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_gib() -> float:
    """The most memory this process has held so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (2**30 if sys.platform == "darwin" else 2**20)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


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
