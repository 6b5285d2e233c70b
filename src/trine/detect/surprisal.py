"""The surprisal of every event of whole sequences: −ln p of the event given the events before it, in nats."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from trine.detect.network import Columns, EventNet
from trine.sequences.vocabulary import BEGIN, EVENT, EncodedTable

BATCH_EVENTS = 32_768
"""Largest number of events in a padded batch, padding included."""
LOGITS = 16_777_216
"""Largest number of logits that are computed at once, 64 MiB; long sequences are read in pieces."""


@torch.inference_mode()
def surprisals(network: EventNet, table: EncodedTable) -> dict[str, Float64[np.ndarray, "events"]]:
    """Surprisal of every event, per column, in the table's order. The network must be in evaluation mode."""
    surprisal = {name: np.zeros(table.events) for name in table.columns}
    cells = max(1, LOGITS // network.codes)
    for positions, padded in _padded(table, cells):
        columns, state = network.recognise(padded), None
        width = max(1, cells // len(positions))
        for start in range(0, positions.shape[1], width):
            end = min(start + width, positions.shape[1])
            logits, state = network({name: values[:, start:end] for name, values in columns.items()}, state)
            inside = positions[:, start:end] >= 0
            for name, values in logits.items():
                targets = columns[name][:, start + 1 : end + 1, None]
                nats = torch.logsumexp(values, -1) - values.gather(-1, targets)[..., 0]
                surprisal[name][positions[:, start:end][inside]] = nats.numpy()[inside]
    return surprisal


def event_surprisal(network: EventNet, table: EncodedTable) -> Float64[np.ndarray, "events"]:
    """Surprisal of every event without the further columns. See `surprisals`."""
    return surprisals(network, table)[EVENT]


def sequence_means(
    values: Float[np.ndarray, "events"], offsets: Int64[np.ndarray, "bounds"]
) -> Float64[np.ndarray, "sequences"]:
    """Mean of a per-event value over each sequence."""
    return np.add.reduceat(values.astype(np.float64), offsets[:-1]) / np.diff(offsets)


def _padded(table: EncodedTable, most_rows: int) -> Iterator[tuple[Int64[np.ndarray, "batch time"], Columns]]:
    """Batches of similar sequence length, after a start token each: positions in the table (−1: padding) and codes."""
    lengths = table.lengths
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        end = start + 1
        while end < len(order) and _fits(end + 1 - start, int(lengths[order[end]]), most_rows):
            end += 1
        chosen = order[start:end]
        steps = np.arange(lengths[chosen].max())
        inside = steps[None] < lengths[chosen][:, None]
        positions = np.where(inside, table.offsets[chosen][:, None] + steps, -1)
        yield positions, {name: _after_begin(codes[positions], inside) for name, codes in table.columns.items()}
        start = end


def _fits(rows: int, length: int, most_rows: int) -> bool:
    return rows <= most_rows and rows * length <= BATCH_EVENTS


def _after_begin(codes: Int[np.ndarray, "batch time"], inside: np.ndarray) -> Int64[Tensor, "batch time1"]:
    padded = np.where(inside, codes, BEGIN).astype(np.int64)
    return torch.from_numpy(np.pad(padded, ((0, 0), (1, 0)), constant_values=BEGIN))
