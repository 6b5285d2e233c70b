"""A detector at work, event by event: the state of an entity between two events is a small versioned byte string."""

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trine.detect.network import BEGIN, EventNet, FoldNets, State
from trine.detect.vocabulary import EVENT, Vocabulary
from trine.errors import UsageError

HEADER = struct.Struct("<4sHHIII")
"""Magic, version, networks, numbers, which model, and the checksum of the numbers."""
MAGIC, VERSION = b"TRNS", 1


@torch.inference_mode()
def step(
    nets: FoldNets, vocabulary: Vocabulary, states: Sequence[bytes | None], words: Mapping[str, Sequence[str]]
) -> tuple[list[bytes], list[float]]:
    """One more event of each of several entities: their states after it, and its mean surprisal over the networks.

    `words` has a value an entity of each column; times are seconds since the event before. Raises `UsageError`.
    """
    nets.eval()
    _require_columns(vocabulary, words)
    columns = {name: _codes(vocabulary, name, words, len(states)) for name in vocabulary.values}
    before = _unpack(nets, states)
    surprise, after = [], []
    for net, state in zip(nets, before, strict=True):
        known = net.recognise(columns)
        logits = net.head(EVENT)(state[0][-1])
        surprise.append(torch.logsumexp(logits, -1) - logits.gather(-1, known[EVENT])[:, 0])
        after.append(net.recur(net.embed(known), state)[1])
    return _pack(nets, after), torch.stack(surprise).mean(0).tolist()


def _require_columns(vocabulary: Vocabulary, words: Mapping[str, Sequence[str]]) -> None:
    foreign = sorted(set(words) - set(vocabulary.values))
    if foreign:
        raise UsageError(f"step: the model reads {', '.join(vocabulary.values)}, not {', '.join(foreign)}")


def _codes(vocabulary: Vocabulary, column: str, words: Mapping[str, Sequence[str]], count: int) -> Tensor:
    said = words.get(column) or [""] * count
    if len(said) != count:
        raise UsageError(f"step: {count} states but {len(said)} values of {column}: give one a state")
    try:
        codes = [vocabulary.code(word, column) for word in said]
    except ValueError as problem:
        raise UsageError(f"step: {column}: {problem}: give seconds since the event before, or nothing") from None
    return torch.tensor(codes, dtype=torch.long).view(count, 1)


def _pack(nets: FoldNets, states: list[State]) -> list[bytes]:
    """A byte string an entity: header, then the single-precision states of all networks."""
    model = _mark(nets)
    rows = torch.cat([part.transpose(0, 1).flatten(1) for state in states for part in state], 1).numpy().astype("<f4")
    numbers = [row.tobytes() for row in rows]
    said = (MAGIC, VERSION, len(states), rows.shape[1], model)
    return [HEADER.pack(*said, zlib.crc32(row)) + row for row in numbers]


def _mark(nets: FoldNets) -> int:
    """A number that another model hardly has: the checksum of what its networks learned of the begin."""
    learned = [net.embeddings[0].get_parameter("weight")[BEGIN] for net in nets]
    return zlib.crc32(torch.cat(learned).numpy().astype("<f4").tobytes())


def _unpack(nets: FoldNets, states: Sequence[bytes | None]) -> list[State]:
    begun = [_begun(net) for net in nets]
    fresh = torch.cat([part.flatten() for state in begun for part in state]).numpy()
    expected = (MAGIC, VERSION, len(nets), len(fresh), _mark(nets))
    rows = [fresh if state is None else _checked(state, expected) for state in states]
    stacked = torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, len(fresh))
    shapes = [part.shape for state in begun for part in state]
    parts = iter(
        piece.view(len(rows), shape[0], shape[2]).transpose(0, 1).contiguous()
        for piece, shape in zip(torch.split(stacked, [shape.numel() for shape in shapes], 1), shapes, strict=True)
    )
    return [tuple(next(parts) for _ in state) for state in begun]


def _begun(net: EventNet) -> State:
    """The state after the begin of a sequence."""
    return net.recur(net.embed({name: torch.full((1, 1), BEGIN) for name in net.columns}))[1]


def _checked(state: bytes, expected: tuple[bytes, int, int, int, int]) -> Float[np.ndarray, "size"]:
    numbers = state[HEADER.size :]
    if len(state) < HEADER.size or HEADER.unpack_from(state) != (*expected, zlib.crc32(numbers)):
        raise UsageError("step: a damaged state, or one of another model or version: begin again with None")
    return np.frombuffer(numbers, "<f4").astype(np.float32)
