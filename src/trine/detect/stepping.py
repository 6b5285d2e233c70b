"""Scoring event by event with the networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from trine.annotations import Int64
from trine.detect.network import EventNet, FoldNets, State
from trine.detect.scoring import NetworkSurprisal
from trine.detect.states import Rows, StateForm, codes_of_words
from trine.errors import UsageError
from trine.sequences.vocabulary import BEGIN, EVENT, Vocabulary


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
    fresh = begun(nets)
    form = StateForm.of_model(_begins(nets), fresh.shape[1])
    nats, after = advance(nets, form.unpacked(states, fresh[0]), codes)
    return form.packed(after), np.mean([of_fold[EVENT] for of_fold in nats], 0).tolist()


@torch.inference_mode()
def begun(nets: FoldNets) -> Rows:
    """The state of one entity without events."""
    return _rows([_started(net) for net in nets])


@torch.inference_mode()
def advance(
    nets: FoldNets, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities"]]
) -> tuple[list[NetworkSurprisal], Rows]:
    """One event for each of several entities: its surprisal under each network per column, and the states after it."""
    columns = {name: torch.from_numpy(values).view(-1, 1) for name, values in codes.items()}
    surprisal: list[NetworkSurprisal] = []
    after = []
    for net, state in zip(nets, _states(rows, [_started(net) for net in nets]), strict=True):
        known = net.recognise(columns)
        logits = net.predict(state[0][-1][:, None])
        nats = {
            name: torch.logsumexp(of, -1) - of.gather(-1, known[name][..., None])[..., 0] for name, of in logits.items()
        }
        surprisal.append({name: of[:, 0].double().numpy() for name, of in nats.items()})
        after.append(net.recur(net.embed(known), state)[1])
    return surprisal, _rows(after)


def _begins(nets: FoldNets) -> list[np.ndarray]:
    """Each network's embedding of the start token."""
    return [net.embeddings[0].get_parameter("weight")[BEGIN].detach().numpy() for net in nets]


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
