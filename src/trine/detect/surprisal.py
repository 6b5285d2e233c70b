"""The surprisal of every event of whole sequences: −ln p of the event given the events before it, in nats."""

import numpy as np
import torch
from jaxtyping import Float64

from trine.detect.network import EventNet
from trine.detect.padding import padded
from trine.nn.weights import tensors_of
from trine.sequences.vocabulary import EVENT, EncodedTable

LOGITS = 16_777_216
"""Largest number of logits that are computed at once, 64 MiB; long sequences are read in pieces."""


@torch.inference_mode()
def surprisals(network: EventNet, table: EncodedTable) -> dict[str, Float64[np.ndarray, "events"]]:
    """Surprisal of every event, per column, in the table's order. The network must be in evaluation mode."""
    surprisal = {name: np.zeros(table.events) for name in table.columns}
    cells = max(1, LOGITS // network.codes)
    for positions, codes in padded(table, cells):
        columns, state = network.recognise(tensors_of(codes)), None
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
