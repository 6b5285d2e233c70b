"""The models of a service: verified, opened with onnxruntime or torch, and what each is called."""

import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from trine import bundle, runtime
from trine.bundle import MANIFEST, WEIGHTS, BundleManifest
from trine.errors import BundleError, ExportError, TrineError, UsageError
from trine.graphs import Graph
from trine.runtime.exported import ExportedBundle
from trine.serve.batching import Worker
from trine.serve.refusals import Refusal
from trine.serve.settings import Settings
from trine.tasks import imported

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
"""What a model can be called: a part of an address."""
TOGETHER: Mapping[str, int] = {"classify": 64, "detect": 256, "generate": 64}
"""Pictures, events or latents that are computed together, by task."""
MODEL_PARTS = (MANIFEST, "bundle", "recipe.json")
"""What a bundle or a run has one of."""
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Loaded:
    """One state of a model on disk, opened."""

    model: Any
    """A `Predictor`, a `Scorer` or a generator, with torch or without."""
    manifest: BundleManifest
    source: BundleManifest
    """The manifest where the model was named; `manifest` is that of a copy where graphs had to be made."""
    folder: Path
    engine: Literal["onnxruntime", "torch"]
    threads: int | None = None
    graphs: dict[str, Graph] = field(default_factory=dict)
    """Further graphs that were asked for, by name."""

    @property
    def version(self) -> str:
        """Changes with the weights."""
        return self.manifest.files[WEIGHTS][:12]

    def graph(self, name: str) -> Graph:
        """A graph of the bundle beside those that the model itself uses, opened once."""
        if name not in self.graphs:
            self.graphs[name] = ExportedBundle(self.folder, self.manifest, threads=self.threads).graph(name)
        return self.graphs[name]


class ServedModel:
    """A model with its name, its thread, and the state of it that is in use."""

    def __init__(self, name: str, path: Path, loaded: Loaded, worker: Worker) -> None:
        self.name, self.path, self.worker = name, path, worker
        self._loaded, self._full = loaded, None if loaded.engine == "onnxruntime" else loaded
        self._turn = threading.Lock()

    @property
    def loaded(self) -> Loaded:
        """The state in use. Take it once per request: another can come between two looks."""
        return self._loaded

    @property
    def task(self) -> str:
        """classify, detect or generate."""
        return self._loaded.manifest.task

    def replace(self, loaded: Loaded) -> None:
        """Use another state from now on; requests that have the one before end with it."""
        with self._turn:
            self._loaded, self._full = loaded, None if loaded.engine == "onnxruntime" else loaded

    def full(self, what: str) -> Any:
        """The model with torch, which gives what graphs do not. Raises `Refusal` (501) without torch."""
        with self._turn:
            if self._full is None or self._full.source != self._loaded.source:
                if find_spec("torch") is None:
                    raise Refusal(
                        501, f"{what} needs the full package, which is not installed here: pip install 'trine[train]'"
                    )
                self._full = _with_torch(self._loaded.folder, self._loaded.source)
            return self._full.model


class Models:
    """All models of a service by name."""

    def __init__(self, served: Iterable[ServedModel]) -> None:
        self.by_name = {model.name: model for model in served}

    def get(self, name: str, task: str | None = None) -> ServedModel:
        """A model by name. Raises `Refusal` (404) if there is none, or (422) if it has another task."""
        model = self.by_name.get(name)
        if model is None:
            raise Refusal(404, f"no model {name!r:.80}: there are {', '.join(self.by_name) or 'none'}")
        if task is not None and model.task != task:
            raise Refusal(422, f"{name} is a model for {model.task}, not for {task}")
        return model

    def lines(self) -> list[str]:
        """What there is, for people."""
        loaded = {name: model.loaded for name, model in self.by_name.items()}
        return [f"{name}: {of.manifest.task}, {of.engine}, {of.version}" for name, of in loaded.items()]

    def close(self) -> None:
        """End all threads after what waits is computed."""
        for model in self.by_name.values():
            model.worker.close()


def named_paths(words: Sequence[str], say: Say) -> dict[str, Path]:
    """Models by name: `NAME=PATH`, or a path that names them itself.

    Of several paths, as in `demo/*`, files and folders without a model are passed over, and that is said. Raises
    `UsageError` for names that are given twice or cannot be a part of an address.
    """
    found: dict[str, Path] = {}
    for word in words:
        given, equals, path = word.partition("=")
        folder = Path(path if equals else word)
        if not equals and len(words) > 1 and _is_something_else(folder):
            say(f"{folder}: no model, passed over")
            continue
        name = given if equals else _own_name(folder)
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{word}: {name!r} cannot be a name in addresses: give NAME={folder}, of letters, digits, - and _"
            )
        if name in found:
            raise UsageError(f"{word}: another model is called {name}: give NAME={folder}")
        found[name] = folder
    if not found:
        raise UsageError("no model: give bundles or run folders")
    return found


def _is_something_else(path: Path) -> bool:
    """Whether a path is neither a bundle nor a run, finished or not."""
    return path.is_file() or (path.is_dir() and not any((path / name).exists() for name in MODEL_PARTS))


def tried(loaded: Loaded) -> Loaded:
    """The same, after it has computed something: the first time takes longest, and shows what cannot be computed."""
    model: Any = loaded.model
    task = loaded.manifest.task
    if task == "classify":
        model.answers(np.zeros((1, model.size, model.size, model.channels), np.uint8))
    elif task == "generate":
        model.sample(1)
    elif model.state_form().networks:
        model.step([None], [""])
    return loaded


def opened(name: str, path: Path, settings: Settings, say: Say, seen: Callable[[int, float], None]) -> ServedModel:
    """A model, verified and at work. Raises `BundleError`, `UsageError`."""
    loaded = tried(load(path, settings, say))
    together = TOGETHER[loaded.manifest.task]
    return ServedModel(name, path, loaded, Worker(name, together, settings.limits.queue, seen))


def load(path: Path, settings: Settings, say: Say) -> Loaded:
    """The present state of a model on disk; one without graphs is exported first. Raises `BundleError`."""
    folder, manifest, source = prepared(path, settings, say)
    if settings.torch or not manifest.export.get("graphs"):
        return _with_torch(folder, source)
    return Loaded(
        runtime.load(folder, threads=settings.threads), manifest, source, folder, "onnxruntime", settings.threads
    )


def prepared(path: Path, settings: Settings, say: Say) -> tuple[Path, BundleManifest, BundleManifest]:
    """The folder to load, its manifest, and that of the model as it was named. Raises `BundleError`.

    One without graphs is exported, unless torch is to compute.
    """
    folder = bundle.locate(path)
    manifest = source = bundle.read_manifest(folder)
    if manifest.task not in TOGETHER:
        raise BundleError(
            f"{path}: a model of the task {manifest.task}, which this version does not know: upgrade Trine"
        )
    if not settings.torch and not manifest.export.get("graphs"):
        exported = _exported(folder, manifest, say)
        if exported is not None:
            folder, manifest = exported, bundle.read_manifest(exported)
    return folder, manifest, source


def _with_torch(folder: Path, source: BundleManifest) -> Loaded:
    model = imported("trine.model:load")(folder)
    return Loaded(model, bundle.read_manifest(folder), source, folder, "torch")


def _exported(folder: Path, manifest: BundleManifest, say: Say) -> Path | None:
    """A copy of the bundle with graphs, made if there is none yet; None where torch has to do instead."""
    out = _cache(folder, manifest)
    if _is_export(out, manifest):
        return out
    if find_spec("torch") is None:
        raise BundleError(f"{folder}: has no graphs: run `trine export {folder}` where trine[export] is installed")
    if find_spec("onnxscript") is None:
        say(f"{folder}: has no graphs and trine[export] is not installed: torch computes")
        return None
    with FileLock(f"{out}.lock"):  # other processes serve the same model
        if _is_export(out, manifest):
            return out
        say(f"{folder}: has no graphs: they are made in {out} and compared with the network, once")
        try:
            imported("trine.export.exporter:export_bundle")(folder, out)
        except ExportError as problem:
            say(f"{folder}: {problem}: torch computes")
            return None
    return out


def _is_export(out: Path, manifest: BundleManifest) -> bool:
    """Whether there is a copy with graphs of these weights."""
    if not (out / MANIFEST).is_file():
        return False
    try:
        there = bundle.read_manifest(out)
    except TrineError:
        return False
    return bool(there.export.get("graphs")) and (there.recipe, there.content, there.files[WEIGHTS]) == (
        manifest.recipe,
        manifest.content,
        manifest.files[WEIGHTS],
    )


def _cache(folder: Path, manifest: BundleManifest) -> Path:
    """Where the copy with graphs is kept: beside the bundle, else in the user's cache."""
    beside = folder.absolute().parent
    if os.access(beside, os.W_OK):
        return beside / f".{folder.absolute().name}.served"
    from trine.datasets.cache import cache_dir

    return cache_dir() / "served" / manifest.files[WEIGHTS][:32]


def _own_name(folder: Path) -> str:
    """What a folder is called; a bundle is called after its run."""
    whole = folder.absolute()
    name = whole.parent.name if whole.name == "bundle" else whole.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")
