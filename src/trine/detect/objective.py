"""The objective of detect: the surprisal of the next event, in nats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn
from typing_extensions import override

from trine.detect.network import Columns, FoldNets, Logits, State
from trine.detect.padding import sequence_means
from trine.detect.recipe import DetectRecipe
from trine.detect.streams import Streams
from trine.detect.surprisal import surprisals
from trine.device import Device
from trine.progress import Figures
from trine.sequences.vocabulary import BEGIN, CLASSES, EVENT, UNKNOWN, EncodedTable
from trine.train.objective import Objective, ParameterGroup


@dataclass(frozen=True)
class EncodedFold:
    """Sequences that one network learns from, and those that it is validated on."""

    train: EncodedTable
    held_out: EncodedTable


class DetectObjective(Objective):
    """Next-event cross-entropy on streams of sequences.

    Truncated backpropagation through time (Williams and Peng, 1990): gradients flow back through `recipe.steps` events,
    and the recurrent state is carried on to the next piece. The networks of all folds are updated in each step.
    """

    unit: ClassVar[str] = "events"
    headline: ClassVar[str] = "surprisal"
    network: FoldNets
    recipe: DetectRecipe

    def __init__(self, network: FoldNets, recipe: DetectRecipe, folds: Sequence[EncodedFold], device: Device) -> None:
        self.network, self.recipe, self.folds, self.device = network, recipe, folds, device
        joined = round(sum(fold.train.events + len(fold.train) for fold in folds) / max(1, len(folds)))
        self.count = max(1, min(recipe.batch_size, joined // (2 * recipe.steps)))
        self.length = -(-joined // self.count)
        self.streams = [
            Streams(fold.train, self.count, self.length, recipe.seed * len(folds) + index)
            for index, fold in enumerate(folds)
        ]
        self.masked = [_all_mask_rates(fold.train.columns, recipe.rare_masked, device) for fold in folds]
        self.carried: list[State | None] = [None] * len(folds)

    @property
    def epoch_steps(self) -> int:
        """Number of pieces per epoch."""
        return max(1, -(-(self.length - 1) // self.recipe.steps))

    @override
    def steps(self) -> int:
        """Without a network, there is nothing to train."""
        if not len(self.network):
            return 0
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    @override
    def samples(self, batch: list[Columns]) -> int:
        return sum(piece[EVENT][:, 1:].numel() for piece in batch)

    @override
    def batch(self, step: int) -> list[Columns]:
        """One piece per fold: the inputs, and the targets shifted by one event."""
        epoch, piece = divmod(step, self.epoch_steps)
        if piece == 0:
            self.carried = [None] * len(self.folds)
        start, end = piece * self.recipe.steps, min((piece + 1) * self.recipe.steps + 1, self.length)
        own = slice(self.device.rank, None, self.device.world)  # the streams of this process
        pieces = [streams.piece(epoch, start, end) for streams in self.streams]
        return [{name: values[own].to(self.device.name) for name, values in columns.items()} for columns in pieces]

    @override
    def phase(self, batch: list[Columns]) -> object:
        return tuple(batch[0][EVENT].shape)

    @override
    def loss(self, network: nn.Module, batch: list[Columns], progress: float) -> Float[Tensor, ""]:
        """Mean surprisal of events and further columns, averaged over the networks."""
        inputs = [
            self._with_unknown(_part(piece, 0, -1), rates) for piece, rates in zip(batch, self.masked, strict=True)
        ]
        outputs = network(inputs, self.carried)
        self.carried = [tuple(value.detach() for value in state) for _, state in outputs]
        losses = [
            _cross_entropy(logits, self._with_unknown(_part(piece, 1, None), rates))
            for (logits, _), piece, rates in zip(outputs, batch, self.masked, strict=True)
        ]
        return torch.stack(losses).mean()

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        """Muon for the recurrent layers' matrices, AdamW for all other parameters."""
        matrices = [value for net in self.network for value in net.recurrence.parameters() if value.dim() == 2]
        matrix_ids = set(map(id, matrices))
        rest = [value for value in self.network.parameters() if id(value) not in matrix_ids]
        decay = {"weight_decay": self.recipe.weight_decay}
        return [
            ParameterGroup("muon", matrices, self.recipe.recurrent_rate, {"momentum": 0.9, "normalise": False}),
            ParameterGroup("adamw", rest, self.recipe.learning_rate, decay),
        ]

    @override
    def validate(self, network: nn.Module) -> Figures:
        """Mean surprisal of the first fold's held-out sequences, per event (`loss`) and per sequence."""
        assert isinstance(network, FoldNets)
        held_out = self.folds[0].held_out
        nats = surprisals(next(iter(network.eval())), held_out)[EVENT]
        return {"loss": float(nats.mean()), "surprisal": float(sequence_means(nats, held_out.offsets).mean())}

    @override
    def state(self) -> dict[str, Tensor]:
        return {
            f"{fold}.{index}": value
            for fold, state in enumerate(self.carried)
            for index, value in enumerate(state or ())
        }

    @override
    def load_state(self, state: dict[str, Tensor]) -> None:
        parts = len(state) // len(self.folds)
        self.carried = [
            tuple(state[f"{fold}.{index}"].to(self.device.name) for index in range(parts)) or None
            for fold in range(len(self.folds))
        ]

    def _with_unknown(self, columns: Columns, rates: Mapping[str, Float[Tensor, "codes"]]) -> Columns:
        """Replace a share of rare events and values by the unknown one, so that its embedding is trained."""
        masked = dict(columns)
        for name, of_column in rates.items():
            codes = columns[name]
            masked[name] = codes.masked_fill(torch.rand(codes.shape, device=codes.device) < of_column[codes], UNKNOWN)
        return masked


def _part(columns: Columns, start: int, end: int | None) -> dict[str, Int64[Tensor, "batch part"]]:
    return {name: values[:, start:end] for name, values in columns.items()}


def _cross_entropy(logits: Logits, targets: Columns) -> Float[Tensor, ""]:
    losses = [F.cross_entropy(logits[name].float().flatten(0, 1), targets[name].flatten()) for name in logits]
    return torch.stack(losses).sum()


def _all_mask_rates(
    columns: Mapping[str, Int[np.ndarray, "events"]], share: float, device: Device
) -> dict[str, Float[Tensor, "codes"]]:
    """The rates of each column; the classes of times are all known."""
    return {name: _mask_rates(codes, share).to(device.name) for name, codes in columns.items() if name not in CLASSES}


def _mask_rates(codes: Int[np.ndarray, "events"], share: float) -> Float[Tensor, "codes"]:
    """Probability that each event is replaced by the unknown one.

    The expected number of replacements is equal for all events, at most half of an event's occurrences, and `share` of
    all events together.
    """
    counts = np.bincount(codes)
    budget = share * len(codes) / max(1, int(np.count_nonzero(counts)))
    rates = np.minimum(0.5, budget / np.maximum(counts, 1)).astype(np.float32)
    rates[BEGIN] = 0  # a start token is never replaced
    return torch.from_numpy(rates)
