"""Scoring events as they come, with the networks."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from trine.annotations import Int64
from trine.detect.network import EventNet, FoldNets, State
from trine.detect.states import LIKELIEST, Expected, Rows, StateForm, StepSurprisal
from trine.sequences.vocabulary import BEGIN, EVENT


def state_form(nets: FoldNets) -> StateForm:
    """What the states of these networks look like."""
    begins = [net.embeddings[0].get_parameter("weight")[BEGIN].detach().numpy() for net in nets]
    return StateForm.of_model(begins, sum(math.prod(shape) for net in nets for shape in _shapes(net)))


@torch.inference_mode()
def begun(nets: FoldNets) -> Rows:
    """The state of one entity without events."""
    starts = [net.embed({name: torch.full((1, 1), BEGIN) for name in net.columns}) for net in nets]
    return _rows([net.recur(start)[1] for net, start in zip(nets, starts, strict=True)], 1)


@torch.inference_mode()
def advance(
    nets: FoldNets, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]]
) -> tuple[list[StepSurprisal], Rows]:
    """The next events of several entities: their surprisal under each network per column, and the states after them."""
    surprisal, after, _ = _advanced(nets, rows, codes)
    return surprisal, after


@torch.inference_mode()
def advance_with_expected(
    nets: FoldNets, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]], surprising: float
) -> tuple[list[StepSurprisal], Rows, Expected | None]:
    """The same, and what the networks expected in the place of events that are at least so surprising, in nats."""
    surprisal, after, logits = _advanced(nets, rows, codes)
    if not surprisal:
        return surprisal, after, None
    entities, events = np.nonzero(np.mean([of[EVENT] for of in surprisal], 0) >= surprising)
    some = (torch.from_numpy(entities), torch.from_numpy(events))
    probabilities = torch.stack([torch.softmax(of[some].double(), -1) for of in logits]).mean(0)
    best = probabilities.topk(min(LIKELIEST, probabilities.shape[1]))
    return surprisal, after, Expected(entities, events, best.indices.numpy(), best.values.numpy())


def _advanced(
    nets: FoldNets, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]]
) -> tuple[list[StepSurprisal], Rows, list[Tensor]]:
    """Surprisals, states after the events, and each network's logits of the events."""
    columns = {name: torch.from_numpy(values) for name, values in codes.items()}
    surprisal: list[StepSurprisal] = []
    after, of_events = [], []
    for net, state in zip(nets, _states(rows, nets), strict=True):
        known = net.recognise(columns)
        hidden, last = net.recur(net.embed(known), state)
        logits = net.predict(torch.cat([state[0][-1][:, None], hidden[:, :-1]], 1))
        nats = {
            name: torch.logsumexp(of, -1) - of.gather(-1, known[name][..., None])[..., 0] for name, of in logits.items()
        }
        surprisal.append({name: of.double().numpy() for name, of in nats.items()})
        after.append(last)
        of_events.append(logits[EVENT])
    return surprisal, _rows(after, len(rows)), of_events


def _rows(states: Sequence[State], entities: int) -> Rows:
    parts = [part.transpose(0, 1).flatten(1) for state in states for part in state]
    return np.asarray(torch.cat(parts, 1).numpy()) if parts else np.zeros((entities, 0), np.float32)


def _states(rows: Rows, nets: FoldNets) -> list[State]:
    shapes = [_shapes(net) for net in nets]
    sizes = [math.prod(shape) for of_net in shapes for shape in of_net]
    pieces = iter(torch.split(torch.from_numpy(rows), sizes, 1))
    return [
        tuple(next(pieces).view(len(rows), *shape).transpose(0, 1).contiguous() for shape in of_net)
        for of_net in shapes
    ]


def _shapes(net: EventNet) -> list[tuple[int, int]]:
    """Layers and units of each part of a network's state: the hidden state, and the cell state if it has one."""
    layers = net.recurrence
    return [(layers.num_layers, layers.hidden_size)] * (2 if isinstance(layers, nn.LSTM) else 1)
