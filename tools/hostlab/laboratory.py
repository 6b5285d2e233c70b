"""One run's laboratory: a temporary folder, the service under strace, two small listeners, and a sure end.

Everything binds the loopback address. The service and all it started share one session id of the system, by which
they are found and ended one by one.
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

from hostlab.pages import HASH_ROUNDS
from hostlab.trace import Kinds, Trace

TOOLS = Path(__file__).resolve().parent.parent
# Calls that tell of the allocator, the C library and the interpreter more than of what a process does.
SKIPPED_CALLS = (
    "!brk,mmap,munmap,mprotect,madvise,mremap,rt_sigaction,rt_sigprocmask,rt_sigreturn,sigaltstack,"
    "lseek,poll,ioctl,rseq,set_robust_list,set_tid_address,arch_prctl,prlimit64,getrandom,futex"
)
STRACE = ("strace", "-f", "-ttt", "-y", "-s", "64", "-e", f"trace={SKIPPED_CALLS}", "-e", "signal=none")
SITE_SEED = 7  # the site is the same in every run; what happens on it is not
START_SECONDS, STOP_SECONDS = 20.0, 10.0
VOCABULARY = """
river stone winter paper lantern harbour garden copper morning silver bridge window summer meadow engine letter
market island thunder ribbon orchard candle compass feather glacier hollow kettle ladder marble needle
"""
WORDS = VOCABULARY.split()
PEOPLE = {name: f"{name}-{number}" for number, name in enumerate(("ada", "ben", "cleo", "dora", "emil", "fay"))}


class Listener(socketserver.ThreadingTCPServer):
    """Answers every line it is sent with one short line, on a loopback port of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.heard: set[str] = set()
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return int(self.server_address[1])

    def stop(self) -> None:
        """No more answers; the port is free again."""
        self.shutdown()
        self.server_close()


class Echo(socketserver.StreamRequestHandler):
    """One connection of a `Listener`; what was said is kept in `heard`."""

    server: Listener
    timeout = 5

    def handle(self) -> None:
        """Line by line, until the other side leaves."""
        with contextlib.suppress(OSError):
            for line in self.rfile:
                self.server.heard.add(line.decode(errors="replace").strip())
                self.wfile.write(b"ok %d\n" % len(line))


@dataclass
class Laboratory:
    """A service that is being recorded: `port` and `key` to visit it, the ports of the store and of a stranger."""

    root: Path
    key: str
    store: Listener
    stranger: Listener
    tracer: subprocess.Popen[str] | None = None
    port: int = 0
    server: int = 0

    @property
    def record(self) -> Path:
        """The file that strace writes."""
        return self.root.parent / "trace.txt"

    def start(self, seed: int) -> None:
        """Starts the service under strace; raises RuntimeError when it does not come up."""
        config = self.root.parent / "config.json"
        config.write_text(json.dumps({"root": str(self.root), "key": self.key, "store": self.store.port, "seed": seed}))
        self.tracer = subprocess.Popen(
            [*STRACE, "-o", str(self.record), sys.executable, "-m", "hostlab.service", str(config)],
            env={"PATH": "/usr/bin:/bin", "LANG": "C", "PYTHONPATH": str(TOOLS), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=self.root,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.port, self.server = first_line(self.tracer)

    def stop(self) -> None:
        """Ends the service and all it started: politely, then surely. The trace is complete afterwards."""
        if (tracer := self.tracer) is None:
            return
        if self.server:
            end([self.server], signal.SIGTERM)
        wait_until(lambda: not members(tracer.pid), STOP_SECONDS)
        end(members(tracer.pid), signal.SIGKILL)
        tracer.communicate(timeout=STOP_SECONDS)
        self.tracer = None

    def trace(self) -> Trace:
        """What was recorded; complete only after `stop`."""
        with self.record.open(errors="replace") as lines:
            return Trace((line.rstrip("\n") for line in lines), self.server)

    def kinds(self) -> Kinds:
        """What paths and ports mean in this run."""
        return Kinds(self.root, frozenset({self.port, self.store.port}))


@contextmanager
def laboratory(seed: int) -> Iterator[Laboratory]:
    """A laboratory at work; when the block is left, all that it started has ended and its folder is gone."""
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
    """The port and process id that the service prints once it listens."""
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
    """The living processes of one session id."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                state, _, _, owner = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(owner) == session and state != "Z":
                found.append(int(entry.name))
    return found


def end(processes: list[int], number: signal.Signals) -> None:
    """Sends each process the signal; those that are gone already are no error."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def wait_until(done: Callable[[], bool], seconds: float) -> None:
    """Returns when `done` is true, or after `seconds` at the latest."""
    limit = time.monotonic() + seconds
    while not done() and time.monotonic() < limit:
        time.sleep(0.05)


# --- the service's folder


def furnish(root: Path, chance: random.Random) -> None:
    """Templates, pictures, items, documents, people with their homes, and an untrue credentials file."""
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
    """Words in lines of about five."""
    return "".join(chance.choice(WORDS) + ("\n" if chance.random() < 0.2 else " ") for _ in range(words)).encode()


def digests(chance: random.Random) -> dict[str, tuple[str, str]]:
    """Salt and digest of everyone's password."""
    salts = {name: chance.randbytes(6).hex() for name in PEOPLE}
    return {
        name: (salts[name], hashlib.pbkdf2_hmac("sha256", word.encode(), salts[name].encode(), HASH_ROUNDS).hex())
        for name, word in PEOPLE.items()
    }


def write(file: Path, content: bytes) -> None:
    """Writes a file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
