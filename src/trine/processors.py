"""Processors of this machine: how many a process may use, and a user's limit of threads. Without torch."""

import os

LIMIT = "OMP_NUM_THREADS"
"""Environment variable with the user's limit, which torch obeys by itself."""


def own_processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_limit() -> int | None:
    """The user's limit of threads per process; None without one, or where it is not a number."""
    text = os.environ.get(LIMIT, "").partition(",")[0].strip()
    return int(text) or None if text.isascii() and text.isdigit() else None


def threads_each(processes: int) -> int:
    """Threads of each of so many processes that compute at the same time."""
    share = max(1, own_processors() // processes)
    return min(share, thread_limit() or share)
