"""A log of SSH sessions, one per process, some of which do something else."""

from collections.abc import Collection

import numpy as np

USUAL = ("Connection opened", "Accepted password for ann", "session opened for user ann", "Connection closed")
STRANGE = ("Failed password for root", "ptrace attach denied", "module loaded: rootkit", "Failed password for root")


def log_lines(sessions: int, seed: int, attacks: Collection[int] = ()) -> list[str]:
    """Lines of interleaved sessions; those of `attacks` do something else after their second line."""
    draw, timed = np.random.default_rng(seed), []
    for session in range(sessions):
        texts = list(USUAL[:2]) + list(USUAL[2:3]) * int(draw.integers(1, 5)) + list(USUAL[3:])
        if session in attacks:
            texts[2:2] = STRANGE
        begin = 20.0 * session
        for text in texts:
            begin += float(draw.uniform(1, 30))
            timed.append((begin, f"sshd[{100 + session}]: {text}"))
    timed.sort()
    return [f"Jan {1 + int(t // 86400):2} {_clock(t)} host {text}" for t, text in timed]


def _clock(seconds: float) -> str:
    whole = int(seconds) % 86400
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
