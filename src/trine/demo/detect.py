"""The chapter of detect: system calls of a web service in normal use and under attack."""

from pathlib import Path
from typing import Any

import numpy as np

from trine.demo.live import replayed
from trine.demo.part import Part
from trine.detect.detector import Detector
from trine.detect.explain import draw_surprise, explain
from trine.detect.findings import Explanation
from trine.detect.gates import draw_gates, draw_unit
from trine.page.chapter import Chapter, Figure, Picture, Table, percent, training_time
from trine.plurals import quantity
from trine.sequences.table import SequenceTable

DATA = "hostlab"
BEFORE, SHOWN = 4, 24
"""Number of events in the table: those before the most surprising one, and all."""
LONGEST = 600
"""Largest number of events of the session that is drawn: in a longer one, single events could not be seen."""


def chapter(model: Detector, run: Path) -> Chapter:
    """The chapter of a trained detector, with one breach event by event."""
    assert model.result
    metrics = model.result.metrics
    return Chapter(
        name="detect",
        title="Find the breach",
        lead=f"LSTMs learned the order of the system calls in {_training_sessions(model):,} sessions of a small web "
        f"service in normal use. They are tested on {metrics['normal']:,} other normal sessions and "
        f"{metrics['abnormal']:,} sessions in which the service was attacked. No attack was used for the training.",
        figures=[*_figures(metrics), training_time(model.result.compute)],
        parts=[
            Picture((run / "curves.png").read_bytes(), "The surprisal of held-out normal sessions falls."),
            Picture((run / "scores.png").read_bytes(), "Scores of normal and attacked sessions, and the threshold."),
            _kinds(metrics["per_kind"]),
            *_breach(model),
            replayed(model, model.read(DATA).split("test"), run),
        ],
        next=[
            "trine detect fit access.log --false-alarms 0.001",
            f"trine detect score {run} DATA",
            f"trine detect explain {run} hostlab --gates --out explained",
            "trine detect watch MODEL /var/log/auth.log --store watch.db",
        ],
    )


def _figures(metrics: dict[str, Any]) -> list[Figure]:
    alarms = round(metrics["fpr_realised"] * metrics["normal"])
    rate = f"{alarms} of {metrics['normal']} normal sessions; the target is {percent(metrics['fpr_target'])}"
    return [
        Figure("detected", percent(metrics["recall"]), f"of {metrics['abnormal']} attacked sessions are flagged"),
        Figure("false alarms", percent(metrics["fpr_realised"]), rate),
        Figure("AUC", f"{metrics['auc']:.3f}", "probability that an attacked session scores above a normal one"),
    ]


def _breach(model: Detector) -> list[Picture | Table]:
    """One attacked session: its surprisal, its events, and the values inside the network."""
    session = attacked_session(model)
    (explanation,) = explain(model, session)
    one = "One unit of the LSTM around the most surprising event: its gates, and what it remembers (cell state)."
    inside = "Inside the LSTM during this session: input gate, forget gate, output gate and cell state of each unit."
    return [
        Picture(draw_surprise(explanation), f"{_caption(explanation, session)} Each peak is an unexpected event."),
        _events(explanation),
        Picture(draw_unit(model, session, explanation), one),
        Picture(draw_gates(model, session), inside),
    ]


def _training_sessions(model: Detector) -> int:
    """Number of normal sessions: each trains all networks but one, and calibrates that one."""
    return int(model.data["splits"]["train"] + model.data["splits"]["held_out"])


def attacked_session(model: Detector) -> SequenceTable:
    """The flagged attacked session of at most `LONGEST` events with the largest ratio of peak to mean surprisal.

    Where there is none, the session with the highest score.
    """
    test = model.read(DATA).split("test")
    scores = model.scores(test)
    starts = test.offsets[:-1]
    share = np.maximum.reduceat(scores.surprisal, starts) / np.add.reduceat(scores.surprisal, starts)
    suitable = scores.flagged & (test.labels == 1) & (test.lengths <= LONGEST)
    rank = np.where(suitable, share * test.lengths, -np.inf) if suitable.any() else scores.ensemble.fused
    return test.rows(np.array([int(rank.argmax())]))


def _caption(explanation: Explanation, session: SequenceTable) -> str:
    kind = str(session.kinds[0]).replace("_", " ")
    alert = "ALERT" if explanation.flagged else "no alert"
    p_value = f"p = {explanation.p_value:.4f}"
    return (
        f"One session: {kind} ({quantity(len(explanation.events), 'event')}), {alert}, {p_value}: {explanation.says}."
    )


def _kinds(per_kind: dict[str, dict[str, float]]) -> Table:
    rows = [
        (kind.replace("_", " "), f"{value['n']:.0f}", percent(value["recall"], 0)) for kind, value in per_kind.items()
    ]
    return Table("Detected, by kind of attack", ("kind", "sessions", "detected"), rows)


def _events(explanation: Explanation) -> Table:
    surprisal = [event.surprisal for event in explanation.events]
    start = max(0, min(int(np.argmax(surprisal)) - BEFORE, len(surprisal) - SHOWN))
    events = list(enumerate(explanation.events))[start : start + SHOWN]
    return Table(
        "The events of this session around the most surprising one",
        ("position", "event", "surprisal, nats", "expected instead"),
        [(str(index), event.event, f"{event.surprisal:.1f}", event.likeliest(2)) for index, event in events],
        weights=[event.surprisal for _, event in events],
    )


PART = Part(DATA, "system calls of a web service, normal and attacked", {"folds": 2, "epochs": 10.0}, chapter)
