"""A Ray cluster for the time of one piece of work: one that runs already, or one that is started on this machine."""

import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from trine.errors import ClusterError, UsageError
from trine.extras import installed
from trine.processors import LIMIT, own_processors

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
"""Environment of Ray: nothing is sent home, and no line or bar of its own is on the terminal."""
AUTH_MODE, AUTH_TOKEN, AUTH_TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
"""Environment of Ray: whether processes of a cluster show one another a token, and which."""
STORE_BYTES = 256 << 20
"""Memory of the object store of a cluster that is started here: results are small, data are read from disk."""
ANSWER_SECONDS = 5.0
"""Time that a cluster's address has to take a connection, and to answer."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""What a client of HTTP/2, and so of Ray, says first: the preface and empty settings (RFC 9113, section 3.4)."""
SETTINGS = 4
"""Type of the frame that a server of HTTP/2 says first, in the fourth byte."""
PASSED_ON = ("TRINE_CACHE", "TRINE_DATA", LIMIT)
"""Variables of the environment that processes on the cluster get as they are here."""


@dataclass(frozen=True)
class Node:
    """A machine of a cluster."""

    identity: str
    address: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Cluster:
    """A cluster that is connected to."""

    here: bool
    """Whether it was started on this machine for this piece of work."""

    def nodes(self) -> list[Node]:
        """The machines that are there now and can compute."""
        import ray

        untyped: Any = ray
        alive = [node for node in untyped.nodes() if node["Alive"]]
        found = [
            Node(
                node["NodeID"],
                node["NodeManagerAddress"],
                int(node["Resources"].get("CPU", 0)),
                int(node["Resources"].get("GPU", 0)),
            )
            for node in alive
        ]
        return [node for node in found if node.cpus]

    def own_node(self) -> str:
        """Identity of the machine that this process runs on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def on_each_node(self, work: Callable[..., Any], *arguments: Any) -> dict[Node, Any]:
        """What a function returns on each machine."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = ray.remote(num_cpus=0, max_retries=0)(work)
        asked = {
            node: remote.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.identity, soft=False)
            ).remote(*arguments)
            for node in self.nodes()
        }
        try:
            return {node: ray.get(answer, timeout=120) for node, answer in asked.items()}
        except ray.exceptions.RayError as problem:
            raise ClusterError(
                f"the cluster's machines do not work as this one ({first_line(problem)}): install the same versions of "
                "Python, Ray and Trine on all"
            ) from None


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Be connected to a cluster for the block.

    address   HOST:PORT of its head; auto: the one that `RAY_ADDRESS` names or that runs on this machine, else one is
              started here and ended with the block
    Raises `UsageError`, `ClusterError`.
    """
    os.environ.update(QUIET)
    given = _given(address)
    with installed():
        import ray
    _silence()
    with _own_token() if given is None else nullcontext():
        try:
            if given is None:
                _start_here()
            else:
                _require_answer(given)
                with _unheard():
                    ray.init(address=given, **_quiet_start())
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as problem:
            raise _refused(address, given, problem) from None
        _silence()
        try:
            with _interrupted_by_termination():
                yield Cluster(here=given is None)
        finally:
            with suppress(OSError, RuntimeError):
                ray.shutdown()


def running_here() -> str | None:
    """Address of a cluster that was started on this machine by `ray start` and answers."""
    note = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster"
    try:
        address = note.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return address if address and _answers(address) is None else None


def environment() -> dict[str, str]:
    """The variables in `PASSED_ON` that are set."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def first_line(problem: BaseException) -> str:
    """The first line of an error's message that says something, shortened."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return (lines[0] if lines else type(problem).__name__).rstrip(".:")[:200]


def _given(address: str) -> str | None:
    """The address to connect to; None: start a cluster here. Raises `UsageError`."""
    if address == "auto":
        return os.environ.get("RAY_ADDRESS") or running_here()
    host, _, port = address.rpartition(":")
    if "//" in address or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise UsageError(f"--cluster {address}: give auto, or HOST:PORT of the cluster's head, such as 10.0.0.1:6379")
    return address


def _start_here() -> None:
    """Start a cluster on this machine; `local` also where Ray has noted one that is gone."""
    import ray

    cpus = own_processors()
    ray.init("local", num_cpus=cpus, object_store_memory=STORE_BYTES, include_dashboard=False, **_quiet_start())


@contextmanager
def _own_token() -> Iterator[None]:
    """For the block, a token for a cluster that is started here: Ray would write one into the home folder."""
    before = {name: os.environ.get(name) for name in (AUTH_MODE, AUTH_TOKEN)}
    if not (before[AUTH_MODE] or _has_token()):
        os.environ[AUTH_TOKEN] = _token()
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})


@cache
def _token() -> str:
    """One per process: Ray reads it once."""
    return secrets.token_hex(32)


def _has_token() -> bool:
    given = os.environ.get(AUTH_TOKEN) or os.environ.get(AUTH_TOKEN_PATH)
    return bool(given) or Path("~/.ray/auth_token").expanduser().is_file()


def _refused(address: str, given: str | None, problem: BaseException) -> ClusterError:
    """The error of a cluster that cannot be connected to, or started."""
    where = f"--cluster {address}" if given else "Ray cannot be started here"
    if any("auth" in str(each).lower() and "token" in str(each).lower() for each in _causes(problem)):
        return ClusterError(
            f"{where}: the cluster demands another token, or none was given: set {AUTH_MODE}=token, and "
            f"{AUTH_TOKEN} or {AUTH_TOKEN_PATH} as for `ray start`"
        )
    return ClusterError(f"{where}: {first_line(problem)}: see `ray status`, or leave --cluster out")


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


def _require_answer(address: str) -> None:
    if (why := _answers(address)) is not None:
        raise ClusterError(
            f"--cluster {address}: no cluster answers there ({why}): start one with `ray start --head`, or use "
            "--cluster auto"
        )


def _answers(address: str) -> str | None:
    """Why an address takes no connection as a cluster does; None if it does."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as connection:
            return None if _encrypted() or _speaks_http2(connection) else "it is another service"
    except (OSError, ValueError) as problem:
        return (getattr(problem, "strerror", None) or str(problem)).lower()


def _encrypted() -> bool:
    """Whether Ray is told to use TLS: then its head answers nothing that is not encrypted."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers as Ray's head does. Ray itself would try for minutes."""
    connection.sendall(PREFACE)
    return connection.recv(9)[3:4] == bytes([SETTINGS])


def _quiet_start() -> dict[str, Any]:
    return {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


@contextmanager
def _unheard() -> Iterator[None]:
    """For the block, what is written to standard error is lost: Ray's C++ part says there each time it tries again."""
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def _silence() -> None:
    for name in ("ray", "ray.train", "ray.data", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def _interrupted_by_termination() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what was started on the cluster is ended too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
