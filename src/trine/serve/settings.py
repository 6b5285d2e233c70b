"""How a service runs: where it listens, who may ask, and how much one request may ask for."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trine.errors import UsageError

TOKEN = "TRINE_SERVE_TOKEN"
"""Environment variable with the token."""
SHORTEST_TOKEN = 16
"""Characters that a token has at the least."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Limits:
    """Largest amounts; beyond them a request is refused."""

    body: int = 32 << 20
    """Bytes of a request's body."""
    pixels: int = 25_000_000
    """Pixels of one picture."""
    batch: int = 256
    """Pictures, events or latents of one request."""
    events: int = 20_000
    """Lines of a log and events of a sequence in one request."""
    queue: int = 256
    """Pictures, events or latents that wait for one model."""
    seconds: float = 30.0
    """Time for an answer, and longest pause while a body arrives."""
    streams: int = 64
    """Streams of findings at the same time."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise UsageError(f"limit {name}={value}: give more than 0")


@dataclass(frozen=True)
class Settings:
    """Where and how a service runs."""

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    """What requests must carry; None: no token, on the loopback interface only."""
    hosts: tuple[str, ...] = ()
    """Further names that the service is reached by, such as that of a proxy."""
    torch: bool = False
    """Compute with torch in place of onnxruntime."""
    threads: int | None = None
    """Threads that compute, per model; None: one per core."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.is_loopback and self.token is None:
            raise UsageError(
                f"--host {self.host}: others can reach the service there, so it needs a token: write one into a file "
                f"and give --token-file, or set {TOKEN}"
            )
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise UsageError(
                f"the token is not {SHORTEST_TOKEN} or more ASCII characters: make one with `openssl rand -hex 32`"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_hosts(self) -> frozenset[str] | None:
        """The names in `Host` that are answered; None: any, as the token protects."""
        if not self.is_loopback and not self.hosts:
            return None
        own = LOCAL_NAMES if self.is_loopback else ()
        return frozenset(name.lower() for name in (*own, self.host, *self.hosts))


def token_from(file: Path | None, environment: Mapping[str, str] = os.environ) -> str | None:
    """The token in a file, else in the environment; None where neither is given. Raises `UsageError`."""
    if file is None:
        return environment.get(TOKEN) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        raise UsageError(f"--token-file {file}: cannot be read ({reason}): give a file with the token") from None
    if not token:
        raise UsageError(f"--token-file {file}: empty: make a token with `openssl rand -hex 32`")
    return token
