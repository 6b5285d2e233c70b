"""trine classify: pictures -> classes."""

import csv as csv_module
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from trine import files
from trine.classify.recipe import ClassifyRecipe
from trine.cli import output
from trine.cli.bulk import BulkOptions
from trine.cli.given_pictures import open_set
from trine.cli.options import Data, DataDir, FitOptions, Json, Model, Split, Start
from trine.cli.tune import TuneOptions
from trine.errors import UsageError

if TYPE_CHECKING:
    from trine.classify.predictor import Prediction

app = App(name="classify", help="Say what a picture shows, with a convolutional network.")

Pictures = Annotated[str, Parameter(allow_leading_hyphen=True)]
COLUMNS = ("path", "label", "probability", "typicality", "abstain", "error")
"""Columns of the table of answers."""


@app.command
def fit(
    data: Data,
    *,
    network: Literal["auto", "fast", "classic", "pretrained"] | None = None,
    label_from: str | None = None,
    balance: Literal["none", "sampling", "logits"] | None = None,
    start: Start = None,
    options: FitOptions | None = None,
) -> None:
    """Train on DATA: a named set, a folder of class folders, an archive of one, or a table of paths and labels.

    A table is a TSV, CSV, JSON lines or Parquet file, plain or .gz, with the columns path and label.

    trine classify fit photos/ --minutes 10

    Parameters
    ----------
    network
        auto: fast or pretrained, by the pictures; fast: most accuracy per compute; classic: as in textbooks;
        pretrained: for few pictures. [default: auto]
    label_from
        Regular expression with one group, the class, searched in the path of each picture: '([a-z]+)[^/]*$'.
        [default: classes are folders]
    balance
        For classes of different sizes. none: large ones are answered more readily, as in training; sampling: pictures
        of small ones are shown more often; logits: the loss allows for the sizes. [default: none]
    """
    from trine.classify.classifier import Classifier

    options = options or FitOptions()
    recipe = options.chosen(ClassifyRecipe, network=network, label_from=label_from, balance=balance)
    options.fit(Classifier(recipe=recipe), data, start)


@app.command
def tune(
    data: Data,
    *,
    network: Literal["auto", "fast", "classic", "pretrained"] | None = None,
    label_from: str | None = None,
    options: TuneOptions | None = None,
) -> None:
    """Search for better settings on DATA: trainings that are compared by their validations, never by a test split.

    trine classify tune photos/ --trials 20 --minutes 60

    Parameters
    ----------
    network
        As in fit. [default: auto]
    label_from
        As in fit.
    """
    from trine.classify.classifier import Classifier

    options = options or TuneOptions()
    recipe = options.chosen(ClassifyRecipe, network=network, label_from=label_from)
    options.run(Classifier(recipe=recipe), data)


@app.command
def evaluate(model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on the test split of DATA, else on all of it; of the data of the training on the held-out part."""
    from trine.classify.classifier import Classifier

    loaded = Classifier.load(model)
    opened = open_set(loaded, data, data_dir)
    output.print_result(loaded.stated(loaded.evaluation(opened, split)), json)


@app.command
def predict(
    model: Model,
    *paths: Pictures,
    sort_into: Path | None = None,
    csv: Path | None = None,
    bulk: BulkOptions | None = None,
    json: Json = False,
) -> int:
    """Print the class of each picture, one line per picture. --json prints JSON lines.

    trine classify predict runs/classify-photos unsorted/

    Parameters
    ----------
    paths
        Files, folders, archives, tables, globs; `-` reads them from standard input, one per line.
    sort_into
        Copy each picture into a folder of its class in this folder; those marked abstain into `unsure`.
    csv
        Write the answers into this file as well.
    """
    names = [name for word in paths for name in _names(word)]
    if bulk and bulk.wanted(sort_into=sort_into, csv=csv):
        return _predict_in_bulk(model, names, bulk, json)
    from trine.classify.classifier import Classifier
    from trine.pictures.paths import found_pictures
    from trine.pictures.sorting import SortedCopies

    loaded, copies = Classifier.load(model), SortedCopies(sort_into) if sort_into else None
    with found_pictures(names) as found, _table(csv) as table:
        failed = output.print_passed_over(found, json)
        predictions = loaded.predict_stream(found.paths, names=found.names)
        for path, prediction in zip(found.paths, predictions, strict=True):
            failed = failed or prediction.error is not None
            _print_prediction(prediction, json)
            table(prediction)
            if copies and not prediction.error:
                copies.add(path, prediction.path, None if prediction.abstain else prediction.label)
    if copies:
        output.note(copies.summary())
    if csv:
        output.note(f"written: {csv}")
    return int(failed)


def _predict_in_bulk(model: Path, words: list[str], bulk: BulkOptions, json: bool) -> int:
    from trine.cluster.inputs import picture_blocks
    from trine.cluster.jobs import Predict

    bulk.refuse_archives(words)
    with picture_blocks(words) as (blocks, passed_over):
        for line in passed_over:
            output.note(line)
        return bulk.run(Predict(model), blocks, json)


@app.command
def explain(model: Model, *paths: str, out: Path = Path("explained")) -> None:
    """Draw what MODEL responds to in pictures: Grad-CAM, the first layer's filters and the feature maps.

    trine classify explain runs/classify-photos cat.jpg

    Parameters
    ----------
    paths
        Files, folders, archives, tables, globs.
    out
        Folder for the pictures.
    """
    from trine.classify.classifier import Classifier
    from trine.classify.explain import explain as explain_pictures
    from trine.pictures.paths import found_pictures

    loaded = Classifier.load(model)
    with found_pictures(paths) as found:
        output.print_passed_over(found)
        for path in explain_pictures(loaded, found.paths, out):
            print(path)


def _print_prediction(prediction: "Prediction", as_json: bool) -> None:
    if as_json:
        output.print_json_line(prediction.as_json())
    elif prediction.error:
        output.note(f"trine: {prediction.error}")
    else:
        mark = "  abstain" if prediction.abstain else ""
        print(f"{prediction.path}\t{prediction.label}\t{prediction.probability:.3f}{mark}", flush=True)


@contextmanager
def _table(path: Path | None) -> "Iterator[Callable[[Prediction], object]]":
    """A function that writes an answer into a table, which takes its place when all are written. Raises `RunError`."""
    if path is None:
        yield lambda prediction: None
        return
    with files.writing(path) as part, part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        rows = csv_module.writer(file)
        rows.writerow(COLUMNS)
        yield lambda prediction: rows.writerow([_cell(getattr(prediction, name)) for name in COLUMNS])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _names(word: str) -> list[str]:
    """The paths that a word of the command line names: the word, or for `-` the lines of standard input."""
    if word == "-":
        return [line.strip() for line in sys.stdin if line.strip()]
    if word.startswith("-"):
        raise UsageError(f"option {word!r} is not known (see --help): write ./{word} for a file of that name")
    return [word]
