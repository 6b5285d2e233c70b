"""The machine: its name, its matrix rate, its memory, its library versions."""

import ctypes
import math
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


def sgemm_gflops(size: int = 2048, repeats: int = 8, seconds: float = math.inf) -> float:
    """Rate of single-precision matrix products on this machine now, in GFLOP/s: the best of the repeats.

    seconds   after this time no further product is begun
    """
    a, b = torch.randn(2, size, size)
    taken = [_seconds(lambda: a @ b)]
    while len(taken) < repeats and sum(taken) < seconds:
        taken.append(_seconds(lambda: a @ b))
    return 2 * size**3 / min(taken) / 1e9


def facts() -> dict[str, Any]:
    """Processor, cores, threads in use, memory in GiB, system and accelerator."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that figures depend on."""
    installed = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def peak_memory_gib() -> float:
    """Peak memory of this process so far, in GiB."""
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
    """Keep freed memory in the process instead of returning it to the system.

    glibc returns large blocks when they are freed: every step would then allocate the pages of its activations again,
    which costs a sixth of the training rate on two cores. Without glibc nothing changes.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
