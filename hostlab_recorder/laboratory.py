"""Environment of one run: a temporary folder, the service under strace, and two small listeners.

Every socket binds the loopback address. The service and all processes it starts share one POSIX session id, by which
they are listed and ended at the end of the run.
"""

import contextlib
import hashlib
import json
import os
import random
import secrets
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostlab_recorder.pages import HASH_ROUNDS
from hostlab_recorder.trace import Kinds, Trace

IMPORT_ROOT = Path(__file__).resolve().parent.parent
# Calls that depend on the allocator, the C library and the interpreter more than on the task of the process.
SKIPPED_CALLS = (
    "!brk,mmap,munmap,mprotect,madvise,mremap,rt_sigaction,rt_sigprocmask,rt_sigreturn,sigaltstack,"
    "lseek,poll,ioctl,rseq,set_robust_list,set_tid_address,arch_prctl,prlimit64,getrandom,futex"
)
STRACE = ("strace", "-f", "-ttt", "-y", "-s", "64", "-e", f"trace={SKIPPED_CALLS}", "-e", "signal=none")
SITE_SEED = 7  # seed of the site's files, which are the same in every run
START_SECONDS, STOP_SECONDS = 20.0, 10.0
VOCABULARY = """
river stone winter paper lantern harbour garden copper morning silver bridge window summer meadow engine letter
market island thunder ribbon orchard candle compass feather glacier hollow kettle ladder marble needle
"""
WORDS = VOCABULARY.split()
PEOPLE = {name: f"{name}-{number}" for number, name in enumerate(("ada", "ben", "cleo", "dora", "emil", "fay"))}


class Listener(socketserver.ThreadingTCPServer):
    """A server on a loopback port that answers every line with one short line."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: set[str] = set()
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def port(self) -> int:
        """Port chosen by the operating system."""
        return int(self.server_address[1])

    def stop(self) -> None:
        """Stop answering and free the port."""
        self.shutdown()
        self.server_close()


class Echo(socketserver.StreamRequestHandler):
    """One connection of a `Listener`; received lines are added to `heard`."""

    server: Listener
    timeout = 5

    def handle(self) -> None:
        """Answer line by line until the other side closes the connection."""
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.server.heard.add(line.decode(errors="replace").strip())
                self.wfile.write(b"ok %d\n" % len(line))


@dataclass
class Laboratory:
    """A recorded service: the port and key to visit it, its store, and a listener outside the service."""

    root: Path
    key: str
    store: Listener
    stranger: Listener
    tracer: subprocess.Popen[str] | None = None
    port: int = 0
    server: int = 0

    @property
    def record(self) -> Path:
        """Output file of strace."""
        return self.root.parent / "trace.txt"

    def start(self, seed: int) -> None:
        """Start the service under strace; raise RuntimeError if it does not start."""
        config = self.root.parent / "config.json"
        config.write_text(json.dumps({"root": str(self.root), "key": self.key, "store": self.store.port, "seed": seed}))
        self.tracer = subprocess.Popen(
            [*STRACE, "-o", str(self.record), sys.executable, "-m", "hostlab_recorder.service", str(config)],
            env={"PATH": "/usr/bin:/bin", "LANG": "C", "PYTHONPATH": str(IMPORT_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.port, self.server = first_line(self.tracer)

    def stop(self) -> None:
        """End the service and its processes with SIGTERM, then SIGKILL. Afterwards the trace is complete."""
        if (tracer := self.tracer) is None:
            return
        if self.server:
            end([self.server], signal.SIGTERM)
        wait_until(lambda: not members(tracer.pid), STOP_SECONDS)
        end(members(tracer.pid), signal.SIGKILL)
        tracer.communicate(timeout=STOP_SECONDS)
        self.tracer = None

    def trace(self) -> Trace:
        """The recorded calls; complete only after `stop`."""
        with self.record.open(errors="replace") as lines:
            return Trace((line.rstrip("\n") for line in lines), self.server)

    def kinds(self) -> Kinds:
        """Coarse kinds of this run's paths and ports."""
        return Kinds(self.root, frozenset({self.port, self.store.port}))


@contextmanager
def laboratory(seed: int) -> Iterator[Laboratory]:
    """A running service. At the end of the block its processes have ended and its folder is deleted."""
    with tempfile.TemporaryDirectory(prefix="hostlab-") as folder:
        root = Path(folder).resolve() / "site"
        furnish(root, random.Random(SITE_SEED))
        lab = Laboratory(root, secrets.token_hex(16), Listener(), Listener())
        try:
            lab.start(seed)
            yield lab
        finally:
            lab.stop()
            lab.store.stop()
            lab.stranger.stop()


def first_line(tracer: subprocess.Popen[str]) -> tuple[int, int]:
    """Port and process id, which the service prints as soon as it listens."""
    timer = threading.Timer(START_SECONDS, tracer.kill)
    timer.start()
    try:
        port, pid = tracer.stdout.readline().split()
    except ValueError:
        raise RuntimeError("the service under strace did not start: run it by hand to see why") from None
    finally:
        timer.cancel()
    return int(port), int(pid)


def members(session: int) -> list[int]:
    """Running processes of one POSIX session."""
    processes = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                state, _, _, owner = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(owner) == session and state != "Z":
                processes.append(int(entry.name))
    return processes


def end(processes: list[int], number: signal.Signals) -> None:
    """Send the signal to each process; ignore processes that have already ended."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Return as soon as `done` is true, at the latest after `seconds`."""
    limit = time.monotonic() + seconds
    while not done() and time.monotonic() < limit:
        time.sleep(0.05)


# --- the service's folder


def furnish(root: Path, chance: random.Random) -> None:
    """Write templates, pictures, items, documents, home folders and invented credentials."""
    for folder in ("etc", "home", "tmp/cache", "tmp/failures", "tmp/tickets", "upload", "var"):
        (root / folder).mkdir(parents=True)
    for part in ("head", "news", "menu", "foot"):
        write(root / "data/templates" / f"{part}.html", prose(chance, chance.randint(20, 200)))
    for number in range(10):
        write(root / "data/static" / f"s{number}", chance.randbytes(int(10 ** chance.uniform(2.5, 5))))
    for number in range(60):
        write(root / "data/items" / f"{number:03}.json", json.dumps({"text": prose(chance, 12).decode()}).encode())
    for number in range(80):
        write(root / "data/docs" / f"d{number:02}.txt", prose(chance, int(10 ** chance.uniform(1.3, 4.2))))
    for name in PEOPLE:
        write(root / "home" / name / "profile.json", json.dumps({"name": name}).encode())
        for number in range(6):
            write(root / "home" / name / f"note{number}.txt", prose(chance, chance.randint(10, 400)))
    write(root / "data/scripts/daily.sh", b"date\nsleep 0.02\nls data\nwc -l data/docs/d01.txt\n")
    write(root / "etc/people.json", json.dumps(digests(chance)).encode())
    for file in ("credentials", "service.conf", "keys"):
        write(root / "etc" / file, prose(chance, 30))


def prose(chance: random.Random, words: int) -> bytes:
    """Random words in lines of about five."""
    return "".join(chance.choice(WORDS) + ("\n" if chance.random() < 0.2 else " ") for _ in range(words)).encode()


def digests(chance: random.Random) -> dict[str, tuple[str, str]]:
    """Salt and digest of each person's password."""
    salts = {name: chance.randbytes(6).hex() for name in PEOPLE}
    return {
        name: (salts[name], hashlib.pbkdf2_hmac("sha256", word.encode(), salts[name].encode(), HASH_ROUNDS).hex())
        for name, word in PEOPLE.items()
    }


def write(file: Path, content: bytes) -> None:
    """Write a file; create its parent folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
