"""Why a sequence is strange: each event with its surprisal, and the events that were expected instead."""

import numpy as np
import torch
from torch import Tensor

from trine.datasets.catalogue import event_names
from trine.detect.detector import Detector
from trine.detect.findings import ExplainedEvent, Explanation
from trine.detect.inside import trace
from trine.detect.members import MEMBERS, NearestCounts
from trine.detect.network import Columns, EventNet
from trine.drawing import figure, png
from trine.errors import UsageError
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import BEGIN, EVENT, EncodedTable

EXPECTED = 5
"""Number of expected events that are named at each position."""


def explain(detector: Detector, table: SequenceTable) -> list[Explanation]:
    """An explanation of every sequence of a table, in its order."""
    scores = detector.scores(table)
    p = scores.ensemble.member_p
    nearest = _nearest_names(detector, EncodedTable.of(table, detector.vocabulary))
    explanations = []
    for i in range(len(table)):
        loudest = MEMBERS[detector.ensemble.names[int(p[i].argmin())]]
        explanations.append(
            Explanation(
                name=str(table.names[i]),
                p_value=float(scores.ensemble.p_value[i]),
                flagged=bool(scores.flagged[i]),
                loudest=loudest.name,
                says=loudest.says,
                members=dict(zip(detector.ensemble.names, p[i].tolist(), strict=True)),
                nearest_normal=nearest[i] if nearest else None,
                events=tuple(_events(detector, table.rows(np.array([i])))),
            )
        )
    return explanations


def draw_surprise(explanation: Explanation, names_for: int = 6) -> bytes:
    """The surprisal over the sequence; the `names_for` most surprising events are named."""
    values = np.array([event.surprisal for event in explanation.events])
    drawn, axes = figure(width=9, height=3.2)
    axes.fill_between(np.arange(len(values)), values, step="mid", alpha=0.4)
    axes.plot(values, linewidth=0.7)
    for index in np.argsort(-values)[:names_for]:
        axes.annotate(
            explanation.events[index].event, (index, values[index]), fontsize=7, rotation=20, parse_math=False
        )
    alert = "flagged" if explanation.flagged else "not flagged"
    title = f"{explanation.name}: p = {explanation.p_value:.4f}, {alert}; loudest: {explanation.loudest}"
    axes.set(xlabel="event", ylabel="surprisal, nats", ylim=(0, 1.25 * max(1.0, values.max())))  # the names need space
    axes.set_title(title, parse_math=False)
    return png(drawn)


def draw_gates(detector: Detector, table: SequenceTable, units: int = 48) -> bytes:
    """Gates and cell state over the first sequence of a table, as heat maps: events across, units down."""
    net = next(iter(detector.networks), None)
    if net is None:
        raise UsageError("gates: the detector has no network: train it with a member that reads one, such as `either`")
    with torch.inference_mode():
        embedded = net.embed(_first(net, EncodedTable.of(table, detector.vocabulary)))[0]
    parts = [
        (f"{name}, layer {traced.layer + 1}", value)
        for traced in trace(net, embedded)
        for name, value in traced.values.items()
    ]
    drawn, axes = figure(len(parts), 1, width=10, height=1.5 * len(parts))
    for panel, (name, value) in zip(np.atleast_1d(axes), parts, strict=True):
        signed = "gate" not in name
        limits = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} if signed else {"cmap": "viridis", "vmin": 0, "vmax": 1}
        shown = panel.imshow(value[:, :units].T.numpy(), aspect="auto", interpolation="nearest", **limits)
        panel.set(title=name, yticks=[])
        panel.grid(visible=False)
        drawn.colorbar(shown, ax=panel, fraction=0.02, pad=0.01)
    return png(drawn)


@torch.inference_mode()
def _hidden(net: EventNet, encoded: EncodedTable) -> Tensor:
    """Output of the network before each event of a table's first sequence, and after the last one."""
    return net.recur(net.embed(_first(net, encoded)))[0][0]


def _first(net: EventNet, encoded: EncodedTable) -> Columns:
    """Columns of the first sequence after a start token, of shape (1, events + 1)."""
    end = int(encoded.offsets[1])
    flat = {name: np.concatenate([[BEGIN], codes[:end]]) for name, codes in encoded.columns.items()}
    return net.recognise({name: torch.from_numpy(codes)[None] for name, codes in flat.items()})


@torch.inference_mode()
def _events(detector: Detector, table: SequenceTable) -> list[ExplainedEvent]:
    """The events with surprisal and expected events: of the networks, or without a network of the n-grams."""
    encoded = EncodedTable.of(table, detector.vocabulary)
    surprisal = detector.surprisal(table)[EVENT]
    likely_codes, likely_shares = _expected(detector, encoded)
    names = event_names(detector.data.get("name", ""))
    words = [table.vocabulary[code] for code in table.events]
    rows = zip(words, surprisal.tolist(), likely_codes, likely_shares, strict=True)
    events = []
    for word, value, likely, probabilities in rows:
        expected_words = [detector.vocabulary.name(code) for code in likely]
        named = tuple((names.get(w, w), p) for w, p in zip(expected_words, probabilities, strict=True))
        events.append(ExplainedEvent(names.get(word, word), value, named))
    return events


@torch.inference_mode()
def _expected(detector: Detector, encoded: EncodedTable) -> tuple[list[list[int]], list[list[float]]]:
    """Codes of the most probable events at every position of a table's first sequence, and their probabilities."""
    grams = detector.ensemble.panels[0].grams
    if grams is not None and not detector.ensemble.reads_network:
        indices, values = grams.likeliest(encoded, EXPECTED)
        return indices.tolist(), values.tolist()
    logits = [net.head(EVENT)(_hidden(net, encoded)[:-1]).double() for net in detector.networks]
    expected = torch.stack([torch.softmax(of_net, -1) for of_net in logits]).mean(0)
    best = expected.topk(min(EXPECTED, expected.shape[1]))
    return best.indices.tolist(), best.values.tolist()


def _nearest_names(detector: Detector, encoded: EncodedTable) -> list[str]:
    """Name of the nearest normal sequence of each sequence; empty when no member compares counts."""
    for member in detector.ensemble.panels[0].members:
        if isinstance(member, NearestCounts) and detector.normal_names:
            return [detector.normal_names[index] for index in member.nearest(encoded)[0]]
    return []
