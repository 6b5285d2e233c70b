"""From the lines of `strace -f -ttt -y` to one event sequence per connection.

- An event is the name of a call plus, if its main argument is a path or an address, its coarse kind: `openat:lib`.
- The events of a connection are those of the process that the service forked for it and of all its descendants.
"""

import posixpath
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(
    r"^(?P<pid>\d+) +(?P<time>\d+\.\d+) (?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)$"
)
PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
PORT = re.compile(r"sin_port=htons\((\d+)\), sin_addr=inet_addr\(\"([^\"]*)\"\)")
RETURNED = re.compile(r"= (\d+)(?:<.*>)?$")

PATH_CALL_NAMES = """
access chdir chmod execve faccessat faccessat2 fchmodat link linkat lstat mkdir mkdirat newfstatat open openat readlink
readlinkat rename renameat renameat2 rmdir stat statfs statx symlink symlinkat unlink unlinkat utimensat
"""
PATH_CALLS = frozenset(PATH_CALL_NAMES.split())
ADDRESS_CALLS = frozenset({"bind", "connect"})
BIRTH_CALLS = frozenset({"clone", "clone3", "fork", "vfork"})

LAB_KINDS = ("etc", "home", "tmp", "upload", "data", "var")
SYSTEM_KINDS = {
    "/usr/bin": "bin",
    "/usr/sbin": "bin",
    "/usr/local/bin": "bin",
    "/bin": "bin",
    "/sbin": "bin",
    "/usr/lib": "lib",
    "/usr/lib64": "lib",
    "/usr/local/lib": "lib",
    "/lib": "lib",
    "/lib64": "lib",
    "/etc": "etc",
    "/proc": "proc",
    "/sys": "proc",
    "/dev": "dev",
    "/var": "var",
    "/tmp": "tmp",
    sys.base_prefix: "lib",
    sys.prefix: "lib",
    "/home": "home",
    "/root": "home",
}


@dataclass(frozen=True)
class Call:
    """One system call; `time` in seconds since the epoch."""

    pid: int
    time: float
    name: str
    arguments: str


@dataclass(frozen=True)
class Kinds:
    """Coarse kinds of paths and addresses, from the folder and the ports of one run."""

    root: Path
    service_ports: frozenset[int]

    def of_path(self, path: str, folder: str = "") -> str:
        """Kind of a path relative to `folder` (by default the site's root), with `..` resolved."""
        full = posixpath.normpath(posixpath.join(folder or str(self.root), path))
        for kind in LAB_KINDS:
            if within(full, f"{self.root}/{kind}"):
                return kind
        return next((kind for prefix, kind in SYSTEM_KINDS.items() if within(full, prefix)), "other")

    def of_address(self, arguments: str) -> str:
        """Kind of the socket address in the arguments of a call."""
        if "AF_UNIX" in arguments:
            return "unix"
        if not (address := PORT.search(arguments)):
            return "none"
        if not address[2].startswith("127."):
            return "other"
        return "loopback-service" if int(address[1]) in self.service_ports else "loopback-other"

    def event(self, call: Call) -> str:
        """`name:kind`, or the name alone for a call without path or address."""
        if call.name in ADDRESS_CALLS:
            return f"{call.name}:{self.of_address(call.arguments)}"
        argument = PATH.search(call.arguments) if call.name in PATH_CALLS else None
        if argument is None or not argument["path"]:
            return call.name
        return f"{call.name}:{self.of_path(argument['path'], argument['folder'] or '')}"


def within(path: str, folder: str) -> bool:
    """Whether `path` equals `folder` or is inside it."""
    return path == folder or path.startswith(folder + "/")


@dataclass(frozen=True)
class Session:
    """Events of one connection in order of time; `times` in seconds since the first event.

    `processes` are the indices of the processes, numbered from 0 in order of their first event.
    """

    port: int
    started: float
    events: list[str]
    times: list[float]
    processes: list[int]


class Trace:
    """All calls of one run, the parent of each process, and the process that served each client port."""

    def __init__(self, lines: Iterable[str], server: int) -> None:
        self.calls: list[Call] = []
        self.parent: dict[int, int] = {}
        self.server = server
        self.worker: dict[int, int] = {}
        self.reused: set[int] = set()
        self._port: int | None = None
        for line in lines:
            if match := LINE.match(line):
                self._read(match)

    def _read(self, line: re.Match[str]) -> None:
        pid, name, rest = int(line["pid"]), line["name"] or line["resumed"], line["rest"]
        if line["name"]:
            self.calls.append(Call(pid, float(line["time"]), name, rest))
        if name in BIRTH_CALLS and not rest.endswith("<unfinished ...>") and (child := RETURNED.search(rest)):
            self._born(int(child[1]), pid)
        if name.startswith("accept") and pid == self.server and (port := PORT.search(rest)):
            self._port = int(port[1])

    def _born(self, child: int, parent: int) -> None:
        if child in self.parent:
            raise ValueError(f"process {child} was born twice in one trace: record shorter runs")
        self.parent[child] = parent
        if parent == self.server and self._port is not None:
            self.reused.update({self._port} & self.worker.keys())
            self.worker[self._port] = child
            self._port = None

    def ancestor(self, pid: int) -> int | None:
        """The child of the server that the process descends from; None for other processes."""
        while pid in self.parent and self.parent[pid] != self.server:
            pid = self.parent[pid]
        return pid if pid in self.parent else None

    def sessions(self, kinds: Kinds) -> Iterator[Session]:
        """One session per client port; a port used by two connections is left out."""
        calls: dict[int | None, list[Call]] = {}
        for call in self.calls:
            calls.setdefault(self.ancestor(call.pid), []).append(call)
        for port, worker in self.worker.items():
            if port not in self.reused and worker in calls:
                yield session(port, calls[worker], kinds)


def session(port: int, calls: list[Call], kinds: Kinds) -> Session:
    """Sort the calls of one connection by time and convert them to events."""
    calls = sorted(calls, key=lambda call: call.time)
    order = {pid: index for index, pid in enumerate(dict.fromkeys(call.pid for call in calls))}
    started = calls[0].time
    times = [call.time - started for call in calls]
    return Session(port, started, [kinds.event(call) for call in calls], times, [order[call.pid] for call in calls])
