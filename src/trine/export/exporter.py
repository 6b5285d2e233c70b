"""The way of all exports: graphs, proof, 8-bit graphs, and only then files."""

import copy
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from onnx import ModelProto
from torch import nn

from trine import bundle, files, machine
from trine.device import Device
from trine.errors import ExportError
from trine.export.graph import marked, ports
from trine.graphs import OPSET, Graph
from trine.model import Model
from trine.progress import Reporter, Silent
from trine.tasks import TASKS

M = TypeVar("M", bound=Model[Any])
VERSIONED = ("onnx", "onnxscript", "onnxruntime")
"""Packages that wrote a graph, beside those of every model."""
LEAST_INPUTS = 256
"""Smallest number of real inputs that a graph is compared on."""
EIGHT_BIT = ".int8"
"""What the name of a graph of 8-bit numbers ends in."""


@dataclass(frozen=True)
class Proof:
    """A graph compared with the network that it was made of, on the same inputs."""

    inputs: int
    """Number of inputs: pictures, or events."""
    source: str
    """Where the inputs are from."""
    largest_difference: dict[str, float]
    """Per output, over all inputs."""
    tolerance: dict[str, float]
    """The largest difference that is accepted, per output."""
    equal_decisions: float | None = None
    """Share of inputs with the same decision; None where nothing is decided."""
    further: dict[str, Any] = field(default_factory=dict)
    """Figures of some tasks only."""

    def failures(self) -> list[str]:
        """What is beyond the tolerance, for a person."""
        return [
            f"{name} differ by {found:.3g}, accepted are {self.tolerance[name]:.3g}"
            for name, found in self.largest_difference.items()
            if not found <= self.tolerance[name]
        ]

    def as_json(self) -> dict[str, Any]:
        """The proof as `trine.json` holds it."""
        return {name: value for name, value in asdict(self).items() if name != "further"} | self.further


@dataclass(frozen=True)
class EightBit:
    """Graphs of 8-bit numbers, and what they lose and gain."""

    graphs: dict[str, ModelProto]
    figures: dict[str, Any]
    refusal: str | None = None
    """Why they must not be used; None where they can be."""


@dataclass(frozen=True)
class Exported:
    """An export that is proved, before it is written."""

    document: dict[str, Any]
    """The content of `export` in `trine.json`."""
    files: dict[str, bytes]


class Exporter(ABC, Generic[M]):
    """A task's part of an export."""

    def __init__(self, model: M, data: str | Path | None, data_dir: Path | None) -> None:
        """The networks are copies, which compute in single precision on the processor, as the graphs do."""
        networks = {
            name: copy.deepcopy(part).cpu() for name, part in vars(model).items() if isinstance(part, nn.Module)
        }
        self.model: M = model.replaced(device=Device("cpu", bfloat16=False), **networks)
        self.data, self.data_dir = data, data_dir

    @abstractmethod
    def check_eight_bit(self) -> None:
        """Raises `ExportError` for a model that has nothing to gain from 8-bit numbers, or where data for it lack."""

    @abstractmethod
    def graphs(self) -> dict[str, ModelProto]:
        """The graphs by name."""

    @abstractmethod
    def proofs(self, graphs: Mapping[str, Graph]) -> dict[str, Proof]:
        """The proof of each graph."""

    @abstractmethod
    def eight_bit(self, graphs: Mapping[str, ModelProto], folder: Path, weights: str) -> EightBit:
        """The graphs that are worth 8-bit numbers, in 8-bit numbers. Raises `ExportError`.

        folder    an empty folder for files in between
        weights   sha256 of the model's weights
        """


def exported(
    model: Model[Any],
    weights: str,
    *,
    int8: bool = False,
    data: str | Path | None = None,
    data_dir: Path | None = None,
    report: Reporter | None = None,
) -> Exported:
    """A model's graphs with their proofs; nothing is written. Raises `ExportError` where one does not hold.

    weights   sha256 of the model's weights
    data      held-out inputs are taken from here; without, from the data of the training where that is a named set
    """
    report = report or Silent()
    exporter: Exporter[Any] = TASKS[model.task].exporter_class()(model, data, data_dir)
    if int8:
        exporter.check_eight_bit()
    with report.working("export: tracing the network"):
        graphs = {name: marked(graph, name, weights) for name, graph in exporter.graphs().items()}
    contents = {name: graph.SerializeToString() for name, graph in graphs.items()}
    opened = {name: Graph(content, name, weights, f"{name}.onnx") for name, content in contents.items()}
    with report.working("export: comparing the graph with the network"), torch.inference_mode():
        proofs = exporter.proofs(opened)
    for name, proof in proofs.items():
        if failures := proof.failures():
            raise ExportError(f"{name}.onnx does not agree with the network: {'; '.join(failures)}: nothing is written")
    document: dict[str, Any] = {
        "opset": OPSET,
        "versions": machine.versions(VERSIONED),
        "graphs": {name: _described(name, graphs[name], proof.as_json()) for name, proof in proofs.items()},
    }
    written = {f"{name}.onnx": content for name, content in contents.items()}
    if int8:
        with report.working("export: 8-bit numbers"), tempfile.TemporaryDirectory() as folder:
            eight = exporter.eight_bit(graphs, Path(folder), weights)
        if eight.refusal:
            raise ExportError(f"--int8: {eight.refusal}: nothing is written; leave out --int8")
        document["int8"] = eight.figures
        for name, graph in eight.graphs.items():
            document["graphs"][name + EIGHT_BIT] = _described(name + EIGHT_BIT, graph, {})
            written[f"{name}{EIGHT_BIT}.onnx"] = graph.SerializeToString()
    return Exported(files.rounded(document), written)


def export_bundle(path: str | Path, out: str | Path | None = None, **options: Any) -> dict[str, Any]:
    """Add graphs to a bundle, in place or as a copy at `out`; returns what `trine.json` says of them.

    options   those of `exported`
    Raises `BundleError`, `ExportError`.
    """
    from trine.model import load

    folder = bundle.locate(path)
    model, manifest = load(folder), bundle.read_manifest(folder)
    result = exported(model, manifest.files[bundle.WEIGHTS], **options)
    bundle.extend(folder, Path(out) if out is not None else folder, result.files, result.document)
    return result.document


def export_model(model: Model[Any], path: str | Path, **options: Any) -> dict[str, Any]:
    """Save a model with its graphs; returns what `trine.json` says of them. Raises `BundleError`, `ExportError`."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "bundle"
        model.save(saved)
        result = exported(model, bundle.read_manifest(saved).files[bundle.WEIGHTS], **options)
        source = saved
        if (Path(path) / bundle.MANIFEST).is_file():  # keep the pictures of the same model
            there = bundle.read_manifest(Path(path))
            if there.files.get(bundle.WEIGHTS) == bundle.read_manifest(saved).files[bundle.WEIGHTS]:
                source = Path(path)
        bundle.extend(source, Path(path), result.files, result.document)
    return result.document


def largest(differences: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The largest difference per output."""
    found: dict[str, float] = {}
    for name, difference in differences:
        found[name] = max(found.get(name, 0.0), difference)
    return found


def _described(name: str, graph: ModelProto, proof: dict[str, Any]) -> dict[str, Any]:
    described = {
        "file": f"{name}.onnx",
        "inputs": ports(graph.graph.input),
        "outputs": ports(graph.graph.output),
    }
    return {**described, "proof": proof} if proof else described
