"""Clusters that are started for tests, on this machine alone, and ended by process id."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
PATIENCE = 240
"""Seconds that a node of a cluster may take to start."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
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
    """Nodes of one cluster on this machine, each a machine of its own to Ray."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("ray", reason="needs trine[cluster]")
        self.address = f"{own_address()}:{free_port()}"
        self._folder = folder
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
        said = (self._folder / f"node{len(self._started)}.log").open("wb")
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": str(self._folder)}
        with said:
            self._started.append(
                subprocess.Popen(
                    [*unshare, "sh", "-c", script], stdout=said, stderr=said, env=environment, start_new_session=True
                )
            )
        self._wait(len(self._started))

    def end(self) -> None:
        """End all nodes, the last first."""
        for process in reversed(self._started):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(30)

    def _wait(self, count: int) -> None:
        code = f"import ray; ray.init('{self.address}', logging_level=40, log_to_driver=False); "
        code += "print(sum(node['Alive'] for node in ray.nodes()))"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done = subprocess.run(
                ["timeout", "100", sys.executable, "-c", code], capture_output=True, text=True, check=False
            )
            if done.stdout.strip() == str(count):
                return
            time.sleep(1)
        pytest.fail(f"no {count} nodes after {PATIENCE} s: {done.stderr[-500:]}")


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """A cluster to add nodes to."""
    started = Nodes(tmp_path_factory.mktemp("ray"))
    yield started
    started.end()


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
