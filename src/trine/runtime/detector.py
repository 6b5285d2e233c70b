"""A detector at work without torch: logs and tables to findings, or one event at a time."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trine.annotations import Float32, Int64, override
from trine.detect.padding import padded
from trine.detect.scorer import Scorer, log_settings, scoring_parts
from trine.detect.scoring import NetworkSurprisal
from trine.detect.states import LIKELIEST, Expected, Rows, StateForm, StepSurprisal
from trine.graphs import Graph
from trine.runtime.exported import ExportedBundle
from trine.sequences.vocabulary import BEGIN, EVENT, EncodedTable

if TYPE_CHECKING:
    from trine.logs.readers import LogSettings

LOGITS = 2_097_152
"""Largest number of logits per network that are computed at once, 8 MiB; long sequences are read in pieces."""
Codes = Int64[np.ndarray, "entities events"]
Padded = Int64[np.ndarray, "length batch"]
Surprisals = Float32[np.ndarray, "folds length batch"]
Likeliest = tuple[Int64[np.ndarray, "length batch count"], Float32[np.ndarray, "length batch count"]]
"""Codes of the most probable events in the place of each, and their probabilities, the most probable first."""
States = dict[str, Float32[np.ndarray, "folds layers batch hidden"]]


class ExportedDetector(Scorer):
    """`score`, `scores` and `step` answer as those of `trine.Detector`; states of the one go on in the other."""

    def __init__(self, exported: ExportedBundle) -> None:
        content, recipe = exported.content, exported.manifest.recipe
        networks = content.get("networks", content["folds"])
        begins = [f"network.nets.{i}.embeddings.0.weight" for i in range(networks)]
        arrays = exported.arrays("ensemble.", "running.", *begins)
        vars(self).update(scoring_parts(recipe, content, arrays))
        self._recipe = recipe
        self._steps = StepGraph(exported, recipe, [arrays[name][BEGIN] for name in begins]) if networks else None

    @property
    @override
    def log_settings(self) -> "LogSettings":
        return log_settings(self._recipe, self.log_format)

    @override
    def network_surprisal(self, table: EncodedTable) -> list[NetworkSurprisal]:
        return self._steps.surprisals(table, sum(self.vocabulary.sizes.values())) if self._steps else []

    @override
    def state_form(self) -> StateForm:
        return self._steps.form if self._steps else StateForm.of_model([], 0)

    @override
    def begun(self) -> Rows:
        return self._steps.fresh[None] if self._steps else np.zeros((1, 0), np.float32)

    @override
    def advance(self, rows: Rows, codes: Mapping[str, Codes]) -> tuple[list[StepSurprisal], Rows]:
        return self._steps.advance(rows, codes)[:2] if self._steps else ([], rows)

    @override
    def advance_with_expected(
        self, rows: Rows, codes: Mapping[str, Codes], surprising: float
    ) -> tuple[list[StepSurprisal], Rows, Expected | None]:
        if not self._steps:
            return [], rows, None
        surprisal, after, (likeliest, probabilities) = self._steps.advance(rows, codes)
        entities, events = np.nonzero(np.mean([of[EVENT] for of in surprisal], 0) >= surprising)
        some = (events, entities, slice(LIKELIEST))
        return surprisal, after, Expected(entities, events, likeliest[some], probabilities[some].astype(np.float64))


class StepGraph:
    """The networks of all folds as one graph: codes and states in; surprisals and the states after out."""

    def __init__(self, exported: ExportedBundle, recipe: Mapping[str, Any], begins: list[np.ndarray]) -> None:
        """begins   each network's embedding of the start token, which identifies the model in states"""
        self._graph: Graph = exported.graph("model")
        self._parts = [name for name in ("hidden", "cell") if name in self._graph.inputs]
        self._shape = (len(begins), recipe["layers"], recipe["hidden"])
        self.form = StateForm.of_model(begins, len(self._parts) * int(np.prod(self._shape)))
        begin = {name: np.full((1, 1), BEGIN) for name in self._columns()}
        self.fresh = self._rows(self._after(self._run(begin, self._zeros(1))))[0]

    def advance(self, rows: Rows, codes: Mapping[str, Codes]) -> tuple[list[StepSurprisal], Rows, Likeliest]:
        """The next events of each entity: their surprisal under each network, the states after them, and what was
        expected in their places."""
        found = self._run({name: values.T for name, values in codes.items()}, self._states(rows))
        surprisal: list[StepSurprisal] = [
            {name: found[_output(name)][fold].T.astype(np.float64) for name in codes} for fold in range(self._shape[0])
        ]
        likeliest = found["expected"].astype(np.int64), found["expected_probabilities"]
        return surprisal, self._rows(self._after(found)), likeliest

    def surprisals(self, table: EncodedTable, width: int) -> list[NetworkSurprisal]:
        """Surprisal of every event of a table per column, in nats: one mapping per network.

        width   number of codes of all columns
        """
        folds, cells = range(self._shape[0]), max(1, LOGITS // width)
        nats = [{name: np.zeros(table.events) for name in table.columns} for _ in folds]
        for positions, codes in padded(table, cells):
            for piece, found in self._pieces(codes, max(1, cells // len(positions))):
                inside = positions[:, piece] >= 0
                places = positions[:, piece][inside]
                for name, values in found.items():
                    for fold in folds:
                        nats[fold][name][places] = values[fold].T[inside]
        return list(nats)

    def _pieces(
        self, codes: dict[str, Int64[np.ndarray, "batch time"]], length: int
    ) -> Iterator[tuple[slice, dict[str, Surprisals]]]:
        """Surprisals of the events of sequences that begin with the start token, so many events at a time."""
        batch, time = codes[EVENT].shape
        states = self._after(self._run({name: values[:, :1].T for name, values in codes.items()}, self._zeros(batch)))
        for start in range(1, time, length):
            piece = slice(start, min(start + length, time))
            found = self._run({name: values[:, piece].T for name, values in codes.items()}, states)
            states = self._after(found)
            yield slice(piece.start - 1, piece.stop - 1), {name: found[_output(name)] for name in codes}

    def _run(self, codes: dict[str, Padded], states: States) -> dict[str, np.ndarray]:
        """All outputs of the graph by name."""
        return self._graph.run(**{_input(name): np.ascontiguousarray(of) for name, of in codes.items()}, **states)

    def _after(self, found: dict[str, np.ndarray]) -> States:
        return {name: found[f"{name}_after"] for name in self._parts}

    def _columns(self) -> list[str]:
        prefix = _input("")
        return [EVENT, *(name.removeprefix(prefix) for name in self._graph.inputs if name.startswith(prefix))]

    def _zeros(self, batch: int) -> States:
        folds, layers, hidden = self._shape
        return {name: np.zeros((folds, layers, batch, hidden), np.float32) for name in self._parts}

    def _rows(self, states: States) -> Rows:
        """States as one row per entity: of each network in turn hidden state, then cell state, each of all layers."""
        stacked = np.stack([states[name] for name in self._parts])
        return np.ascontiguousarray(stacked.transpose(3, 1, 0, 2, 4).reshape(stacked.shape[3], -1))

    def _states(self, rows: Rows) -> States:
        folds, layers, hidden = self._shape
        parts = rows.reshape(len(rows), folds, len(self._parts), layers, hidden).transpose(2, 1, 3, 0, 4)
        return {name: np.ascontiguousarray(part) for name, part in zip(self._parts, parts, strict=True)}


def _input(column: str) -> str:
    """Name of the input that holds a column's codes."""
    return "events" if column == EVENT else f"column/{column}"


def _output(column: str) -> str:
    """Name of the output that holds a column's surprisals."""
    return "surprisals" if column == EVENT else f"surprisals/{column}"
