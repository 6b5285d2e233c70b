"""The recurrent network of detect: predicts the next event from the events before it.

Embedded events pass through one to three recurrent layers; one linear head per column gives the distribution of the
next event, of the time until it, and of chosen attributes. Every column is categorical.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor, nn

from trine.detect.cells import CELLS
from trine.sequences.vocabulary import FIRST, UNKNOWN

Columns = dict[str, Int64[Tensor, "batch time"]]
Logits = dict[str, Float[Tensor, "batch time values"]]
State = tuple[Tensor, ...]
"""Hidden state, and the cell state of an LSTM; each of shape (layers, batch, hidden)."""


class SequenceDropout(nn.Module):
    """Dropout with one mask per piece of a sequence, not one per event (Gal and Ghahramani, 2016).

    Drawing a random number per unit and event took a quarter of the training time.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """In training mode, some units are set to zero and the others are scaled up; else the values are unchanged."""
        return F.dropout1d(values.transpose(1, 2), self.share, self.training).transpose(1, 2)


class EventNet(nn.Module):
    """A recurrent network over events; `sizes` is the number of codes per column, `event` included."""

    def __init__(
        self,
        sizes: Mapping[str, int],
        cell: str = "lstm",
        embedding: int = 128,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.cell, self.columns = cell, tuple(sizes)
        self.embeddings = nn.ModuleList(nn.Embedding(size, embedding) for size in sizes.values())
        layer: Callable[..., nn.RNNBase] = getattr(nn, CELLS[cell].layer)
        self.recurrence = layer(embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.dropout = SequenceDropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes.values())
        for index, size in enumerate(sizes.values()):
            self.register_buffer(f"known_{index}", torch.ones(size, dtype=torch.bool))
        self._open_forget_gates()

    @property
    def codes(self) -> int:
        """Number of codes of all columns: of logits per event."""
        return sum(self._known(name).numel() for name in self.columns)

    def forward(self, columns: Columns, state: State | None = None) -> tuple[Logits, State]:
        """Logits of the event after each given event, and the state after the last one."""
        hidden, after = self.recur(self.embed(columns), state)
        return self.predict(hidden), after

    def meet(self, columns: Mapping[str, Int[np.ndarray, "events"]]) -> None:
        """Mark the codes that occur in training: all others read as unknown from then on."""
        for name, codes in columns.items():
            known = self._known(name)
            known[FIRST:] = False
            known[torch.from_numpy(codes)] = True

    def recognise(self, columns: Columns) -> Columns:
        """The columns with every code that did not occur in training replaced by `UNKNOWN`."""
        return {name: codes.masked_fill(~self._known(name)[codes], UNKNOWN) for name, codes in columns.items()}

    def embed(self, columns: Columns) -> Float[Tensor, "batch time embedding"]:
        """Sum of the columns' embeddings."""
        embedded = (embedding(columns[name]) for name, embedding in zip(self.columns, self.embeddings, strict=True))
        summed: Tensor = reduce(torch.add, embedded)
        return summed

    def recur(
        self, embedded: Float[Tensor, "batch time embedding"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Output of the last layer at every event, and the state after the last event."""
        given = state if state is None or len(state) == 2 else state[0]
        hidden, after = self.recurrence(self.dropout(embedded), given)
        return hidden, after if isinstance(after, tuple) else (after,)

    def predict(self, hidden: Float[Tensor, "batch time hidden"]) -> Logits:
        """Logits of every column."""
        dropped = self.dropout(hidden)
        return {name: head(dropped) for name, head in zip(self.columns, self.heads, strict=True)}

    def head(self, name: str) -> nn.Module:
        """The linear layer of a column's logits."""
        return self.heads[self.columns.index(name)]

    def _known(self, name: str) -> Bool[Tensor, "codes"]:
        return self.get_buffer(f"known_{self.columns.index(name)}")

    @torch.no_grad()
    def _open_forget_gates(self) -> None:
        """Start with open forget gates, which let gradients through (Jozefowicz et al., 2015)."""
        gate = CELLS[self.cell].open_gate
        if gate is None:
            return
        for name, bias in self.recurrence.named_parameters():
            if name.startswith("bias_ih"):
                bias.view(-1, self.recurrence.hidden_size)[gate].fill_(1.0)


class FoldNets(nn.Module):
    """One network per fold, each trained without that fold's held-out sequences."""

    def __init__(self, nets: Sequence[EventNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def __iter__(self) -> Iterator[EventNet]:
        return (net for net in self.nets if isinstance(net, EventNet))

    def __len__(self) -> int:
        return len(self.nets)

    def forward(self, pieces: Sequence[Columns], states: Sequence[State | None]) -> list[tuple[Logits, State]]:
        """Logits and next state of each network on its own piece."""
        return [net(piece, state) for net, piece, state in zip(self.nets, pieces, states, strict=True)]
