"""The inside of a detector that only the full package gives: gates, cell state, and the reach of the gradient."""

from typing import Any

import numpy as np
import torch

from trine.detect.detector import Detector
from trine.detect.explain import first_columns
from trine.detect.inside import REACH, reach, trace
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EncodedTable
from trine.serve.refusals import Refusal
from trine.serve.service import array_json


def gates(detector: Detector, table: SequenceTable) -> dict[str, Any]:
    """Gates, cell state and output of the first network's layers over a table's first sequence, event by event.

    Raises `Refusal` (422) for a detector without networks.
    """
    network = next(iter(detector.networks), None)
    if network is None:
        raise Refusal(422, "the detector has no network: train it with a member that reads one, such as `either`")
    encoded = EncodedTable.of(table, detector.vocabulary)
    with torch.inference_mode():
        traces = trace(network, network.embed(first_columns(network, encoded))[0])
    lags = min(REACH, len(table.events) - 1)
    return {
        "cell": network.cell,
        "layers": [
            {
                "layer": each.layer + 1,
                "values": {name: array_json(np.asarray(values[1:].numpy())) for name, values in each.values.items()},
            }
            for each in traces
        ],
        "reach": reach(network, encoded, lags).tolist() if lags else [],
    }
