"""trine detect: event sequences -> surprise -> findings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter, validators

from trine.cli import output
from trine.cli.options import Data, DataDir, FitOptions, Json
from trine.detect.recipe import DetectRecipe

if TYPE_CHECKING:
    from trine.data.sequences import SequenceTable
    from trine.detect.detector import Detector
    from trine.detect.explain import Explanation

app = App(name="detect", help="Learn the normal order of events, and flag what deviates.")


@app.command
def fit(
    data: Data,
    *,
    cell: Literal["lstm", "gru", "rnn"] | None = None,
    false_alarms: float | None = None,
    alerts_per_day: float | None = None,
    members: str | None = None,
    format: str | None = None,  # noqa: A002  (the name of the option)
    pattern: str | None = None,
    entity: Literal["host", "user", "process", "address", "session"] | None = None,
    compare_cells: Annotated[bool, Parameter(negative=())] = False,
    options: FitOptions | None = None,
) -> None:
    """Train on the normal sequences of DATA: a named set, a sequence table, a folder of sequences, or a raw log.

    trine detect fit adfa-ld --false-alarms 0.01

    A raw log is read by --format (or --pattern, a regular expression with named groups), else the format is guessed and
    said; --entity says what a session belongs to. --members names the scores to fuse, such as lstm,counts;
    --compare-cells trains RNN, GRU and LSTM side by side and shows how far back each remembers.
    """
    from trine.detect.detector import Detector

    options = options or FitOptions()
    chosen: dict[str, object] = {"cell": cell, "false_alarms": false_alarms, "alerts_per_day": alerts_per_day}
    chosen |= {"log_format": format, "log_pattern": pattern, "entity": entity}
    recipe = options.chosen(DetectRecipe, **chosen, members=members.split(",") if members else None)
    if compare_cells:
        _compare(recipe, data, options)
        return
    output.print_fitted(Detector(recipe=recipe).fit(data, **options.training()), options.json)


@app.command
def evaluate(
    model: Path, data: Data, *, split: str | None = None, data_dir: DataDir = None, json: Json = False
) -> None:
    """Measure MODEL on DATA's test split, or another split of it."""
    from trine.detect.detector import Detector

    output.print_result(Detector.load(model).evaluate(data, split=split, data_dir=data_dir), json)


@app.command
def score(model: Path, data: Data, *, data_dir: DataDir = None, json: Json = False) -> None:
    """Judge every sequence of DATA: its p-value against normal, and whether it is flagged. --json prints JSON lines."""
    from trine.detect.detector import Detector

    for verdict in Detector.load(model).score(data, data_dir=data_dir):
        if json:
            output.print_json_line(verdict.as_json())
        else:
            mark = f"\tALERT ({verdict.loudest})" if verdict.flagged else ""
            print(f"{verdict.name}\tp={verdict.p_value:.4f}{mark}")


@app.command
def explain(
    model: Path,
    data: Data,
    *,
    name: str | None = None,
    most: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 3,
    out: Path | None = None,
    gates: Annotated[bool, Parameter(negative=())] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say why sequences of DATA are strange: the --most strangest ones, or the one called --name.

    --out writes surprise over time as PNGs; --gates adds the gates and the cell state. --json prints JSON lines.
    """
    import numpy as np

    from trine.detect.detector import Detector
    from trine.detect.explain import explain as explain_sequences
    from trine.errors import UsageError, nearest

    detector = Detector.load(model)
    table = detector.read(data, data_dir)
    if name is not None and name not in table.names:
        raise UsageError(f"{data}: has no sequence called {name!r}{nearest(name, map(str, table.names))}")
    chosen = (
        np.flatnonzero(table.names == name)
        if name
        else np.argsort(detector.scored(table).judged.p_value, kind="stable")
    )
    part = table.rows(chosen[:most])
    for place, explanation in enumerate(explain_sequences(detector, part)):
        if json:
            output.print_json_line(explanation.as_json())
        else:
            _print_explanation(explanation)
        if out or gates:
            _draw(detector, part.rows(np.array([place])), explanation, out or Path("explained"), gates)


def _print_explanation(explanation: "Explanation") -> None:
    verdict = "ALERT" if explanation.flagged else "not flagged"
    print(f"{explanation.name}: p = {explanation.p_value:.4f}, {verdict}; {explanation.loudest}: {explanation.says}")
    if explanation.nearest_normal:
        print(f"nearest normal sequence: {explanation.nearest_normal}")
    rows = []
    for place, event in sorted(enumerate(explanation.events), key=lambda pair: -pair[1].surprisal)[:12]:
        expected = ", ".join(f"{word} {100 * chance:.0f} %" for word, chance in event.expected[:3])
        rows.append((place, event.event, f"{event.surprisal:.2f}", expected))
    output.print_table("its most surprising events", ("place", "event", "surprisal, nats", "expected instead"), rows)


def _draw(
    detector: "Detector", table: "SequenceTable", explanation: "Explanation", folder: Path, with_gates: bool
) -> None:
    from trine import files
    from trine.detect.explain import draw_gates, draw_surprise

    stem = "".join(letter if letter.isalnum() else "-" for letter in explanation.name)[:100]
    pictures = {f"{stem}-surprise.png": draw_surprise(explanation)}
    if with_gates:
        pictures[f"{stem}-gates.png"] = draw_gates(detector, table)
    for name, content in pictures.items():
        files.write_bytes(folder / name, content)
        output.note(f"{folder / name}")


def _compare(recipe: DetectRecipe, data: str, options: FitOptions) -> None:
    from trine.detect.compare import compare_cells

    out = options.out or Path("runs") / f"cells-{Path(data).name.split('.')[0]}"
    found = compare_cells(recipe, data, out, options.training())
    rows = [
        (
            one.cell,
            f"{one.surprisal:.4f}",
            "" if one.auc is None else f"{one.auc:.4f}",
            f"{one.gradient_at(10):.2g}",
            f"{one.gradient_at(50):.2g}",
        )
        for one in found
    ]
    columns = ("cell", "mean surprisal", "AUC", "gradient 10 back", "gradient 50 back")
    if options.json:
        output.print_json([one.__dict__ for one in found])
    else:
        output.print_table("cells side by side; gradients relative to one event back", columns, rows)
    output.note(f"picture: {out / 'cells.png'}")
