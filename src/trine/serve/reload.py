"""Models that are replaced on disk: the new state is verified, opened, tried, and only then used."""

import asyncio
import logging
from pathlib import Path

from trine import bundle
from trine.errors import TrineError
from trine.serve.metrics import Metrics
from trine.serve.models import ServedModel, load, tried
from trine.serve.settings import Settings

PAUSE = 1.0
"""Seconds between two looks."""
log = logging.getLogger("trine.serve")
Look = tuple[tuple[str, int, int, int], ...]
"""Name, size, time and number of every file of a bundle."""


async def watch(served: ServedModel, settings: Settings, metrics: Metrics) -> None:
    """Use new states of a model as they come, until cancelled. What cannot be used is said; the last one goes on."""
    known = await asyncio.to_thread(look, served.path)
    while True:
        await asyncio.sleep(PAUSE)
        seen = await asyncio.to_thread(look, served.path)
        if seen and seen != known:
            known = seen  # files that change while they are read are seen at the next look
            outcome = await asyncio.to_thread(_replaced, served, settings)
            if outcome != "unchanged":
                metrics.reloads.labels(served.name, outcome).inc()


def look(path: Path) -> Look:
    """What a bundle's files look like from outside; empty where there is none."""
    try:
        folder = bundle.locate(path)
        stats = sorted((each.name, each.stat()) for each in folder.iterdir() if not each.name.startswith("."))
        return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)
    except (OSError, TrineError):
        return ()


def _replaced(served: ServedModel, settings: Settings) -> str:
    """Load the present state and use it; the outcome in a word."""
    now = served.loaded
    try:
        manifest = bundle.read_manifest(bundle.locate(served.path))
        if manifest == now.source:
            return "unchanged"
        loaded = tried(load(served.path, settings, log.warning))
    except TrineError as problem:
        log.error("%s: the new state is not used, the one before goes on: %s", served.name, problem)
        return "failed"
    except Exception:  # the edge of a thread: requests go on with the state before
        log.exception("%s: the new state is not used, the one before goes on", served.name)
        return "failed"
    if loaded.manifest.task != now.manifest.task:
        log.error(
            "%s: the new state is a model for %s, not for %s: it is not used",
            served.name,
            loaded.manifest.task,
            now.manifest.task,
        )
        return "failed"
    served.replace(loaded)
    log.warning("%s: replaced by %s", served.name, loaded.version)
    return "replaced"
