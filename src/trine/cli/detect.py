"""trine detect: event sequences -> surprise -> findings."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from trine.cli import output
from trine.cli.options import FitOptions
from trine.detect.recipe import DetectRecipe

app = App(name="detect", help="Learn the normal order of events, and flag what deviates.")

Json = Annotated[bool, Parameter(negative=(), help="Print JSON.")]
DataDir = Annotated[Path | None, Parameter(help="Folder of the named data sets.")]


@app.command
def fit(
    data: str,
    *,
    cell: Literal["lstm", "gru", "rnn"] | None = None,
    false_alarms: float | None = None,
    alerts_per_day: float | None = None,
    members: str | None = None,
    options: FitOptions | None = None,
) -> None:
    """Train on the normal sequences of DATA: a named set, a sequence table, a folder of sequences, or a raw log.

    trine detect fit adfa-ld --false-alarms 0.01
    """
    from trine.detect.detector import Detector

    options = options or FitOptions()
    chosen = {"cell": cell, "false_alarms": false_alarms, "alerts_per_day": alerts_per_day}
    recipe = options.chosen(DetectRecipe, **chosen, members=members.split(",") if members else None)
    model = Detector(recipe=recipe).fit(data, **options.training())
    if model.result and model.run and model.device.leads:
        output.print_result(model.result, options.json)
        output.note(f"model: {model.run.bundle}")


@app.command
def evaluate(model: Path, data: str, *, split: str | None = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on DATA's test split, or another split of it."""
    from trine.detect.detector import Detector

    output.print_result(Detector.load(model).evaluate(data, split=split, data_dir=data_dir), json)


@app.command
def score(model: Path, data: str, *, data_dir: DataDir = None, json: Json = False) -> None:
    """Judge every sequence of DATA: its p-value against normal, and whether it is flagged. --json prints JSON lines."""
    from trine.detect.detector import Detector

    for verdict in Detector.load(model).score(data, data_dir=data_dir):
        if json:
            output.print_json_line(verdict.as_json())
        else:
            mark = f"\tALERT ({verdict.loudest})" if verdict.flagged else ""
            print(f"{verdict.name}\tp={verdict.p_value:.4f}{mark}")
