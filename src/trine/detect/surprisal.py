"""The surprisal of every event of whole sequences: −ln p of the event given the events before it, in nats."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor

from trine.detect.network import Columns, EventNet
from trine.sequences.vocabulary import BEGIN, EVENT, EncodedTable

BATCH_EVENTS = 32_768
"""Largest number of events in a padded batch, padding included."""


@torch.inference_mode()
def surprisals(network: EventNet, table: EncodedTable) -> dict[str, Float32[np.ndarray, "events"]]:
    """Surprisal of every event, per column, in the table's order. The network must be in evaluation mode."""
    surprisal = {name: np.zeros(table.events, dtype=np.float32) for name in table.columns}
    for positions, padded in _padded(table):
        columns = network.recognise(padded)
        logits, _ = network({name: values[:, :-1] for name, values in columns.items()})
        inside = torch.from_numpy(positions >= 0)
        for name, values in logits.items():
            nats = torch.logsumexp(values, -1) - values.gather(-1, columns[name][:, 1:, None])[..., 0]
            surprisal[name][positions[positions >= 0]] = nats[inside].numpy()
    return surprisal


def event_surprisal(network: EventNet, table: EncodedTable) -> Float64[np.ndarray, "events"]:
    """Surprisal of every event without the further columns, in double precision. See `surprisals`."""
    return surprisals(network, table)[EVENT].astype(np.float64)


def sequence_means(
    values: Float[np.ndarray, "events"], offsets: Int64[np.ndarray, "bounds"]
) -> Float64[np.ndarray, "sequences"]:
    """Mean of a per-event value over each sequence."""
    return np.add.reduceat(values.astype(np.float64), offsets[:-1]) / np.diff(offsets)


def _padded(table: EncodedTable) -> Iterator[tuple[Int64[np.ndarray, "batch time"], Columns]]:
    """Batches of similar sequence length, after a start token each: positions in the table (−1: padding) and codes."""
    lengths = table.lengths
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        end = start + 1
        while end < len(order) and lengths[order[end]] * (end + 1 - start) <= BATCH_EVENTS:
            end += 1
        chosen = order[start:end]
        steps = np.arange(lengths[chosen].max())
        inside = steps[None] < lengths[chosen][:, None]
        positions = np.where(inside, table.offsets[chosen][:, None] + steps, -1)
        yield positions, {name: _after_begin(codes[positions], inside) for name, codes in table.columns.items()}
        start = end


def _after_begin(codes: Int64[np.ndarray, "batch time"], inside: np.ndarray) -> Int64[Tensor, "batch time1"]:
    padded = np.where(inside, codes, BEGIN)
    return torch.from_numpy(np.pad(padded, ((0, 0), (1, 0)), constant_values=BEGIN))
