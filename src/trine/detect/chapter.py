"""What a run's report says of a detector: its figures, and the strangest sessions with their lines."""

from collections.abc import Mapping
from typing import Any

from trine.detect.detector import Detector
from trine.detect.explain import draw_surprise, explain
from trine.detect.findings import Explanation
from trine.detect.folds import NormalFolds
from trine.detect.gates import draw_unit
from trine.detect.sampling import even_sample
from trine.drawing import attempted
from trine.page.chapter import Chapter, Figure, Picture, Table, percent, training_time
from trine.sequences.table import SequenceTable

STRANGEST, SCORED = 3, 2_000
"""Sessions that are shown, and among how many, evenly spaced, they are the strangest."""
LONGEST = 300
"""Characters of a line that are shown."""


def chapter(model: Detector, opened: NormalFolds, pictures: Mapping[str, bytes]) -> Chapter:
    """The chapter of a trained detector; `pictures` are those of its run, by file name."""
    assert model.result
    metrics, data = model.result.metrics, model.result.data
    trained = len(model.networks) > 0
    learned = model.data["splits"]["train"] + model.data["splits"]["held_out"]
    return Chapter(
        name="detect",
        title="What it learned",
        lead=f"It learned how {learned:,} normal sequences of {model.data['name']} go on. The figures are for "
        f"{data.n:,} sequences of the {data.split} split.",
        figures=[*figures(metrics), *([training_time(model.result.compute)] if trained else [])],
        parts=[
            *_captioned(pictures, "scores.png", "Scores of the sequences, and the threshold."),
            *kinds(metrics.get("per_kind", {})),
            *_sessions(model, opened),
            *_captioned(pictures, "roc.png", "Detection against false alarms, of each member and of all."),
            *_captioned(pictures if trained else {}, "curves.png", "The surprisal of held-out normal sequences falls."),
        ],
        next=[f"trine detect score {model.run} NEW_LOG", f"trine detect explain {model.run} NEW_LOG --most 3"],
    )


def figures(metrics: Mapping[str, Any]) -> list[Figure]:
    """The headline: what is detected, at how many false alarms; without a test split, the target."""
    shown = []
    if "recall" in metrics:
        meaning = f"of {metrics['abnormal']:,} abnormal sequences are flagged"
        shown.append(Figure("detected", percent(metrics["recall"]), meaning))
    if "fpr_realised" in metrics:
        alarms = round(metrics["fpr_realised"] * metrics["normal"])
        rate = f"{alarms:,} of {metrics['normal']:,} normal sequences; the target is {percent(metrics['fpr_target'])}"
        shown.append(Figure("false alarms", percent(metrics["fpr_realised"]), rate))
    else:
        shown.append(Figure("false alarms", percent(metrics["fpr_target"]), "of normal sequences are the target"))
    if "auc" in metrics:
        meaning = "probability that an abnormal sequence scores above a normal one"
        shown.append(Figure("AUC", f"{metrics['auc']:.3f}", meaning))
    return shown


def kinds(per_kind: Mapping[str, Mapping[str, float]]) -> list[Table]:
    """What is detected of each kind."""
    rows = [
        (kind.replace("_", " "), f"{value['n']:.0f}", percent(value["recall"], 0)) for kind, value in per_kind.items()
    ]
    return [Table("Detected, by kind", ("kind", "sequences", "detected"), rows)] if rows else []


def _sessions(model: Detector, opened: NormalFolds) -> list[Picture | Table]:
    """The strangest sessions that were not learned from: of the test split, else of the held-out ones."""
    table = opened.table.split("test")
    table = table if len(table) else opened.folds[-1].held_out
    table = table.rows(even_sample(len(table), SCORED))
    strangest = model.strangest(table, STRANGEST)
    explanations = explain(model, strangest, opened.records)
    return [*_course(model, strangest, explanations[0]), *map(_session, explanations)] if explanations else []


def _course(model: Detector, strangest: SequenceTable, explanation: Explanation) -> list[Picture]:
    """The strangest session in pictures: its surprisal, and what one unit of the network does meanwhile."""
    drawings = {"surprise": lambda: draw_surprise(explanation)}
    if len(model.networks):
        drawings["unit"] = lambda: draw_unit(model, strangest, explanation)
    drawn = attempted(drawings)
    return [
        *_captioned(drawn, "surprise", "The strangest session: each peak is an unexpected event."),
        *_captioned(drawn, "unit", "Inside the network: one unit's gates and what it remembers, event by event."),
    ]


def _session(explanation: Explanation) -> Table:
    """One session: the events that count, with their lines."""
    events = explanation.most_important
    alert = "an alert" if explanation.flagged else "no alert"
    title = f"A strange session: {explanation.name} (p = {explanation.p_value:.4f}, {alert}): {explanation.says}"
    rows = [
        (
            event.place(),
            (event.text or event.event)[:LONGEST],
            "never seen" if event.never_seen else f"{event.surprisal:.1f}",
            event.likeliest(2),
        )
        for event in events
    ]
    columns = ("place", "event", "surprisal, nats", "expected instead")
    return Table(title, columns, rows, [event.surprisal for event in events])


def _captioned(pictures: Mapping[str, bytes], name: str, caption: str) -> list[Picture]:
    return [Picture(pictures[name], caption)] if name in pictures else []
