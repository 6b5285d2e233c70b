"""Why a sequence is strange: event by event, what came and what was expected instead."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from trine.datasets.catalogue import event_names
from trine.detect.gates import trace
from trine.detect.members import MEMBERS, NearestCounts
from trine.detect.network import BEGIN, Columns, EventNet
from trine.detect.surprisal import Encoded, surprisals
from trine.detect.vocabulary import EVENT
from trine.drawing import figure, png
from trine.sequences.table import SequenceTable

if TYPE_CHECKING:
    from trine.detect.detector import Detector

EXPECTED = 5
"""Expected events named at each place."""


@dataclass(frozen=True)
class EventExplanation:
    """One event of a sequence."""

    event: str
    surprisal: float
    expected: tuple[tuple[str, float], ...]
    """The likeliest events at this place, with their probabilities."""

    def likeliest(self, count: int) -> str:
        """The first `count` of what was expected, in words; what rounds to 0 % is left out."""
        return ", ".join(f"{word} {100 * chance:.0f} %" for word, chance in self.expected[:count] if chance >= 0.005)


@dataclass(frozen=True)
class Explanation:
    """A sequence, its verdict, and what speaks for it."""

    name: str
    p_value: float
    flagged: bool
    loudest: str
    says: str
    members: dict[str, float]
    """Each member's p-value."""
    nearest_normal: str | None
    events: tuple[EventExplanation, ...]

    def as_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return asdict(self)


def explain(detector: "Detector", table: SequenceTable) -> list[Explanation]:
    """An explanation of every sequence of a table."""
    scored = detector.scored(table)
    p = scored.judged.member_p
    nearest = _nearest_names(detector, Encoded.of(table, detector.vocabulary))
    found = []
    for i in range(len(table)):
        loudest = MEMBERS[detector.ensemble.names[int(p[i].argmin())]]
        found.append(
            Explanation(
                name=str(table.names[i]),
                p_value=float(scored.judged.p_value[i]),
                flagged=bool(scored.flagged[i]),
                loudest=loudest.name,
                says=loudest.says,
                members=dict(zip(detector.ensemble.names, p[i].tolist(), strict=True)),
                nearest_normal=nearest[i] if nearest else None,
                events=tuple(_events(detector, table.rows(np.array([i])))),
            )
        )
    return found


def draw_surprise(explanation: Explanation, names_for: int = 6) -> bytes:
    """Surprise over the sequence, the most surprising events named."""
    values = np.array([event.surprisal for event in explanation.events])
    drawn, axes = figure(width=9, height=3.2)
    axes.fill_between(np.arange(len(values)), values, step="mid", alpha=0.4)
    axes.plot(values, linewidth=0.7)
    for place in np.argsort(-values)[:names_for]:
        axes.annotate(
            explanation.events[place].event, (place, values[place]), fontsize=7, rotation=20, parse_math=False
        )
    verdict = "flagged" if explanation.flagged else "not flagged"
    title = f"{explanation.name}: p = {explanation.p_value:.4f}, {verdict}; loudest: {explanation.loudest}"
    axes.set(xlabel="event", ylabel="surprisal, nats", ylim=(0, 1.25 * max(1.0, values.max())))  # room for the names
    axes.set_title(title, parse_math=False)
    return png(drawn)


def draw_gates(detector: "Detector", table: SequenceTable, units: int = 48) -> bytes:
    """Gates and cell state of the first sequence of a table as heat maps: events across, units down."""
    net = next(iter(detector.model))
    net.eval()
    with torch.inference_mode():
        embedded = net.embed(_first(net, Encoded.of(table, detector.vocabulary)))[0]
    traces = trace(net.recurrence, embedded)
    parts = [(f"{name}, layer {part.layer + 1}", value) for part in traces for name, value in part.parts.items()]
    drawn, axes = figure(len(parts), 1, width=10, height=1.5 * len(parts))
    for place, (name, value) in zip(np.atleast_1d(axes), parts, strict=True):
        signed = "gate" not in name
        limits = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} if signed else {"cmap": "viridis", "vmin": 0, "vmax": 1}
        shown = place.imshow(value[:, :units].T.numpy(), aspect="auto", interpolation="nearest", **limits)
        place.set(title=name, yticks=[])
        place.grid(visible=False)
        drawn.colorbar(shown, ax=place, fraction=0.02, pad=0.01)
    return png(drawn)


@torch.inference_mode()
def _hidden(net: EventNet, encoded: Encoded) -> Tensor:
    """The network's output before each event of a table's first sequence, and after the last."""
    net.eval()
    return net.recur(net.embed(_first(net, encoded)))[0][0]


def _first(net: EventNet, encoded: Encoded) -> Columns:
    """The first sequence's columns, after a `BEGIN`: (1, events + 1)."""
    end = int(encoded.offsets[1])
    flat = {name: np.concatenate([[BEGIN], codes[:end]]) for name, codes in encoded.columns.items()}
    return net.recognise({name: torch.from_numpy(codes)[None] for name, codes in flat.items()})


@torch.inference_mode()
def _events(detector: "Detector", table: SequenceTable) -> list[EventExplanation]:
    """Each event with its surprisal and what was expected, the mean over the networks."""
    encoded = Encoded.of(table, detector.vocabulary)
    logits = [net.head(EVENT)(_hidden(net, encoded)[:-1]).double() for net in detector.model]
    expected = torch.stack([torch.softmax(values, -1) for values in logits]).mean(0)
    best = expected.topk(min(EXPECTED, expected.shape[1]))
    surprise = np.mean([surprisals(net, encoded)[EVENT] for net in detector.model], 0)
    names = event_names(detector.data.get("name", ""))
    words = [table.vocabulary[code] for code in table.events]
    rows = zip(words, surprise.tolist(), best.indices.tolist(), best.values.tolist(), strict=True)
    found = []
    for word, value, likely, chances in rows:
        said = [detector.vocabulary.name(code) for code in likely]
        named = tuple((names.get(other, other), chance) for other, chance in zip(said, chances, strict=True))
        found.append(EventExplanation(names.get(word, word), value, named))
    return found


def _nearest_names(detector: "Detector", encoded: Encoded) -> list[str]:
    """The name of the nearest normal sequence of each, where a member knows it."""
    for member in detector.ensemble.panels[0].members:
        if isinstance(member, NearestCounts) and detector.normal_names:
            return [detector.normal_names[place] for place in member.nearest(encoded)[0]]
    return []
