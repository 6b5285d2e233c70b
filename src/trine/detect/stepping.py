"""The state of one entity between two of its events, as a small versioned byte string."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trine.detect.network import BEGIN, EventNet, State
from trine.errors import UsageError

HEADER = struct.Struct("<4sBBH")
MAGIC, VERSION = b"TRNS", 1


@dataclass(frozen=True)
class Stepped:
    """The recurrent states of several entities, and the top layer's output that the next event is judged by."""

    recurrent: State
    output: Float[Tensor, "batch hidden"]


def pack(model: EventNet, state: State) -> list[bytes]:
    """A byte string for each entity of a batch: header, then single-precision hidden (and cell) state."""
    layers, _, hidden = state[0].shape
    header = HEADER.pack(MAGIC, VERSION, len(state) * layers, hidden)
    rows = torch.stack(state).flatten(0, 1).transpose(0, 1).contiguous().numpy().astype("<f4")
    return [header + row.tobytes() for row in rows]


def unpack(model: EventNet, states: Sequence[bytes | None]) -> Stepped:
    """Take back what `pack` gave; None begins anew. Raises `UsageError` for a state of another model or version."""
    empty = model.initial_state(1)
    parts, (layers, _, hidden) = len(empty), empty[0].shape
    begun = _begun(model)
    rows = [begun if state is None else _checked(state, parts * layers, hidden) for state in states]
    stacked = torch.from_numpy(np.stack(rows)).view(len(states), parts, layers, hidden).permute(1, 2, 0, 3).contiguous()
    return Stepped(tuple(stacked), stacked[0, -1])


def _begun(model: EventNet) -> Float[np.ndarray, "parts hidden"]:
    """The state after the begin of a sequence."""
    columns = {name: torch.full((1, 1), BEGIN) for name in model.heads}
    _, after = model.recur(model.embed(columns))
    return torch.stack(after).flatten(0, 2).numpy()


def _checked(state: bytes, parts: int, hidden: int) -> Float[np.ndarray, "parts hidden"]:
    size = HEADER.size + 4 * parts * hidden
    if len(state) != size or HEADER.unpack_from(state) != (MAGIC, VERSION, parts, hidden):
        raise UsageError("a state of another model or version: begin again with None")
    return np.frombuffer(state, "<f4", offset=HEADER.size).reshape(parts, hidden).astype(np.float32)
