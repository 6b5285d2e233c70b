"""trine detect: event sequences -> surprisal -> findings."""

from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from trine.cli import log_output, output
from trine.cli.bulk import BulkOptions
from trine.cli.findings import feedback, findings
from trine.cli.log_options import LogOptions
from trine.cli.options import DataDir, FitOptions, Flag, Json, Logs, Model, Split
from trine.cli.recalibrate import recalibrate
from trine.cli.tune import TuneOptions
from trine.cli.watch import watch
from trine.detect.cells import CellName
from trine.detect.recipe import DetectRecipe

if TYPE_CHECKING:
    from trine.detect.detector import Detector
    from trine.detect.findings import Explanation
    from trine.sequences.table import SequenceTable

app = App(name="detect", help="Learn the normal order of events, and flag what deviates.")
for command in (watch, findings, feedback, recalibrate):
    app.command(command)


@app.command
def fit(
    data: Logs,
    *,
    cell: CellName | None = None,
    false_alarms: float | None = None,
    alerts_per_day: float | None = None,
    members: str | None = None,
    compare_cells: Flag = False,
    log: LogOptions | None = None,
    options: FitOptions | None = None,
) -> None:
    """Train on the normal sequences of DATA: a named set, a sequence table, a folder of sequences, or raw logs.

    trine detect fit access.log access.log.1 old/*.gz --entity address --false-alarms 0.001

    Parameters
    ----------
    cell
        The recurrent layer. [default: lstm]
    false_alarms
        Share of normal sequences that may be flagged. [default: 0.01]
    alerts_per_day
        Alerts on normal activity per day, instead of a rate; needs event times.
    members
        Names of the scores to fuse, such as network,counts. Without the network, none is trained.
    compare_cells
        Train every cell on the same data, and show how far back its gradient reaches.
    """
    from trine.detect.detector import Detector
    from trine.errors import UsageError

    if false_alarms is not None and alerts_per_day is not None:
        raise UsageError("--false-alarms and --alerts-per-day: both set the threshold; give one of them")
    options, log = options or FitOptions(), log or LogOptions()
    chosen: dict[str, object] = {"cell": cell, "false_alarms": false_alarms, "alerts_per_day": alerts_per_day}
    chosen |= {**log.settings(), "members": members.split(",") if members else None}
    recipe = options.chosen(DetectRecipe, **chosen)
    if compare_cells:
        if options.cluster is not None:
            raise UsageError("--compare-cells trains several detectors here: leave out --cluster")
        _compare(recipe, _source(data), options)
        return
    options.fit(Detector(recipe=recipe), _source(data))


@app.command
def tune(data: Logs, *, log: LogOptions | None = None, options: TuneOptions | None = None) -> None:
    """Search for better settings on DATA: trainings that are compared by their validations, never by a test split.

    trine detect tune access.log --trials 20 --minutes 60
    """
    from trine.detect.detector import Detector

    options, log = options or TuneOptions(), log or LogOptions()
    options.run(Detector(recipe=options.chosen(DetectRecipe, **log.settings())), _source(data))


@app.command
def check(data: Logs, *, log: LogOptions | None = None, json: Json = False) -> None:
    """Show how raw logs would be read, before anything is trained: format, sessions, kinds of events, odd lines.

    trine detect check /var/log/auth.log* --entity address
    """
    from trine.detect.scorer import log_settings
    from trine.logs.check import check_log

    settings = {name: value for name, value in (log or LogOptions()).settings().items() if value is not None}
    checked = check_log(data, log_settings(DetectRecipe.preset("quick", **settings).model_dump(), keep_attributes=True))
    if json:
        output.print_json(checked.as_json())
    else:
        log_output.print_check(checked)


@app.command
def evaluate(model: Model, data: Logs, *, split: Split = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on the test split of DATA, else on its held-out data, else on all of it."""
    from trine.detect.detector import Detector

    detector = Detector.load(model)
    opened = detector.open(_source(data), data_dir)
    for line in opened.remarks:
        output.note(line)
    output.print_result(detector.stated(detector.evaluation(opened, split)), json)


@app.command
def score(
    model: Model,
    data: Logs,
    *,
    most: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None,
    all: Flag = False,  # noqa: A002  (the name of the option)
    group_by: str | None = None,
    state: Path | None = None,
    data_dir: DataDir = None,
    bulk: BulkOptions | None = None,
    json: Json = False,
) -> int:
    """List the sequences of DATA that MODEL flags, strangest first, with the lines that count, grouped by source.

    trine detect score runs/detect-access access.log --most 5

    Parameters
    ----------
    most
        Show this many of the strangest sequences, flagged or not.
    all
        Show every sequence, flagged or not.
    group_by
        What findings are grouped by: address, user, host, … [default: the first of these that the session names]
    state
        File that keeps the sessions that are still open, for a log that is scored every hour: they go on in the next
        call, and lines that were read are not read again.
    """
    if bulk and bulk.wanted(most=most, group_by=group_by, state=state, data_dir=data_dir):
        from trine.cluster.inputs import log_blocks
        from trine.cluster.jobs import Score

        return bulk.run(Score(model, everything=all), log_blocks(data), json)
    from trine.detect.detector import Detector
    from trine.detect.scored import score_data
    from trine.logs.carried import Carried, held

    detector = Detector.load(model)
    with held(state) if state else nullcontext():
        carried = None if state is None else Carried.load(state, str(detector.data.get("fingerprint")))
        scored = score_data(
            detector, _source(data), data_dir, most=most, everything=all, group_by=group_by, carried=carried
        )
        for line in scored.remarks:
            output.note(line)
        if json:
            output.print_json(scored.as_json())
        else:
            log_output.print_findings(scored)
        if state is not None and carried is not None:
            carried.save(state)
    return 0


@app.command
def explain(
    model: Model,
    data: Logs,
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
        Draw the gates and the cell state as well: of many units, and of one event by event.
    """
    import numpy as np

    from trine.detect.detector import Detector
    from trine.detect.explain import explain as explain_sequences
    from trine.errors import UsageError, nearest

    detector = Detector.load(model)
    if gates and not len(detector.networks):
        raise UsageError("--gates: the detector has no network; train it with a member that reads one, such as either")
    opened = detector.open_log(_source(data), data_dir)
    table = opened.table
    remarks = detector.remarks(opened)
    for line in remarks:
        output.note(line)
    if name is not None and name not in table.names:
        raise UsageError(f"{opened.table.name}: has no sequence called {name!r}{nearest(name, map(str, table.names))}")
    chosen = detector.strangest(table, most) if name is None else table.rows(np.flatnonzero(table.names == name)[:most])
    stems = _file_stems(chosen.names.tolist())
    explanations = explain_sequences(detector, chosen, opened.records)
    if json:
        reading = opened.reading.as_json() if opened.reading else None
        explained = [each.as_json() for each in explanations]
        output.print_json({"reading": reading, "explanations": explained, "remarks": remarks})
    for index, explanation in enumerate(explanations):
        if not json:
            log_output.print_explanation(explanation)
        if out or gates:
            stem = (out or Path("explained")) / stems[index]
            _draw(detector, chosen.rows(np.array([index])), explanation, stem, gates)


def _source(data: list[str]) -> "str | list[str]":
    return data[0] if len(data) == 1 else data


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
    from trine.detect.explain import draw_surprise
    from trine.detect.gates import draw_gates, draw_unit

    pictures = {"surprise": draw_surprise(explanation)}
    if with_gates:
        pictures["gates"] = draw_gates(detector, table)
        pictures["unit"] = draw_unit(detector, table, explanation)
    for name, content in pictures.items():
        path = stem.with_name(f"{stem.name}-{name}.png")
        files.write_bytes(path, content)
        output.note(str(path))


def _compare(recipe: DetectRecipe, data: "str | list[str]", options: FitOptions) -> None:
    from trine.detect.inside import compare_cells

    first = data if isinstance(data, str) else data[0]
    out = options.out or Path("runs") / f"cells-{Path(first).name.split('.')[0]}"
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
