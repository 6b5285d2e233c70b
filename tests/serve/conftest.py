"""A service as a process of its own, with a model of every task, runs, and findings."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from tests.live.findings import finding
from tests.serve.models import MAKERS, made
from tests.serve.page import Site, write_curve
from trine.live.store import Changes, Store

START = 60.0
"""Seconds that a service may take to start on a busy machine."""


@dataclass
class Service:
    """A service in a process of its own."""

    process: "subprocess.Popen[str]"
    url: str = ""
    said: list[str] = field(default_factory=list)
    """Lines on its standard error so far."""
    listening: threading.Thread = field(default_factory=threading.Thread)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=30, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return requests.post(self.url + path, timeout=30, **options)

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    def memory(self) -> int:
        """Bytes that the process has in memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")

    def until(self, pattern: str, seconds: float = START) -> "re.Match[str]":
        """Wait for a line of its standard error."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.said):
                if found := re.search(pattern, line):
                    return found
            if self.process.poll() is not None:
                time.sleep(0.2)
                break
            time.sleep(0.02)
        raise AssertionError(f"no line has {pattern!r}: {self.said[-20:]}")


Serve = Callable[..., Service]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start `trine serve` with these words at a free port."""
    with serving(tmp_path_factory) as start:
        yield start


@contextmanager
def serving(folders: pytest.TempPathFactory) -> Iterator[Serve]:
    """A function that starts `trine serve`; all services end with it."""
    started: list[Service] = []

    def start(
        *words: object, program: tuple[object, ...] = (sys.executable, "-m", "trine"), **settings: Any
    ) -> Service:
        line = [*map(str, program), "serve", *map(str, words), "--port", "0", "--threads", "1"]
        folder = settings.pop("cwd", None) or folders.mktemp("service")
        settings["env"] = {**os.environ, **settings.pop("env", {})}
        process = subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, **settings
        )
        service = Service(process)
        started.append(service)
        service.listening = threading.Thread(target=_listen, args=(service,), daemon=True)
        service.listening.start()
        port = service.until(r"serving at http://.*:(\d+)/")[1]
        service.url = f"http://127.0.0.1:{port}"
        return service

    try:
        yield start
    finally:
        _end(started)


def _end(started: list[Service]) -> None:
    for service in started:
        if service.process.poll() is None:
            service.process.terminate()
        try:
            service.process.wait(15)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()
        service.listening.join(5)
        assert service.process.stderr is not None
        service.process.stderr.close()


def _listen(service: Service) -> None:
    assert service.process.stderr is not None
    for line in service.process.stderr:
        service.said.append(line.rstrip("\n"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of a detector at work, with a finding."""
    path = tmp_path_factory.mktemp("store") / "findings.db"
    opened = Store.own(path, "model")
    opened.commit(Changes(findings=[finding()]))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def service(serve: Serve, store: Store) -> Service:
    """A service with a model of every task and the findings of the store."""
    return serve(*(f"{name}={made(name)}" for name in MAKERS), "--store", store.path)


@pytest.fixture(scope="session")
def folder() -> Callable[[str], Path]:
    """The run folder of a model by its name."""
    return made


@pytest.fixture
def photo() -> Callable[..., bytes]:
    """A picture as a file: dark or light noise."""

    def paint(level: int = 70, size: tuple[int, int] = (24, 24), kind: str = "PNG", seed: int = 3) -> bytes:
        draw = np.random.default_rng(seed)
        levels = level + draw.integers(-60, 60, (size[1], size[0], 3))
        content = BytesIO()
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(content, format=kind)
        return content.getvalue()

    return paint


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service for the page: a model of every task, findings, and runs of which one goes on."""
    runs = tmp_path_factory.mktemp("runs")
    for name in MAKERS:
        shutil.copytree(made(name), runs / name, ignore=shutil.ignore_patterns("checkpoints", "*.onnx"))
    (runs / "going").mkdir()
    for name in ("recipe.json", "plan.json"):
        shutil.copy(made("photos") / name, runs / "going" / name)
    write_curve(runs / "going", 5)
    findings = Store.own(tmp_path_factory.mktemp("store") / "findings.db", "model")
    findings.commit(Changes(findings=[finding()]))
    words = [f"{name}={made(name)}" for name in MAKERS]
    with serving(tmp_path_factory) as start:
        yield Site(start(*words, "--store", findings.path, "--runs", runs), runs, findings)
    findings.close()


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Any]:
    """A page of the browser; nothing may complain, and no request may leave the host."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    complaints: list[str] = []
    addresses: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on("request", lambda request: addresses.append(request.url))
    page.set_default_timeout(10_000)
    yield page
    page.close()
    assert complaints == []
    assert [each for each in addresses if not each.startswith((site.url, f"blob:{site.url}", "data:"))] == []
