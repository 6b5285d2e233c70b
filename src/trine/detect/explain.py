"""Why a sequence is strange: event by event, what came and what was expected instead."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from trine.data.sequences import SequenceTable
from trine.detect.gates import trace
from trine.detect.network import BEGIN
from trine.detect.scoring import NearestCounts
from trine.detect.surprisal import Encoded
from trine.detect.vocabulary import EVENT
from trine.train.drawing import figure, png

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
    p = detector.ensemble.member_p_values(scored.raw)
    nearest = _nearest_names(detector, Encoded.of(table, detector.vocabulary))
    found = []
    for i in range(len(table)):
        loudest = detector.ensemble.members[int(p[i].argmin())]
        found.append(
            Explanation(
                name=str(table.names[i]),
                p_value=float(scored.p_value[i]),
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
        axes.annotate(explanation.events[place].event, (place, values[place]), fontsize=7, rotation=20)
    verdict = "flagged" if explanation.flagged else "not flagged"
    title = f"{explanation.name}: p = {explanation.p_value:.4f}, {verdict}; loudest: {explanation.loudest}"
    axes.set(xlabel="event", ylabel="surprisal, nats", title=title, ylim=(0, None))
    return png(drawn)


def draw_gates(detector: "Detector", table: SequenceTable, units: int = 48) -> bytes:
    """Gates and cell state of the first sequence of a table as heat maps: events across, units down."""
    traces = trace(detector.model.recurrence, _embedded(detector, table))
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
def _embedded(detector: "Detector", table: SequenceTable) -> Tensor:
    encoded = Encoded.of(table, detector.vocabulary)
    columns = {
        name: torch.from_numpy(np.concatenate([[BEGIN], codes[: encoded.offsets[1]]]))[None]
        for name, codes in encoded.columns.items()
    }
    detector.model.eval()
    return detector.model.embed(columns)[0]


@torch.inference_mode()
def _events(detector: "Detector", table: SequenceTable) -> list[EventExplanation]:
    model, vocabulary = detector.model, detector.vocabulary
    hidden, _ = model.recur(_embedded(detector, table)[None])
    probabilities = torch.softmax(model.heads[EVENT](hidden[0, :-1]).double(), -1)
    codes = torch.from_numpy(vocabulary.encode(table)[EVENT])
    surprise = -torch.log(probabilities.gather(1, codes[:, None])[:, 0])
    best = probabilities.topk(min(EXPECTED, probabilities.shape[1]))
    words = [table.vocabulary[code] for code in table.events]
    rows = zip(words, surprise.tolist(), best.indices.tolist(), best.values.tolist(), strict=True)
    return [
        EventExplanation(word, value, tuple((vocabulary.name(c), p) for c, p in zip(likely, chance, strict=True)))
        for word, value, likely, chance in rows
    ]


def _nearest_names(detector: "Detector", encoded: Encoded) -> list[str]:
    """The name of the nearest normal sequence of each, where a member knows it."""
    for member in detector.ensemble.members:
        if isinstance(member, NearestCounts) and detector.normal_names:
            return [detector.normal_names[place] for place in member.nearest(encoded)[0]]
    return []
