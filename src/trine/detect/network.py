"""The network of detect: what comes next, given what came before.

Embedded events go through one to three recurrent layers (`lstm`, `gru` or `rnn`); a linear head a column gives the
distribution of the next event, of the time until it, and of chosen attributes. Every column is categorical.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

BEGIN, UNKNOWN, FIRST = 0, 1, 2
"""Codes of every column: before the first event; never seen in training; the first known value."""

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}

Columns = dict[str, Int64[Tensor, "batch time"]]
Logits = dict[str, Float[Tensor, "batch time values"]]
State = tuple[Tensor, ...]
"""Hidden state, and for an LSTM its cell state: (layers, batch, hidden) each."""


class SequenceDropout(nn.Module):
    """Silences units for all of a piece of a sequence, not anew at each event (Gal and Ghahramani, 2016).

    One random number a unit and piece instead of one a unit and event: those took a quarter of the training time.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, values: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """The values, some units at zero and the others scaled up in training."""
        return F.dropout1d(values.transpose(1, 2), self.share, self.training).transpose(1, 2)


class EventNet(nn.Module):
    """A recurrent network over events; `sizes` gives the number of codes of each column, `event` among them."""

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
        self.columns = tuple(sizes)
        self.embeddings = nn.ModuleList(nn.Embedding(size, embedding) for size in sizes.values())
        self.recurrence = CELLS[cell](
            embedding, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.dropout = SequenceDropout(dropout)
        self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes.values())
        for place, size in enumerate(sizes.values()):
            self.register_buffer(f"known_{place}", torch.ones(size, dtype=torch.bool))
        if cell == "lstm":
            self._open_forget_gates()

    def forward(self, columns: Columns, state: State | None = None) -> tuple[Logits, State]:
        """Logits of the event after each one given, and the state after the last."""
        hidden, after = self.recur(self.embed(columns), state)
        return self.predict(hidden), after

    def meet(self, columns: Mapping[str, Int64[np.ndarray, "events"]]) -> None:
        """Note which codes occur in training: others read as unknown from now on."""
        for name, codes in columns.items():
            known = self._known(name)
            known[FIRST:] = False
            known[torch.from_numpy(codes)] = True

    def recognise(self, columns: Columns) -> Columns:
        """The columns with every code that never occurred in training as `UNKNOWN`."""
        return {name: codes.masked_fill(~self._known(name)[codes], UNKNOWN) for name, codes in columns.items()}

    def embed(self, columns: Columns) -> Float[Tensor, "batch time embedding"]:
        """The sum of the columns' embeddings."""
        embedded = (embedding(columns[name]) for name, embedding in zip(self.columns, self.embeddings, strict=True))
        summed: Tensor = reduce(torch.add, embedded)
        return summed

    def recur(
        self, embedded: Float[Tensor, "batch time embedding"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """The top layer's output at every step, and the state after the last."""
        given = state if state is None or len(state) == 2 else state[0]
        hidden, after = self.recurrence(self.dropout(embedded), given)
        return hidden, after if isinstance(after, tuple) else (after,)

    def predict(self, hidden: Float[Tensor, "batch time hidden"]) -> Logits:
        """Logits of every column."""
        dropped = self.dropout(hidden)
        return {name: head(dropped) for name, head in zip(self.columns, self.heads, strict=True)}

    def head(self, name: str) -> nn.Module:
        """The layer that gives a column's logits."""
        return self.heads[self.columns.index(name)]

    def _known(self, name: str) -> Bool[Tensor, "codes"]:
        return self.get_buffer(f"known_{self.columns.index(name)}")

    @torch.no_grad()
    def _open_forget_gates(self) -> None:
        """A forget gate that begins open lets gradients through from the start (Jozefowicz et al., 2015)."""
        for name, bias in self.recurrence.named_parameters():
            if name.startswith("bias_ih"):
                bias.view(4, -1)[1].fill_(1.0)


class FoldNets(nn.Module):
    """Networks of one shape, each trained without one fold of the normal sequences, which it can then judge."""

    def __init__(self, nets: Sequence[EventNet]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def __iter__(self) -> Iterator[EventNet]:
        return (net for net in self.nets if isinstance(net, EventNet))

    def __len__(self) -> int:
        return len(self.nets)

    def forward(self, pieces: Sequence[Columns], states: Sequence[State | None]) -> list[tuple[Logits, State]]:
        """Each network's logits on its own piece, and its state after it."""
        return [net(piece, state) for net, piece, state in zip(self.nets, pieces, states, strict=True)]
