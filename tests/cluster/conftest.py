"""Clusters that are started for tests, on this machine alone, and ended by process id."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.runtime.conftest import (  # noqa: F401  (fixtures)
    classifier,
    generator,
    log,
    log_detector,
    make_exported,
    photos,
)

SMALL = ("--network", "classic", "--set", "widths=[8,16]", "--set", "epochs=1", "--set", "least_steps=200")
"""A training of a few seconds on digits."""
LIMIT = 400
"""Seconds that a command on a cluster may take with all its starts."""
PATIENCE = 120
"""Seconds that a node of a cluster may take to start."""
SLOW = {"RAY_raylet_start_wait_time_s": str(PATIENCE), "RAY_worker_register_timeout_seconds": str(PATIENCE)}
"""Time that Ray gives its own parts to start: the machine of a test may have other work to do."""
TOKEN = "5" * 64
"""What a cluster that asks for a token is shown."""


def free_port() -> int:
    """A port that nothing listens on, of those that are not given out without being asked for."""
    while True:
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", random.randrange(20_000, 32_000)))
            return int(found.getsockname()[1])


def own_address() -> str:
    """The address that Ray gives this machine: it takes the place of 127.0.0.1 there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        try:
            found.connect(("192.0.2.1", 9))  # nothing is sent
            return str(found.getsockname()[0])
        except OSError:
            return "127.0.0.1"


class Nodes:
    """Nodes of one cluster on this machine, each a machine of its own to Ray.

    told   variables of Ray's environment: the same for every node, and for who connects to them
    """

    def __init__(self, folder: Path, told: Mapping[str, str]) -> None:
        pytest.importorskip("ray", reason="needs trine[cluster]")
        self.address = f"{own_address()}:{free_port()}"
        self._folder, self._environment = folder, {**os.environ, **SLOW, **told, "RAY_TMPDIR": str(folder)}
        self._started: list[subprocess.Popen[bytes]] = []

    def add(self, cpus: int = 1, before: str = "", alone: bool = False) -> None:
        """Start a node; the first is the head.

        before   shell commands that prepare the node
        alone    give the node a view of the file system of its own
        """
        port = self.address.rpartition(":")[2]
        role = f"--address={self.address}" if self._started else f"--head --port={port} --include-dashboard=false"
        options = f"{role} --num-cpus={cpus} --object-store-memory=80000000 --disable-usage-stats --block"
        ray = Path(sys.executable).with_name("ray")
        script = f"{before}\nexec {ray} start {options}"
        unshare = ["unshare", "--mount"] if alone else []
        own_log = self._folder / f"node{len(self._started)}.log"
        with own_log.open("wb") as said:
            self._started.append(
                subprocess.Popen(
                    [*unshare, "sh", "-c", script],
                    stdout=said,
                    stderr=said,
                    env=self._environment,
                    start_new_session=True,
                )
            )
        wait_for(lambda: self._runs(own_log), PATIENCE, f"a node of the cluster: see {own_log}")

    def end(self) -> None:
        """End all nodes, with all processes that they have started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._started:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            for process in self._started:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)

    def _runs(self, own_log: Path) -> bool:
        """Whether the newest node runs, by what `ray start` says."""
        said = own_log.read_text(errors="replace")
        if self._started[-1].poll() is not None:
            pytest.fail(f"a node of the cluster ended: {said[-2000:]}")
        return "Ray runtime started" in said


@contextmanager
def cluster_of_nodes(**told: str) -> Iterator[Nodes]:
    """A cluster to add nodes to; its folder's name is short, because names of Unix sockets are."""
    with TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        nodes = Nodes(Path(folder), told)
        try:
            yield nodes
        finally:
            nodes.end()


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster to add nodes to, which asks nobody for a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with cluster_of_nodes() as started:
        yield started


@pytest.fixture
def guarded_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """The same, which asks everybody for a token; the test has none."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with cluster_of_nodes(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN) as started:
        yield started


def processes_that_name(text: str) -> list[int]:
    """Process ids of the processes whose command line has a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [int(path.parent.name)] if text in line else []
    return found


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Until a condition holds; the test fails when it does not come to hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.1)
