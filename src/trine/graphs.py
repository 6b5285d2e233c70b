"""ONNX graphs of a bundle: how `trine.json` describes them, and how one is verified and opened.

It needs onnxruntime and numpy, not torch: exports are proved by it, and models without torch run by it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from trine import files
from trine.errors import BundleError
from trine.extras import installed
from trine.processors import thread_limit

OPSET = 20
"""Version of ONNX's operators that graphs are written in."""
GRAPH, WEIGHTS = "trine.graph", "trine.weights"
"""Keys of a graph's metadata: its name, and the sha256 of the weights of the model that it was made of."""
SOURCE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:/\S+:\d+ .*?\) (?=[A-Z]))?")
"""What stands before the reason in an error of onnxruntime: its kind, and the place in onnxruntime's source."""


def as_port(name: str, dtype: str, shape: Sequence[int | str]) -> dict[str, Any]:
    """An input or output of a graph in `trine.json`; an axis of any length has a name."""
    return {"name": name, "dtype": dtype, "shape": list(shape)}


class Graph:
    """A graph, opened: arrays in, arrays out."""

    def __init__(self, content: bytes, name: str, weights: str, where: str, threads: int | None = None) -> None:
        """Open a graph.

        content   the ONNX file
        name      the graph that it must be, such as `model`
        weights   sha256 of the weights of the model that it must be of
        where     names the file in error messages
        threads   threads that compute; without, one per core and no more than `OMP_NUM_THREADS`
        Raises `BundleError`, `UsageError` without onnxruntime.
        """
        with installed():
            import onnxruntime as runtime
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or thread_limit() or 0
        try:
            self.session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as problem:  # noqa: BLE001  (onnxruntime's errors have no common root)
            reason = SOURCE.sub("", " ".join(str(problem).split()))[:200]
            raise BundleError(
                f"{where}: onnxruntime {runtime.__version__} cannot read it ({reason}): export the model again, or "
                "upgrade onnxruntime"
            ) from None
        kept = self.session.get_modelmeta().custom_metadata_map
        if kept.get(GRAPH) != name or kept.get(WEIGHTS) != weights:
            raise BundleError(f"{where}: a graph of another model: export the model again")
        self.inputs = tuple(port.name for port in self.session.get_inputs())
        self.outputs = tuple(port.name for port in self.session.get_outputs())

    @classmethod
    def of_bundle(
        cls, folder: Path, name: str, export: Mapping[str, Any], sums: Mapping[str, str], threads: int | None = None
    ) -> Self:
        """Open a graph of a bundle after its checksum is verified.

        export, sums   the manifest's `export` and `files`
        Raises `BundleError`, `UsageError` without onnxruntime.
        """
        described = export.get("graphs", {}).get(name)
        if described is None:
            raise BundleError(f"{folder}: the model has no graph {name!r}: run `trine export {folder}`")
        path = folder / described["file"]
        try:
            content = path.read_bytes()
        except OSError:
            raise BundleError(f"{path}: missing: copy the model again, or export it again") from None
        if files.sha256_of(content) != sums.get(path.name):
            raise BundleError(f"{path}: altered or truncated (its checksum differs): copy the model again")
        return cls(content, name, sums.get("model.safetensors", ""), str(path), threads)

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs by name."""
        return dict(zip(self.outputs, self.session.run(None, inputs), strict=True))
