"""trine detect: event sequences -> surprisal -> findings."""

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter, validators

from trine.cli import output
from trine.cli.options import Data, DataDir, FitOptions, Flag, Json, Model, Split
from trine.detect.cells import CellName
from trine.detect.recipe import DetectRecipe

if TYPE_CHECKING:
    from trine.detect.detector import Detector
    from trine.detect.findings import Explanation
    from trine.sequences.table import SequenceTable

app = App(name="detect", help="Learn the normal order of events, and flag what deviates.")


@app.command
def fit(
    data: Data,
    *,
    cell: CellName | None = None,
    false_alarms: float | None = None,
    alerts_per_day: float | None = None,
    members: str | None = None,
    format: str | None = None,  # noqa: A002  (the name of the option)
    pattern: str | None = None,
    entity: Literal["host", "user", "process", "address", "session"] | None = None,
    compare_cells: Flag = False,
    options: FitOptions | None = None,
) -> None:
    """Train on the normal sequences of DATA: a named set, a sequence table, a folder of sequences, or a raw log.

    trine detect fit access.log --entity address --false-alarms 0.001

    Parameters
    ----------
    cell
        The recurrent layer. [default: lstm]
    false_alarms
        Share of normal sequences that may be flagged. [default: 0.01]
    alerts_per_day
        Alerts on normal activity per day, instead of a rate; needs event times.
    members
        Names of the scores to fuse, such as network,counts.
    format
        Format of a raw log. [default: guessed from its first lines]
    pattern
        A regular expression with named groups, for a raw log of another format.
    entity
        What a session of a raw log belongs to. [default: depends on the format]
    compare_cells
        Train every cell on the same data, and show how far back its gradient reaches.
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
def evaluate(model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on the test split of DATA, else on its held-out data, else on all of it."""
    from trine.detect.detector import Detector

    output.print_result(Detector.load(model).evaluate(data, split=split, data_dir=data_dir), json)


@app.command
def score(model: Model, data: Data, *, data_dir: DataDir = None, json: Json = False) -> None:
    """Print the p-value of every sequence of DATA among normal sequences, and its alert. --json prints JSON lines."""
    from trine.detect.detector import Detector

    for finding in Detector.load(model).score(data, data_dir=data_dir):
        if json:
            output.print_json_line(finding.as_json())
        else:
            mark = f"\tALERT ({finding.loudest})" if finding.flagged else ""
            print(f"{finding.name}\tp={finding.p_value:.4f}{mark}")


@app.command
def explain(
    model: Model,
    data: Data,
    *,
    name: str | None = None,
    most: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 3,
    out: Path | None = None,
    gates: Flag = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show why sequences of DATA are strange: the --most strangest ones, or those called --name.

    trine detect explain runs/detect-hostlab hostlab --gates --out explained

    Parameters
    ----------
    name
        Name of the sequence to explain.
    most
        Largest number of sequences to explain.
    out
        Folder for pictures of the surprisal over each sequence. [default: none are drawn]
    gates
        Draw the gates and the cell state as well.
    """
    import numpy as np

    from trine.detect.detector import Detector
    from trine.detect.explain import explain as explain_sequences
    from trine.errors import UsageError, nearest

    detector = Detector.load(model)
    table = detector.read(data, data_dir)
    if name is not None and name not in table.names:
        raise UsageError(f"{data}: has no sequence called {name!r}{nearest(name, map(str, table.names))}")
    chosen = detector.strangest(table, most) if name is None else table.rows(np.flatnonzero(table.names == name)[:most])
    stems = _file_stems(chosen.names.tolist())
    for index, explanation in enumerate(explain_sequences(detector, chosen)):
        if json:
            output.print_json_line(explanation.as_json())
        else:
            _print_explanation(explanation)
        if out or gates:
            stem = (out or Path("explained")) / stems[index]
            _draw(detector, chosen.rows(np.array([index])), explanation, stem, gates)


def _print_explanation(explanation: "Explanation") -> None:
    alert = "ALERT" if explanation.flagged else "not flagged"
    print(f"{explanation.name}: p = {explanation.p_value:.4f}, {alert}; {explanation.loudest}: {explanation.says}")
    if explanation.nearest_normal:
        print(f"nearest normal sequence: {explanation.nearest_normal}")
    rows = []
    for index, event in sorted(enumerate(explanation.events), key=lambda pair: -pair[1].surprisal)[:12]:
        rows.append((index, event.event, f"{event.surprisal:.2f}", event.likeliest(3)))
    output.print_table("the most surprising events", ("position", "event", "surprisal, nats", "expected instead"), rows)


def _file_stems(names: list[str]) -> list[str]:
    """A file name for each sequence name; further sequences of the same file name are numbered from 2."""
    stems: dict[str, None] = {}
    for name in names:
        stem = "".join(letter if letter.isalnum() else "-" for letter in name)[:100]
        candidates = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        stems[next(candidate for candidate in candidates if candidate not in stems)] = None
    return list(stems)


def _draw(
    detector: "Detector", table: "SequenceTable", explanation: "Explanation", stem: Path, with_gates: bool
) -> None:
    from trine import files
    from trine.detect.explain import draw_gates, draw_surprise

    pictures = {"surprise": draw_surprise(explanation)}
    if with_gates:
        pictures["gates"] = draw_gates(detector, table)
    for name, content in pictures.items():
        path = stem.with_name(f"{stem.name}-{name}.png")
        files.write_bytes(path, content)
        output.note(str(path))


def _compare(recipe: DetectRecipe, data: str, options: FitOptions) -> None:
    from trine.detect.inside import compare_cells

    out = options.out or Path("runs") / f"cells-{Path(data).name.split('.')[0]}"
    comparisons = compare_cells(recipe, data, out, options.training())
    rows = [
        (
            each.cell,
            f"{each.surprisal:.4f}",
            "" if each.auc is None else f"{each.auc:.4f}",
            f"{each.gradient_at(10):.2g}",
            f"{each.gradient_at(50):.2g}",
        )
        for each in comparisons
    ]
    columns = ("cell", "mean surprisal", "AUC", "gradient 10 back", "gradient 50 back")
    if options.json:
        output.print_json([vars(each) for each in comparisons])
    else:
        output.print_table("cells compared; gradients relative to one event back", columns, rows)
    output.note(f"picture: {out / 'cells.png'}")
