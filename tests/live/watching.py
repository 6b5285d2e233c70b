"""`trine detect watch` as a process, and a small detector for it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.live.ssh_log import log_lines
from trine.detect.detector import Detector
from trine.errors import StoreError
from trine.live.store import Store


def counting_model(folder: Path) -> Path:
    """A detector that counts, exported: its process does not import torch, and starts at once."""
    log = folder / "auth.log"
    log.write_text("\n".join(log_lines(400, 0)) + "\n")
    detector = Detector(members=["counting"], entity="process", folds=2)
    detector.fit(log, out=folder / "run", test=False).export(folder / "bundle")
    return folder / "bundle"


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Service:
    """The command, with a store that outlives it."""

    def __init__(self, model: Path, store: Path, *words: object) -> None:
        self.model, self.store, self.words = model, store, words
        self.process: subprocess.Popen[str] | None = None

    def start(self, *further: str, **options: object) -> "subprocess.Popen[str]":
        words = ("detect", "watch", self.model, *self.words, "--store", self.store, "--false-alarms", "0.02", *further)
        line = [sys.executable, "-m", "trine", *map(str, words)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, **options)  # type: ignore[call-overload]
        return self.process

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit status, stdout and stderr."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        """Wait for its end; exit status, stdout and stderr."""
        assert self.process is not None
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors

    def counted(self, name: str = "lines") -> int:
        try:
            with closing(Store.look(self.store)) as store:
                return store.counters().get(name, 0)
        except StoreError:
            return 0

    def found(self) -> set[str]:
        with closing(Store.look(self.store)) as store:
            return {finding.entity for finding in store.findings()}


@contextmanager
def service(model: Path, store: Path, *words: object) -> Iterator[Service]:
    made = Service(model, store, *words)
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.communicate()
