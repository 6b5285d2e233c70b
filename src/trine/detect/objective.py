"""What the loop optimises for detect: the surprisal of the next event, in nats."""

from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from trine.detect.network import BEGIN, UNKNOWN, Columns, EventNet, State
from trine.detect.recipe import DetectRecipe
from trine.detect.surprisal import Encoded, surprisals
from trine.detect.vocabulary import EVENT
from trine.train.device import Device
from trine.train.objective import Figures, Objective, ParameterGroup


class DetectObjective(Objective):
    """Next-event cross-entropy on streams of sequences, with the recurrent state carried from piece to piece.

    Each epoch the sequences are shuffled, joined (each after a `BEGIN`), cut into as many streams as a batch holds, and
    read side by side in pieces of `steps` events: truncated backpropagation through time (Williams and Peng, 1990).
    """

    unit: ClassVar[str] = "events"
    headline: ClassVar[str] = "surprisal"
    model: EventNet
    recipe: DetectRecipe

    def __init__(
        self, model: EventNet, recipe: DetectRecipe, train: Encoded, validation: Encoded, device: Device
    ) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.train, self.validation = train, validation
        self.streams = max(1, min(recipe.batch_size, train.events // (2 * recipe.steps)))
        self.masked = _mask_rates(train.columns[EVENT], recipe.rare_masked)
        self.carried: State = ()

    @property
    def stream_length(self) -> int:
        """Events of a stream in an epoch, the first one included."""
        return -(-(self.train.events + len(self.train)) // self.streams)

    @property
    def epoch_steps(self) -> int:
        """Pieces of an epoch."""
        return max(1, -(-(self.stream_length - 1) // self.recipe.steps))

    def steps(self) -> int:
        """The recipe's epochs."""
        return max(1, round(self.recipe.epochs * self.epoch_steps))

    def samples(self, batch: Columns) -> int:
        """Events predicted in a batch."""
        return batch[EVENT][:, 1:].numel()

    def batch(self, step: int) -> Columns:
        """One piece of this process's streams: inputs, and shifted by one the targets."""
        epoch, piece = divmod(step, self.epoch_steps)
        if piece == 0:
            self.carried = ()
        streams = _streams(self, epoch)
        part = slice(piece * self.recipe.steps, (piece + 1) * self.recipe.steps + 1)
        mine = slice(self.device.rank, None, self.device.world)
        return {name: values[mine, part].to(self.device.name) for name, values in streams.items()}

    def loss(self, model: nn.Module, batch: Columns, progress: float) -> Float[Tensor, ""]:
        """Mean surprisal of the events, and of the other columns where there are any."""
        inputs = {name: values[:, :-1] for name, values in batch.items()}
        unseen = torch.rand(inputs[EVENT].shape, device=inputs[EVENT].device) < self.masked[inputs[EVENT]]
        inputs[EVENT] = inputs[EVENT].masked_fill(unseen, UNKNOWN)
        logits, after = model(inputs, self.carried or None)
        self.carried = tuple(value.detach() for value in after)
        targets = {name: values[:, 1:] for name, values in batch.items()}
        hidden = torch.rand(targets[EVENT].shape, device=unseen.device) < self.masked[targets[EVENT]]
        targets[EVENT] = targets[EVENT].masked_fill(hidden, UNKNOWN)
        losses = [F.cross_entropy(logits[name].float().flatten(0, 1), targets[name].flatten()) for name in logits]
        return torch.stack(losses).sum()

    def parameter_groups(self) -> list[ParameterGroup]:
        """AdamW on everything."""
        options = {"weight_decay": self.recipe.weight_decay}
        return [ParameterGroup("adamw", list(self.model.parameters()), self.recipe.learning_rate, options)]

    def validate(self, model: nn.Module) -> Figures:
        """Mean surprisal of the calibration sequences, an event; and of a sequence's mean."""
        assert isinstance(model, EventNet)
        found = surprisals(model, self.validation)[EVENT]
        means = np.add.reduceat(found, self.validation.offsets[:-1]) / np.diff(self.validation.offsets)
        return {"loss": float(found.mean()), "surprisal": float(means.mean())}

    def state(self) -> dict[str, Tensor]:
        """The recurrent state between two pieces."""
        return {str(place): value for place, value in enumerate(self.carried)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.carried = tuple(state[str(place)].to(self.device.name) for place in range(len(state)))


def _mask_rates(codes: Int64[np.ndarray, "events"], share: float) -> Float[Tensor, "codes"]:
    """How often each event is read as unknown: one occurrence's worth each, at most half, `share` of all together."""
    counts = np.bincount(codes)
    budget = share * len(codes) / max(1, int(np.count_nonzero(counts)))
    return torch.from_numpy(np.minimum(0.5, budget / np.maximum(counts, 1)).astype(np.float32))


@lru_cache(maxsize=1)
def _streams(objective: DetectObjective, epoch: int) -> Columns:
    """The epoch's sequences, shuffled and joined, as (streams, length)."""
    table, seed = objective.train, objective.recipe.seed
    order = np.random.default_rng((seed, epoch)).permutation(len(table))
    turn = int(np.random.default_rng((seed, epoch, 1)).integers(table.events))
    count, length = objective.streams, objective.stream_length
    joined = {}
    for name, codes in table.columns.items():
        flat = np.concatenate(
            [part for i in order for part in ([BEGIN], codes[table.offsets[i] : table.offsets[i + 1]])]
        )
        flat = np.resize(np.roll(flat, turn), count * length)
        joined[name] = torch.from_numpy(flat.reshape(count, length))
    return joined
