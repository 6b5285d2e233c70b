"""The inside of a recurrent network while it reads a sequence, drawn: gates and cell state of many units and of one."""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from trine.datasets.catalogue import event_names
from trine.detect.detector import Detector
from trine.detect.explain import first_columns
from trine.detect.findings import Explanation
from trine.detect.inside import trace
from trine.detect.network import EventNet
from trine.drawing import figure, png, styled
from trine.errors import UsageError
from trine.labels import labels
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EncodedTable

EVENT_WIDTH = 24
"""Letters of an event's name on an axis."""


@styled
def draw_gates(detector: Detector, table: SequenceTable, units: int = 32, most: int = 160) -> bytes:
    """Gates and cell state over the first sequence of a table, as heat maps: events across, units down.

    units   number of units shown
    most    number of events shown; of a longer sequence, those around its most surprising event
    """
    net = _network(detector)
    encoded = EncodedTable.of(table, detector.vocabulary)
    surprisal = detector.scores(table).surprisal[: encoded.offsets[1]]
    shown = window(surprisal, most)
    with torch.inference_mode():
        embedded = net.embed(first_columns(net, encoded))[0]
    parts = [
        (f"{name}, layer {traced.layer + 1}" if len(traces) > 1 else name, value[1:][shown.start : shown.stop])
        for traces in [trace(net, embedded)]
        for traced in traces
        for name, value in traced.values.items()
    ]
    drawn, axes = figure(len(parts), 1, width=10, height=0.6 + 1.7 * len(parts), sharex=True, squeeze=False)
    for panel, (name, value) in zip(axes[:, 0], parts, strict=True):
        largest = float(value[:, :units].abs().quantile(0.95))
        limits = {"cmap": "viridis", "vmin": 0, "vmax": 1}
        limits = limits if "gate" in name else {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
        extent = (shown.start - 0.5, shown.stop - 0.5, 0, min(units, value.shape[1]))
        heat = panel.imshow(value[:, :units].T.numpy(), aspect="auto", interpolation="nearest", extent=extent, **limits)
        panel.set(title=name, yticks=[], ylabel="units")
        panel.grid(visible=False)
        drawn.colorbar(heat, ax=panel, fraction=0.02, pad=0.01)
    axes[-1, 0].set_xlabel("event")
    return png(drawn)


@styled
def draw_unit(detector: Detector, table: SequenceTable, explanation: Explanation, most: int = 30) -> bytes:
    """Surprisal, gates and cell state of one unit, event by event, over the first sequence of a table.

    It is the unit of the last layer that `telling` chooses.

    explanation   that of the sequence
    most          number of events shown; of a longer sequence, those around its most surprising event
    """
    net = _network(detector)
    with torch.inference_mode():
        embedded = net.embed(first_columns(net, EncodedTable.of(table, detector.vocabulary)))[0]
    values = {name: value[1:] for name, value in trace(net, embedded)[-1].values.items()}  # without the start token
    surprisal = np.array(explanation.course)
    shown = window(surprisal, most)
    unit = telling(values.get("cell state", values["output"])[shown.start : shown.stop])
    gates = [name for name in values if "gate" in name]
    state = "cell state" if "cell state" in values else "output"
    drawn, axes = figure(2 + len(gates), 1, width=10, height=3.4 + 1.1 * (1 + len(gates)), sharex=True)
    places = list(shown)
    never = np.isin(places, explanation.never_seen)
    axes[0].bar(places, surprisal[shown], color=np.where(never, "tab:red", "tab:blue"))
    axes[0].set(ylabel="nats", title=f"surprisal of each event; below, what unit {unit} does when it reads the event")
    for place, name in zip(axes[1:-1], gates, strict=True):
        place.bar(places, values[name][places, unit].numpy(), color="tab:green")
        place.set(ylabel=name.replace(" ", "\n"), ylim=(0, 1.05), yticks=[0, 1])
    axes[-1].step(places, values[state][places, unit].numpy(), where="mid", color="tab:purple")
    axes[-1].axhline(0, color="gray", linewidth=1)
    axes[-1].set(ylabel=state.replace(" ", "\n"), xlim=(shown.start - 0.7, shown.stop - 0.3))
    known = event_names(detector.data.get("name", ""))
    words = [str(table.vocabulary[table.events[place]]) for place in places]
    different = list(dict.fromkeys(words))
    texts = dict(zip(different, labels([known.get(word, word) for word in different], EVENT_WIDTH), strict=True))
    axes[-1].set_xticks(places, [texts[word] for word in words], rotation=90)
    drawn.align_ylabels()
    return png(drawn)


def _network(detector: Detector) -> EventNet:
    """The first network of a detector. Raises `UsageError` when it has none."""
    net = next(iter(detector.networks), None)
    if net is None:
        raise UsageError("gates: the detector has no network: train it with a member that reads one, such as `either`")
    return net


def window(surprisal: Float64[np.ndarray, "events"], most: int) -> range:
    """At most `most` neighbouring events, the most surprising one at a third of them."""
    start = max(0, min(int(np.argmax(surprisal)) - most // 3, len(surprisal) - most))
    return range(start, min(start + most, len(surprisal)))


def telling(states: Float[Tensor, "time units"]) -> int:
    """The unit that remembers and then changes: the largest step of its state, less its mean step, is the largest."""
    if len(states) < 2:
        return 0
    steps = states.diff(dim=0).abs()
    return int((steps.amax(0) - steps.mean(0)).argmax())
