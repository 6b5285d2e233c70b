"""What the loop optimises for detect: the surprisal of the next event, in nats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from trine.detect.network import BEGIN, UNKNOWN, Columns, FoldNets, Logits, State
from trine.detect.recipe import DetectRecipe
from trine.detect.streams import Streams
from trine.detect.surprisal import Encoded, sequence_means, surprisals
from trine.detect.vocabulary import EVENT
from trine.device import Device
from trine.progress import Figures
from trine.train.objective import Objective, ParameterGroup


@dataclass(frozen=True)
class Fold:
    """What one network learns from, and what it is held against."""

    train: Encoded
    held_out: Encoded


class DetectObjective(Objective):
    """Next-event cross-entropy on streams of sequences, with the recurrent state carried from piece to piece.

    Gradients flow back through `steps` events, the state goes on: truncated backpropagation through time
    (Williams and Peng, 1990). Every fold's network takes its step in the same step of the loop.
    """

    unit: ClassVar[str] = "events"
    headline: ClassVar[str] = "surprisal"
    model: FoldNets
    recipe: DetectRecipe

    def __init__(self, model: FoldNets, recipe: DetectRecipe, folds: Sequence[Fold], device: Device) -> None:
        self.model, self.recipe, self.folds, self.device = model, recipe, folds, device
        joined = round(sum(fold.train.events + len(fold.train) for fold in folds) / len(folds))
        self.count = max(1, min(recipe.batch_size, joined // (2 * recipe.steps)))
        self.length = -(-joined // self.count)
        self.streams = [
            Streams(fold.train, self.count, self.length, recipe.seed * len(folds) + place)
            for place, fold in enumerate(folds)
        ]
        self.masked = [_mask_rates(fold.train.columns[EVENT], recipe.rare_masked).to(device.name) for fold in folds]
        self.carried: list[State | None] = [None] * len(folds)

    @property
    def epoch_steps(self) -> int:
        """Pieces of an epoch."""
        return max(1, -(-(self.length - 1) // self.recipe.steps))

    def steps(self) -> int:
        """The recipe's epochs, and more of them where they are few steps."""
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    def samples(self, batch: list[Columns]) -> int:
        """Events predicted in a batch, by all networks together."""
        return sum(piece[EVENT][:, 1:].numel() for piece in batch)

    def batch(self, step: int) -> list[Columns]:
        """A piece a fold of this process's streams: inputs, and shifted by one the targets."""
        epoch, piece = divmod(step, self.epoch_steps)
        if piece == 0:
            self.carried = [None] * len(self.folds)
        start, end = piece * self.recipe.steps, min((piece + 1) * self.recipe.steps + 1, self.length)
        mine = slice(self.device.rank, None, self.device.world)
        laid = [streams.piece(epoch, start, end) for streams in self.streams]
        return [{name: values[mine].to(self.device.name) for name, values in columns.items()} for columns in laid]

    def phase(self, batch: list[Columns]) -> object:
        """Pieces of equal length cost the same."""
        return tuple(batch[0][EVENT].shape)

    def loss(self, model: nn.Module, batch: list[Columns], progress: float) -> Float[Tensor, ""]:
        """Mean surprisal of the events, and of the other columns where there are any; the mean over the networks."""
        inputs = [
            self._some_unseen(_part(piece, 0, -1), rates) for piece, rates in zip(batch, self.masked, strict=True)
        ]
        found = model(inputs, self.carried)
        self.carried = [tuple(value.detach() for value in state) for _, state in found]
        losses = [
            _cross_entropy(logits, self._some_unseen(_part(piece, 1, None), rates))
            for (logits, _), piece, rates in zip(found, batch, self.masked, strict=True)
        ]
        return torch.stack(losses).mean()

    def parameter_groups(self) -> list[ParameterGroup]:
        """Muon on the recurrent layers' matrices, AdamW on the rest."""
        matrices = [value for net in self.model for value in net.recurrence.parameters() if value.dim() == 2]
        muons = set(map(id, matrices))
        rest = [value for value in self.model.parameters() if id(value) not in muons]
        decay = {"weight_decay": self.recipe.weight_decay}
        return [
            ParameterGroup("muon", matrices, self.recipe.recurrent_rate, {"momentum": 0.9, "normalise": False}),
            ParameterGroup("adamw", rest, self.recipe.learning_rate, decay),
        ]

    def validate(self, model: nn.Module) -> Figures:
        """Mean surprisal of the first fold's held-out sequences: an event, and a sequence."""
        assert isinstance(model, FoldNets)
        held_out = self.folds[0].held_out
        found = surprisals(next(iter(model)), held_out)[EVENT]
        return {"loss": float(found.mean()), "surprisal": float(sequence_means(found, held_out.offsets).mean())}

    def state(self) -> dict[str, Tensor]:
        """The recurrent states between two pieces."""
        return {
            f"{fold}.{place}": value
            for fold, state in enumerate(self.carried)
            for place, value in enumerate(state or ())
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        parts = len(state) // len(self.folds)
        self.carried = [
            tuple(state[f"{fold}.{place}"].to(self.device.name) for place in range(parts)) or None
            for fold in range(len(self.folds))
        ]

    def _some_unseen(self, columns: Columns, rates: Float[Tensor, "codes"]) -> Columns:
        """A share of rare events reads as unknown, so that what was never seen has a learned place."""
        events = columns[EVENT]
        unseen = torch.rand(events.shape, device=events.device) < rates[events]
        return {**columns, EVENT: events.masked_fill(unseen, UNKNOWN)}


def _part(columns: Columns, start: int, end: int | None) -> dict[str, Int64[Tensor, "batch part"]]:
    return {name: values[:, start:end] for name, values in columns.items()}


def _cross_entropy(logits: Logits, targets: Columns) -> Float[Tensor, ""]:
    losses = [F.cross_entropy(logits[name].float().flatten(0, 1), targets[name].flatten()) for name in logits]
    return torch.stack(losses).sum()


def _mask_rates(codes: Int64[np.ndarray, "events"], share: float) -> Float[Tensor, "codes"]:
    """How often each event is read as unknown: the same number of times each, at most half, `share` of all together."""
    counts = np.bincount(codes)
    budget = share * len(codes) / max(1, int(np.count_nonzero(counts)))
    rates = np.minimum(0.5, budget / np.maximum(counts, 1)).astype(np.float32)
    rates[BEGIN] = 0  # where a sequence begins is never in doubt
    return torch.from_numpy(rates)
