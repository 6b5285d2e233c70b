"""What all models without torch open of a bundle: verified arrays, and graphs with the shapes they take and give."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trine import bundle
from trine.bundle import BundleManifest
from trine.errors import BundleError
from trine.graphs import Graph

EIGHT_BIT = ".int8"
"""What the name of a graph of 8-bit numbers ends in."""


@dataclass(frozen=True)
class ExportedBundle:
    """A bundle with graphs."""

    folder: Path
    manifest: BundleManifest
    int8: bool = False
    """Whether the graph of 8-bit numbers is used."""
    threads: int | None = None
    """Threads that compute; None: one per core."""

    @property
    def content(self) -> dict[str, Any]:
        """What the model needs besides its weights."""
        return self.manifest.content

    def arrays(self, *prefixes: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin with one of these, after every file is verified. Raises `BundleError`."""
        return bundle.read(self.folder, prefixes=prefixes)[1]

    def graph(self, name: str) -> Graph:
        """A graph, verified and opened. Raises `BundleError`."""
        called = name + EIGHT_BIT if self.int8 else name
        return Graph.of_bundle(self.folder, called, self._export(), self.manifest.files, self.threads)

    def shapes(self, graph: str, output: str) -> list[tuple[int, ...]]:
        """Shapes of a graph's outputs named `output.0`, `output.1` and so on, without their first axis."""
        ports = {port["name"]: port["shape"] for port in self._export()["graphs"][graph]["outputs"]}
        return [tuple(ports[f"{output}.{i}"][1:]) for i in range(sum(name.startswith(f"{output}.") for name in ports))]

    def _export(self) -> dict[str, Any]:
        if not self.manifest.export:
            missing = f"{self.folder}: has no graphs yet: run `trine export {self.folder}`"
            raise BundleError(f"{missing} where trine[export] is installed")
        return self.manifest.export
