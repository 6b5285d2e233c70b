"""A detector's networks as one graph: events and states in; surprisals, the most expected events and states out.

Any number of events of any number of entities: one event each, as a log comes in, or whole sequences. The networks of
all folds stand in one graph, with the fold as the first axis of surprisals and states. Members, fusion and p-values are
numpy, in `detect`, and not part of it.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from onnx import ModelProto
from torch import Tensor, nn
from typing_extensions import override

from trine.detect.cells import CELLS
from trine.detect.detector import Detector
from trine.detect.network import EventNet, FoldNets, State
from trine.detect.sampling import even_sample
from trine.errors import ExportError
from trine.export import quantise
from trine.export.exporter import EIGHT_BIT, LEAST_INPUTS, EightBit, Exporter, Proof, largest
from trine.export.graph import Inputs, marked, traced
from trine.export.real_inputs import training_data
from trine.graphs import Graph
from trine.measures.roc import auc
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import BEGIN, EVENT, FIRST, EncodedTable

EXPECTED = 5
"""Number of most expected events that the graph gives."""
EVENTS, HIDDEN, CELL = "events", "hidden", "cell"
"""Inputs: codes of the events; states of all folds, of an LSTM also the cell states."""
TOLERANCE = {"surprisals": 1e-4, "states": 1e-4, "expected_probabilities": 1e-5}
"""Largest differences that are accepted, of states relative to the largest of them, or to 1; rounding of single
precision alone gives 1e-6."""
BATCH = 32
"""Sequences that are compared together."""
LONGEST, LOGITS = 2_000, 16_777_216
"""Longest sequence that is compared, in events, and most logits that are held at once, 64 MiB."""
ENTITIES = 64
"""Entities of which one event each is timed."""
STEPS = 20
"""Events that are also given one by one."""
SEED, SAMPLED_LENGTHS = 0, (2, 80)
"""Seed and lengths of sequences that are sampled where the data is not at hand."""
Codes = Int64[np.ndarray, "length batch"]


class OnnxRecurrence(nn.Module):
    """Recurrent layers as ONNX's own operators, with weights in their order of the gates.

    torch's exporter does not know the plain layer, and reorders the weights of the others at every run.
    """

    def __init__(self, net: EventNet) -> None:
        super().__init__()
        self.cell, self.width, self.layers = CELLS[net.cell], net.recurrence.hidden_size, net.recurrence.num_layers
        for layer in range(self.layers):
            weights, hidden_weights, bias, hidden_bias = (
                self._ordered(getattr(net.recurrence, f"{name}_l{layer}").detach())
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            self.register_buffer(f"weights_{layer}", weights[None])
            self.register_buffer(f"hidden_weights_{layer}", hidden_weights[None])
            self.register_buffer(f"biases_{layer}", torch.cat([bias, hidden_bias])[None])

    def forward(self, inputs: Float[Tensor, "length batch width"], state: State) -> tuple[Tensor, State]:
        """Outputs of the last layer, and the states after the last event."""
        hidden, after = inputs, []
        for layer in range(self.layers):
            weights = [self.get_buffer(f"{name}_{layer}") for name in ("weights", "hidden_weights", "biases")]
            one = (1, inputs.shape[1], self.width)
            outputs, *last = torch.onnx.ops.symbolic_multi_out(
                self.cell.layer,
                [hidden, *weights, None, *(part[layer : layer + 1] for part in state)],
                {"hidden_size": self.width, **self.cell.onnx_settings},
                dtypes=[torch.float32] * (1 + len(state)),
                shapes=[(inputs.shape[0], *one), *[one] * len(state)],
            )
            hidden = outputs[:, 0]
            after.append(last)
        return hidden, tuple(torch.cat(parts) for parts in zip(*after, strict=True))

    def _ordered(self, weights: Float[Tensor, "gates *rest"]) -> Float[Tensor, "gates *rest"]:
        blocks = torch.split(weights, self.width)
        return torch.cat([blocks[index] for index in self.cell.onnx_order])


class StepNets(nn.Module):
    """One or more events of each entity, under the networks of all folds."""

    def __init__(self, networks: FoldNets) -> None:
        super().__init__()
        self.nets = nn.ModuleList(networks)
        self.recurrences = nn.ModuleList(map(OnnxRecurrence, networks))
        first = next(iter(networks))
        self.columns, self.expected = first.columns, min(EXPECTED, first.head(EVENT).get_parameter("bias").shape[0])

    def forward(
        self, *values: Int64[Tensor, "length batch"] | Float[Tensor, "folds layers batch hidden"]
    ) -> tuple[Tensor, ...]:
        """values   codes per column, then hidden states and, of an LSTM, cell states.

        Returns surprisals per column, codes and probabilities of the most expected events, and the states after.
        """
        codes = dict(zip(self.columns, values, strict=False))
        states = values[len(self.columns) :]
        nats: dict[str, list[Tensor]] = {name: [] for name in self.columns}
        probabilities, after = [], []
        for fold, (net, recurrence) in enumerate(zip(self.nets, self.recurrences, strict=True)):
            assert isinstance(net, EventNet)
            known = net.recognise(codes)
            hidden, state = recurrence(net.embed(known), tuple(each[fold] for each in states))
            before = torch.cat([states[0][fold, -1:], hidden[:-1]])  # the state that each event was expected from
            for name, logits in net.predict(before).items():
                log_probabilities = torch.log_softmax(logits, -1)
                nats[name].append(-log_probabilities.gather(-1, known[name][..., None])[..., 0])
                if name == EVENT:
                    probabilities.append(log_probabilities.exp())
            after.append(state)
        expected = torch.stack(probabilities).mean(0).topk(self.expected)
        joined_states = [torch.stack(parts) for parts in zip(*after, strict=True)]
        return (*map(torch.stack, nats.values()), expected.indices, expected.values, *joined_states)


class DetectorExporter(Exporter[Detector]):
    """The graph of a detector; a detector that only counts has none."""

    @override
    def graphs(self) -> dict[str, ModelProto]:
        if not len(self.model.networks):
            return {}
        events = ("length", "batch")
        outputs: dict[str, tuple[str | None, ...]] = {
            surprisal_name(name): (None, *events) for name in self.model.vocabulary.values
        }
        outputs |= {"expected": (*events, None), "expected_probabilities": (*events, None)}
        outputs |= {f"{name}_after": (None, None, "batch", None) for name in self._state_names}
        return {"model": traced(StepNets(self.model.networks), self._inputs(), outputs)}

    @override
    def proofs(self, graphs: Mapping[str, Graph]) -> dict[str, Proof]:
        return {name: self._proof(graph) for name, graph in graphs.items()}

    @override
    def check_eight_bit(self) -> None:
        """onnxruntime has no other recurrent layer in 8-bit numbers than LSTM."""
        if not len(self.model.networks) or self.model.recipe.cell != "lstm":
            raise ExportError("--int8: only detectors with an LSTM are exported as 8-bit numbers: leave it out")

    @override
    def eight_bit(self, graphs: Mapping[str, ModelProto], folder: Path, weights: str) -> EightBit:
        graph, name = graphs["model"], f"model{EIGHT_BIT}"
        small = marked(quantise.of_recurrence(graph, folder), name, weights)
        contents = graph.SerializeToString(), small.SerializeToString()
        both = [Graph(content, each, weights, each, 1) for content, each in zip(contents, ("model", name), strict=True)]
        whole, eight = map(self._auc, both)
        timed = {column_name(column): np.full((1, ENTITIES), FIRST) for column in self.model.vocabulary.values}
        timed |= self.states(ENTITIES)
        rates = [quantise.per_second(lambda one=each: one.run(**timed), ENTITIES) for each in both]  # type: ignore[misc]
        figures = quantise.compared("auc", whole, eight, contents, rates)
        figures |= {"inputs": len(self._sequences[0]), "source": self._sequences[1], "against": "their events shuffled"}
        return EightBit({"model": small}, figures, quantise.refusal("auc", whole, eight))

    def mean_surprisals(self, graph: Graph, table: EncodedTable) -> Float64[np.ndarray, "sequences"]:
        """Mean surprisal of every sequence over its events and the folds, by a graph."""
        means = np.zeros(len(table))
        for chosen, codes, inside in self._batches(table):
            given = {column_name(name): values for name, values in codes.items()}
            nats = graph.run(**given, **self.states(len(chosen)))["surprisals"].mean(0)
            means[chosen] = (nats * inside).sum(0) / inside.sum(0)
        return means

    def _auc(self, graph: Graph) -> float:
        """How well mean surprisal tells sequences from the same ones with their events shuffled."""
        table, _ = self._sequences
        draw = np.random.default_rng(SEED)
        pieces = [begin + draw.permutation(end - begin) for begin, end in pairwise(table.offsets)]
        order = np.concatenate(pieces)
        shuffled = EncodedTable({name: values[order] for name, values in table.columns.items()}, table.offsets)
        means = np.concatenate([self.mean_surprisals(graph, each) for each in (table, shuffled)])
        return auc(means, np.arange(len(means)) >= len(table))

    @property
    def _state_names(self) -> tuple[str, ...]:
        return (HIDDEN, CELL) if self.model.recipe.cell == "lstm" else (HIDDEN,)

    def states(self, batch: int) -> dict[str, np.ndarray]:
        """States of entities without any event: zeros."""
        recipe = self.model.recipe
        shape = (len(self.model.networks), recipe.layers, batch, recipe.hidden)
        return {name: np.zeros(shape, np.float32) for name in self._state_names}

    def _inputs(self) -> Inputs:
        inputs = {
            column_name(name): (torch.ones(4, 3, dtype=torch.long), ("length", "batch"))
            for name in self.model.vocabulary.values
        }
        states = {name: torch.from_numpy(value) for name, value in self.states(3).items()}
        return {**inputs, **{name: (value, (None, None, "batch", None)) for name, value in states.items()}}

    @cached_property
    def _sequences(self) -> tuple[EncodedTable, str]:
        """Held-out normal sequences, else sequences that the first network samples; and where they are from."""
        model = self.model
        if (data := training_data(model, self.data, self.data_dir)) is None:
            return _sampled(next(iter(model.networks)), LEAST_INPUTS), "sequences sampled from the network"
        opened = model.open(data, self.data_dir)
        table = opened.folds[-1].held_out if opened.folds else opened.table
        return EncodedTable.of(_some(table, LEAST_INPUTS), model.vocabulary), f"held-out sequences of {table.name}"

    def _batches(
        self, table: EncodedTable
    ) -> Iterator[tuple[Int64[np.ndarray, "batch"], dict[str, Codes], Bool[np.ndarray, "length batch"]]]:
        """Sequences of similar length: which they are, their codes per column, the places of their events.

        A start token comes first, and fills the end of shorter ones. Of long sequences the first events.
        """
        most = max(2, LOGITS // sum(self.model.vocabulary.sizes.values()))
        lengths = np.minimum(table.lengths, min(LONGEST, most))
        order, start = np.argsort(lengths, kind="stable"), 0
        while start < len(order):
            rows = max(1, min(BATCH, most // int(lengths[order[min(start + BATCH, len(order)) - 1]])))
            chosen = order[start : start + rows]
            steps = np.arange(int(lengths[chosen].max()) + 1)[:, None] - 1
            inside = (steps >= 0) & (steps < lengths[chosen])
            places = np.where(inside, table.offsets[:-1][chosen] + steps, 0)
            codes = {name: np.where(inside, values[places], BEGIN) for name, values in table.columns.items()}
            yield chosen, {name: values.astype(np.int64) for name, values in codes.items()}, inside
            start += rows

    def _expected(self, codes: Mapping[str, Codes]) -> dict[str, np.ndarray]:
        """Surprisals, probabilities and last states by the networks themselves; the start token is not scored."""
        columns = {name: torch.from_numpy(values.T.copy()) for name, values in codes.items()}
        nats: dict[str, list[Tensor]] = {name: [] for name in codes}
        probabilities, states = [], []
        for net in self.model.networks:
            known = net.recognise(columns)
            logits, state = net(known)
            for name, values in logits.items():
                chosen = values[:, :-1].gather(-1, known[name][:, 1:, None])[..., 0]
                nats[name].append((torch.logsumexp(values[:, :-1], -1) - chosen).T)
            probabilities.append(torch.softmax(logits[EVENT][:, :-1], -1).transpose(0, 1))
            states.append(state)
        parts = [torch.stack([state[i] for state in states]) for i in range(len(self._state_names))]
        after = {f"{name}_after": part for name, part in zip(self._state_names, parts, strict=True)}
        surprisals = {surprisal_name(name): torch.stack(values) for name, values in nats.items()}
        answers = {**surprisals, **after, "probabilities": torch.stack(probabilities).mean(0)}
        return {name: value.numpy() for name, value in answers.items()}

    def _proof(self, graph: Graph) -> Proof:
        differences: list[tuple[str, float]] = []
        events, equal = 0, 0
        for _, codes, _ in self._batches(self._sequences[0]):
            expected = self._expected(codes)
            given = {column_name(name): values for name, values in codes.items()}
            found = graph.run(**given, **self.states(codes[EVENT].shape[1]))
            differences += self._differences(expected, found, codes)
            best = expected["probabilities"].argmax(-1)
            events, equal = events + best.size, equal + int((best == found["expected"][1:, :, 0]).sum())
            differences.append(("surprisals", self._one_by_one(graph, given, found)))
        return Proof(events, self._sequences[1], largest(differences), TOLERANCE, equal / events)

    def _differences(
        self, expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], codes: Mapping[str, Codes]
    ) -> Iterator[tuple[str, float]]:
        for name in codes:
            whole = expected[surprisal_name(name)] - found[surprisal_name(name)][:, 1:]
            yield "surprisals", float(np.abs(whole).max())
        for name in self._state_names:
            scale = max(1.0, float(np.abs(expected[f"{name}_after"]).max()))
            yield "states", float(np.abs(expected[f"{name}_after"] - found[f"{name}_after"]).max()) / scale
        chosen = np.take_along_axis(expected["probabilities"], found["expected"][1:], -1)
        yield "expected_probabilities", float(np.abs(chosen - found["expected_probabilities"][1:]).max())

    def _one_by_one(self, graph: Graph, given: Mapping[str, Codes], whole: Mapping[str, np.ndarray]) -> float:
        """The largest difference of surprisals between events one by one and the whole sequence at once."""
        states, largest_difference = self.states(given[EVENTS].shape[1]), 0.0
        for step in range(min(STEPS, len(given[EVENTS]))):
            answer = graph.run(**{name: values[step : step + 1] for name, values in given.items()}, **states)
            states = {name: answer[f"{name}_after"] for name in self._state_names}
            for name in self.model.vocabulary.values:
                difference = np.abs(answer[surprisal_name(name)][:, 0] - whole[surprisal_name(name)][:, step])
                largest_difference = max(largest_difference, float(difference.max()))
        return largest_difference


def column_name(column: str) -> str:
    """Name of the input that holds a column's codes."""
    return EVENTS if column == EVENT else f"column/{column}"


def surprisal_name(column: str) -> str:
    """Name of the output that holds a column's surprisals."""
    return "surprisals" if column == EVENT else f"surprisals/{column}"


def _some(table: SequenceTable, count: int) -> SequenceTable:
    """At most so many sequences of a table, at even distances in the order of their lengths."""
    order = np.argsort(table.lengths, kind="stable")
    return table.rows(order[even_sample(len(order), count)])


@torch.inference_mode()
def _sampled(net: EventNet, count: int) -> EncodedTable:
    """Sequences of many lengths that the network finds likely."""
    generator = torch.Generator().manual_seed(SEED)
    lengths = torch.randint(*SAMPLED_LENGTHS, (count,), generator=generator).numpy()
    columns, state = {name: torch.full((count, 1), BEGIN) for name in net.columns}, None
    drawn: dict[str, list[Tensor]] = {name: [] for name in net.columns}
    for _ in range(SAMPLED_LENGTHS[1]):
        logits, state = net(columns, state)
        for name, values in logits.items():
            chances = torch.softmax(values[:, 0, FIRST - 1 :], -1)
            columns[name] = FIRST - 1 + torch.multinomial(chances, 1, generator=generator)
            drawn[name].append(columns[name][:, 0])
    kept = np.arange(SAMPLED_LENGTHS[1]) < lengths[:, None]
    codes = {name: torch.stack(values, 1).numpy()[kept] for name, values in drawn.items()}
    return EncodedTable(codes, np.concatenate([[0], np.cumsum(lengths)]))
