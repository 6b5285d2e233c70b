"""The chapter of detect: system calls of a web service, used and misused."""

from pathlib import Path
from typing import Any

import numpy as np

from trine.demo.chapter import Chapter, Figure, Part, Picture, Table, cost, percent
from trine.detect.detector import Detector
from trine.detect.explain import draw_gates, draw_surprise, explain
from trine.detect.findings import Explanation
from trine.sequences.table import SequenceTable

DATA = "hostlab"
AROUND, SHOWN = 4, 24
"""Events shown before the most surprising one, and in all."""
LONGEST = 600
"""Events of a breach that can still be seen in one picture."""


def chapter(model: Detector, run: Path) -> Chapter:
    """What a fitted detector came to, and one breach event by event."""
    assert model.result
    found = model.result.metrics
    return Chapter(
        name="detect",
        title="Find the breach",
        lead=f"LSTMs read {_learned_from(model):,} sessions of a small web service in ordinary use, call by call, "
        f"and learned what comes after what. Then they read {found['normal']:,} other ordinary sessions and "
        f"{found['abnormal']:,} in which the service was misused. No misuse was ever learned from.",
        figures=[*_figures(found), cost(model.result.compute)],
        parts=[
            Picture((run / "curves.png").read_bytes(), "Surprise falls as the ordinary order is learned."),
            Picture(
                (run / "scores.png").read_bytes(), "How strange each session looks, and from where it is an alert."
            ),
            _kinds(found["per_kind"]),
            *_breach(model),
        ],
        next=[
            "trine detect fit access.log --false-alarms 0.001",
            f"trine detect score {run} DATA",
            f"trine detect explain {run} hostlab --gates --out explained",
        ],
    )


def _figures(found: dict[str, Any]) -> list[Figure]:
    alarms = round(found["fpr_realised"] * found["normal"])
    asked = f"{alarms} of {found['normal']} ordinary sessions; {percent(found['fpr_target'])} was asked for"
    return [
        Figure("found", percent(found["recall"]), f"of {found['abnormal']} misused sessions are flagged"),
        Figure("false alarms", percent(found["fpr_realised"]), asked),
        Figure("AUC", f"{found['auc']:.3f}", "chance that a misused session looks stranger than an ordinary one"),
    ]


def _breach(model: Detector) -> list[Picture | Table]:
    """One misused session: its surprise, its events, and the network's inside."""
    session = strangest(model)
    said = explain(model, session)[0]
    inside = "Inside the LSTM during that session: what each gate lets in, keeps and gives out, and the cell state."
    return [
        Picture(draw_surprise(said), f"{_verdict(said, session)} Each peak is an event that should not have come."),
        _events(said),
        Picture(draw_gates(model, session), inside),
    ]


def _learned_from(model: Detector) -> int:
    """Sessions that teach or calibrate: each does both, by turns."""
    return int(model.data["splits"]["train"] + model.data["splits"]["held_out"])


def strangest(model: Detector) -> SequenceTable:
    """The misused session, flagged and not too long to be looked at, whose strangest event stands out most."""
    test = model.read(DATA).split("test")
    scores = model.scores(test)
    starts = test.offsets[:-1]
    standing_out = np.maximum.reduceat(scores.surprisal, starts) / np.add.reduceat(scores.surprisal, starts)
    shown = scores.flagged & (test.labels == 1) & (test.lengths <= LONGEST)
    wanted = np.where(shown, standing_out * test.lengths, -np.inf) if shown.any() else scores.ensemble.fused
    return test.rows(np.array([int(wanted.argmax())]))


def _verdict(said: Explanation, session: SequenceTable) -> str:
    kind = str(session.kinds[0]).replace("_", " ")
    alert = "ALERT" if said.flagged else "no alert"
    return f"One session: {kind} ({len(said.events)} events), {alert}, p = {said.p_value:.4f}: {said.says}."


def _kinds(per_kind: dict[str, dict[str, float]]) -> Table:
    rows = [
        (kind.replace("_", " "), f"{value['n']:.0f}", percent(value["recall"], 0)) for kind, value in per_kind.items()
    ]
    return Table("Found, by kind of misuse", ("kind", "sessions", "found"), rows)


def _events(said: Explanation) -> Table:
    surprise = [event.surprisal for event in said.events]
    start = max(0, min(int(np.argmax(surprise)) - AROUND, len(surprise) - SHOWN))
    shown = range(start, min(start + SHOWN, len(surprise)))
    rows = [
        (
            str(place),
            said.events[place].event,
            f"{surprise[place]:.1f}",
            said.events[place].likeliest(2),
        )
        for place in shown
    ]
    return Table(
        "That session, event by event, around its strangest",
        ("event", "came", "surprise, nats", "expected instead"),
        rows,
        weights=[surprise[place] for place in shown],
    )


PART = Part(DATA, "system calls of a web service, used and misused", {"folds": 2, "epochs": 10.0}, chapter)
