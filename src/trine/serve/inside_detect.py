"""The inside of a detector that only the full package gives: gates, cell state, and the reach of the gradient."""

from typing import Any

import numpy as np
import torch

from trine.detect.detector import Detector
from trine.detect.explain import first_columns
from trine.detect.inside import REACH, backwards, trace
from trine.detect.network import EventNet
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, EncodedTable
from trine.serve.refusals import Refusal
from trine.serve.service import array_json


def gates(detector: Detector, table: SequenceTable) -> dict[str, Any]:
    """Gates, cell state and output of the first network's layers over a table's first sequence, event by event.

    Raises `Refusal` (422) for a detector without networks.
    """
    network, encoded = _network(detector), EncodedTable.of(table, detector.vocabulary)
    with torch.inference_mode():
        traces = trace(network, network.embed(first_columns(network, encoded))[0])
    return {
        "cell": network.cell,
        "layers": [
            {
                "layer": each.layer + 1,
                "values": {name: array_json(np.asarray(values[1:].numpy())) for name, values in each.values.items()},
            }
            for each in traces
        ],
    }


def reach(detector: Detector, table: SequenceTable, position: int) -> dict[str, Any]:
    """How much each event before a position of a table's first sequence changes the surprisal there.

    It is the norm of ∂ surprisal(position) / ∂ input(position − k) for k = 1, 2, … up to 100 events back. Raises
    `Refusal` (422) for a position outside, or a detector without networks.
    """
    network, events = _network(detector), len(table.events)
    if position >= events:
        raise Refusal(422, f"position {position}: the sequence has {events} events, from 0")
    columns = first_columns(network, EncodedTable.of(table, detector.vocabulary))
    before = {name: codes[:, : position + 1] for name, codes in columns.items()}
    norms = backwards(network, before, columns[EVENT][:, position + 1])[0]
    norms = norms[: min(REACH, position)]  # the last one is the start token
    return {"position": position, "reach": norms.tolist()}


def _network(detector: Detector) -> EventNet:
    """The detector's first network. Raises `Refusal` (422) where there is none."""
    network = next(iter(detector.networks), None)
    if network is None:
        raise Refusal(422, "the detector has no network: train it with a member that reads one, such as `either`")
    return network
