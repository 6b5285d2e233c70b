"""Scoring event by event with the networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from trine.detect.network import EventNet, FoldNets, State
from trine.detect.states import Rows, StateForm, codes_of_words
from trine.errors import UsageError
from trine.sequences.vocabulary import BEGIN, EVENT, Vocabulary


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
    codes = codes_of_words(vocabulary, words, len(states))
    columns = {name: torch.from_numpy(values).view(-1, 1) for name, values in codes.items()}
    started = [_started(net) for net in nets]
    fresh = _rows(started)
    form = StateForm.of_model(_begins(nets), fresh.shape[1])
    surprisal, after = [], []
    for net, state in zip(nets, _states(form.unpacked(states, fresh[0]), started), strict=True):
        known = net.recognise(columns)
        logits = net.head(EVENT)(state[0][-1])
        surprisal.append(torch.logsumexp(logits, -1) - logits.gather(-1, known[EVENT])[:, 0])
        after.append(net.recur(net.embed(known), state)[1])
    return form.packed(_rows(after)), torch.stack(surprisal).mean(0).tolist()


def _begins(nets: FoldNets) -> list[np.ndarray]:
    """Each network's embedding of the start token."""
    return [net.embeddings[0].get_parameter("weight")[BEGIN].numpy() for net in nets]


def _rows(states: Sequence[State]) -> Rows:
    parts = [part.transpose(0, 1).flatten(1) for state in states for part in state]
    return np.asarray(torch.cat(parts, 1).numpy())


def _states(rows: Rows, started: Sequence[State]) -> list[State]:
    shapes = [part.shape for state in started for part in state]
    sizes = [shape.numel() for shape in shapes]
    parts = iter(
        piece.view(len(rows), shape[0], shape[2]).transpose(0, 1).contiguous()
        for piece, shape in zip(torch.split(torch.from_numpy(rows), sizes, 1), shapes, strict=True)
    )
    return [tuple(next(parts) for _ in state) for state in started]


def _started(net: EventNet) -> State:
    """The state after the start token."""
    return net.recur(net.embed({name: torch.full((1, 1), BEGIN) for name in net.columns}))[1]
