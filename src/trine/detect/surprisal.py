"""The surprisal of every event of whole sequences: −ln p of what came, given what came before, in nats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from trine.detect.network import BEGIN, Columns, EventNet
from trine.detect.vocabulary import EVENT, Vocabulary
from trine.sequences.table import SequenceTable

BATCH_EVENTS = 32_768
"""Events of a padded batch."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A table's columns as codes, flat, with where each sequence begins."""

    columns: dict[str, Int64[np.ndarray, "events"]]
    offsets: Int64[np.ndarray, "bounds"]

    @classmethod
    def of(cls, table: SequenceTable, vocabulary: Vocabulary) -> "Encoded":
        """The codes of a table."""
        return cls(vocabulary.encode(table), table.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64[np.ndarray, "sequences"]:
        """Events of each sequence."""
        return np.diff(self.offsets)

    @property
    def events(self) -> int:
        """Events of all sequences."""
        return int(self.offsets[-1])

    @property
    def codes(self) -> list[Int64[np.ndarray, "length"]]:
        """The event codes of each sequence."""
        return np.split(self.columns[EVENT], self.offsets[1:-1])


@torch.inference_mode()
def surprisals(model: EventNet, table: Encoded) -> dict[str, Float32[np.ndarray, "events"]]:
    """Surprisal of every event of every column, flat like the table."""
    model.eval()
    found = {name: np.zeros(table.events, dtype=np.float32) for name in table.columns}
    for places, padded in _padded(table):
        columns = model.recognise(padded)
        logits, _ = model({name: values[:, :-1] for name, values in columns.items()})
        inside = torch.from_numpy(places >= 0)
        for name, values in logits.items():
            surprise = torch.logsumexp(values, -1) - values.gather(-1, columns[name][:, 1:, None])[..., 0]
            found[name][places[places >= 0]] = surprise[inside].numpy()
    return found


def sequence_means(
    values: Float[np.ndarray, "events"], offsets: Int64[np.ndarray, "bounds"]
) -> Float64[np.ndarray, "sequences"]:
    """The mean of a value over the events of each sequence."""
    return np.add.reduceat(values.astype(np.float64), offsets[:-1]) / np.diff(offsets)


def _padded(table: Encoded) -> Iterator[tuple[Int64[np.ndarray, "batch time"], Columns]]:
    """Batches of sequences of like length, after a `BEGIN`: each event's place (−1: padding), and codes."""
    lengths = table.lengths
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        end = start + 1
        while end < len(order) and lengths[order[end]] * (end + 1 - start) <= BATCH_EVENTS:
            end += 1
        chosen = order[start:end]
        steps = np.arange(lengths[chosen].max())
        inside = steps[None] < lengths[chosen][:, None]
        places = np.where(inside, table.offsets[chosen][:, None] + steps, -1)
        yield places, {name: _after_begin(codes[places], inside) for name, codes in table.columns.items()}
        start = end


def _after_begin(codes: Int64[np.ndarray, "batch time"], inside: np.ndarray) -> Int64[Tensor, "batch time1"]:
    padded = np.where(inside, codes, BEGIN)
    return torch.from_numpy(np.pad(padded, ((0, 0), (1, 0)), constant_values=BEGIN))
