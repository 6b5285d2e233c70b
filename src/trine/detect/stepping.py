"""A detector at work, event by event: the state of an entity between two events is a small versioned byte string."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trine.detect.network import BEGIN, EventNet, FoldNets, State
from trine.detect.vocabulary import EVENT, Vocabulary
from trine.errors import UsageError

HEADER = struct.Struct("<4sHHI")
MAGIC, VERSION = b"TRNS", 1


@torch.inference_mode()
def step(
    nets: FoldNets, vocabulary: Vocabulary, states: Sequence[bytes | None], words: Mapping[str, Sequence[str]]
) -> tuple[list[bytes], list[float]]:
    """One more event of each of several entities: their states after it, and its mean surprisal over the networks."""
    nets.eval()
    columns = {name: _codes(vocabulary, name, words, len(states)) for name in vocabulary.values}
    before = _unpack(nets, states)
    surprise, after = [], []
    for net, state in zip(nets, before, strict=True):
        known = net.recognise(columns)
        logits = net.heads[EVENT](state[0][-1])
        surprise.append(torch.logsumexp(logits, -1) - logits.gather(-1, known[EVENT])[:, 0])
        after.append(net.recur(net.embed(known), state)[1])
    return _pack(after), torch.stack(surprise).mean(0).tolist()


def _codes(vocabulary: Vocabulary, column: str, words: Mapping[str, Sequence[str]], count: int) -> Tensor:
    said = words.get(column) or [""] * count
    if len(said) != count:
        raise UsageError(f"step: {count} states but {len(said)} values of {column}: give one a state")
    return torch.tensor([[vocabulary.code(word, column)] for word in said], dtype=torch.long).view(count, 1)


def _pack(states: list[State]) -> list[bytes]:
    """A byte string an entity: header, then the single-precision states of all networks."""
    rows = torch.cat([part.transpose(0, 1).flatten(1) for state in states for part in state], 1).numpy().astype("<f4")
    header = HEADER.pack(MAGIC, VERSION, len(states), rows.shape[1])
    return [header + row.tobytes() for row in rows]


def _unpack(nets: FoldNets, states: Sequence[bytes | None]) -> list[State]:
    begun = [_begun(net) for net in nets]
    fresh = torch.cat([part.flatten() for state in begun for part in state]).numpy()
    rows = [fresh if state is None else _checked(state, len(nets), len(fresh)) for state in states]
    stacked = torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, len(fresh))
    shapes = [part.shape for state in begun for part in state]
    parts = iter(
        piece.view(len(rows), shape[0], shape[2]).transpose(0, 1).contiguous()
        for piece, shape in zip(torch.split(stacked, [shape.numel() for shape in shapes], 1), shapes, strict=True)
    )
    return [tuple(next(parts) for _ in state) for state in begun]


def _begun(net: EventNet) -> State:
    """The state after the begin of a sequence."""
    return net.recur(net.embed({name: torch.full((1, 1), BEGIN) for name in net.heads}))[1]


def _checked(state: bytes, nets: int, size: int) -> Float[np.ndarray, "size"]:
    if len(state) != HEADER.size + 4 * size or HEADER.unpack_from(state) != (MAGIC, VERSION, nets, size):
        raise UsageError("a state of another model or version: begin again with None")
    return np.frombuffer(state, "<f4", offset=HEADER.size).astype(np.float32)
