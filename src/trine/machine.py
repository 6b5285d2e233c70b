"""The machine: its name, its matrix rate, its memory, its library versions."""

import ctypes
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
PRODUCT, PRODUCT_SECONDS = 256, 0.06
"""Side of the matrices, and seconds per number of threads, that the number of threads is chosen by."""
WORTH = 1.1
"""All threads are used where they are at least so many times as fast as one."""
VERSIONED = ("trine", "torch", "numpy", "Pillow", "safetensors", "pydantic", "scikit-learn")


def sgemm_gflops(size: int = 1024, seconds: float = 1.0) -> float:
    """Rate of single-precision matrix products on this machine now, in GFLOP/s: the best of some seconds."""
    a, b = torch.randn(2, size, size)
    taken = [_seconds(lambda: a @ b)]
    while sum(taken) < seconds:
        taken.append(_seconds(lambda: a @ b))
    return 2 * size**3 / min(taken) / 1e9


def threads() -> int:
    """Number of threads that operators use."""
    return torch.get_num_threads()


def use_threads(count: int) -> None:
    """Let operators use this many threads: results of other numbers of threads differ in the last bits."""
    if count != torch.get_num_threads():
        torch.set_num_threads(count)


@cache
def most_threads() -> int:
    """Number of threads that torch chose at the first call."""
    return torch.get_num_threads()


def faster_threads() -> int:
    """One or `most_threads`, whichever multiplies small matrices faster now. Takes about an eighth of a second.

    Where another process keeps a core busy, two threads are up to thirty times slower than one: each waits for the
    other at the end of every product.
    """
    return most_threads() if gain_of_threads() >= WORTH else 1


def gain_of_threads() -> float:
    """How many times as fast as one thread `most_threads` multiply small matrices now; 1.0 where that is one."""
    before, most = torch.get_num_threads(), most_threads()
    if most == 1:
        return 1.0
    alone, together = _products(1), _products(most)
    torch.set_num_threads(before)
    return together / alone


def _products(count: int) -> float:
    """Small matrix products per second with this number of threads."""
    torch.set_num_threads(count)
    a, b = torch.ones(2, PRODUCT, PRODUCT)
    torch.mm(a, b)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < PRODUCT_SECONDS:
        torch.mm(a, b)
        done += 1
    return done / (time.perf_counter() - begin)


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


def versions(further: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python and of the libraries that figures depend on, and of further ones."""
    installed = {"python": platform.python_version()}
    for name in (*VERSIONED, *further):
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
