"""Scoring event by event. The state of an entity between two events is a small byte string with a version."""

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trine.detect.network import EventNet, FoldNets, State
from trine.errors import UsageError
from trine.sequences.vocabulary import BEGIN, EVENT, Vocabulary

HEADER = struct.Struct("<4sHHIII")
"""Magic, version, number of networks, number of values, checksum of the model, checksum of the values."""
MAGIC, VERSION = b"TRNS", 1


@torch.inference_mode()
def step(
    nets: FoldNets, vocabulary: Vocabulary, states: Sequence[bytes | None], words: Mapping[str, Sequence[str]]
) -> tuple[list[bytes], list[float]]:
    """Process one event for each of several entities.

    states   state of each entity before the event; None for an entity without events
    words    column -> one value per entity; a time is the seconds since the entity's previous event, as text
    Returns the states after the event, and its surprisal in nats, averaged over the networks. Raises `UsageError`.
    """
    if not len(nets):
        raise UsageError("step: the detector has no network: train it with a member that reads one, such as `either`")
    _require_columns(vocabulary, words)
    columns = {name: _codes(vocabulary, name, words, len(states)) for name in vocabulary.values}
    before = _unpack(nets, states)
    surprisal, after = [], []
    for net, state in zip(nets, before, strict=True):
        known = net.recognise(columns)
        logits = net.head(EVENT)(state[0][-1])
        surprisal.append(torch.logsumexp(logits, -1) - logits.gather(-1, known[EVENT])[:, 0])
        after.append(net.recur(net.embed(known), state)[1])
    return _pack(nets, after), torch.stack(surprisal).mean(0).tolist()


def _require_columns(vocabulary: Vocabulary, words: Mapping[str, Sequence[str]]) -> None:
    if EVENT not in words:
        raise UsageError(f"step: no {EVENT}: give one per state")
    unknown = sorted(set(words) - set(vocabulary.values))
    if unknown:
        raise UsageError(f"step: the model reads {', '.join(vocabulary.values)}, not {', '.join(unknown)}")


def _codes(vocabulary: Vocabulary, column: str, words: Mapping[str, Sequence[str]], count: int) -> Tensor:
    values = words.get(column, [""] * count)
    if len(values) != count:
        raise UsageError(f"step: {count} states but {len(values)} values of {column}: give one per state")
    try:
        codes = [vocabulary.code(word, column) for word in values]
    except ValueError as problem:
        raise UsageError(f"step: {column}: {problem}: give seconds since the previous event, or nothing") from None
    return torch.tensor(codes, dtype=torch.long).view(count, 1)


def _pack(nets: FoldNets, states: list[State]) -> list[bytes]:
    """One byte string per entity: header, then the states of all networks in single precision."""
    model = _mark(nets)
    rows = torch.cat([part.transpose(0, 1).flatten(1) for state in states for part in state], 1).numpy().astype("<f4")
    header = (MAGIC, VERSION, len(states), rows.shape[1], model)
    return [HEADER.pack(*header, zlib.crc32(values)) + values for values in (row.tobytes() for row in rows)]


def _mark(nets: FoldNets) -> int:
    """Checksum of the networks' start-token embeddings: it identifies the model."""
    embeddings = [net.embeddings[0].get_parameter("weight")[BEGIN] for net in nets]
    return zlib.crc32(torch.cat(embeddings).numpy().astype("<f4").tobytes())


def _unpack(nets: FoldNets, states: Sequence[bytes | None]) -> list[State]:
    started = [_started(net) for net in nets]
    fresh = torch.cat([part.flatten() for state in started for part in state]).numpy()
    expected = (MAGIC, VERSION, len(nets), len(fresh), _mark(nets))
    rows = [fresh if state is None else _checked(state, expected) for state in states]
    stacked = torch.from_numpy(np.stack(rows)) if rows else torch.zeros(0, len(fresh))
    shapes = [part.shape for state in started for part in state]
    parts = iter(
        piece.view(len(rows), shape[0], shape[2]).transpose(0, 1).contiguous()
        for piece, shape in zip(torch.split(stacked, [shape.numel() for shape in shapes], 1), shapes, strict=True)
    )
    return [tuple(next(parts) for _ in state) for state in started]


def _started(net: EventNet) -> State:
    """The state after the start token."""
    return net.recur(net.embed({name: torch.full((1, 1), BEGIN) for name in net.columns}))[1]


def _checked(state: bytes, expected: tuple[bytes, int, int, int, int]) -> Float[np.ndarray, "size"]:
    values = state[HEADER.size :]
    if len(state) < HEADER.size or HEADER.unpack_from(state) != (*expected, zlib.crc32(values)):
        raise UsageError("step: the state is damaged, or of another model or version: start again with None")
    return np.frombuffer(values, "<f4").astype(np.float32)
