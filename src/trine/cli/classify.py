"""trine classify: pictures -> classes."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from trine.classify.recipe import ClassifyRecipe
from trine.cli import output
from trine.cli.options import Data, DataDir, FitOptions, Json, Model, Split
from trine.errors import UsageError

app = App(name="classify", help="Say what a picture shows, with a convolutional network.")

Pictures = Annotated[str, Parameter(allow_leading_hyphen=True)]


@app.command
def fit(
    data: Data,
    *,
    network: Literal["fast", "classic", "pretrained"] | None = None,
    options: FitOptions | None = None,
) -> None:
    """Train on DATA: a named set, a folder of class folders, an archive of one, or a table of paths and labels.

    A table is a TSV, CSV, JSON lines or Parquet file, plain or .gz, with the columns path and label.

    trine classify fit photos/ --minutes 10

    Parameters
    ----------
    network
        fast: most accuracy per compute; classic: as in textbooks; pretrained: for few pictures. [default: fast]
    """
    from trine.classify.classifier import Classifier

    options = options or FitOptions()
    recipe = options.chosen(ClassifyRecipe, network=network)
    output.print_fitted(Classifier(recipe=recipe).fit(data, **options.training()), options.json)


@app.command
def evaluate(model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on the test split of DATA, else on its validation split, else on all of it."""
    from trine.classify.classifier import Classifier

    output.print_result(Classifier.load(model).evaluate(data, split=split, data_dir=data_dir), json)


@app.command
def predict(model: Model, *paths: Pictures, json: Json = False) -> int:
    """Print the class of each picture, one line per picture. --json prints JSON lines.

    trine classify predict runs/classify-photos unsorted/

    Parameters
    ----------
    paths
        Files, folders, globs; `-` reads them from standard input, one per line.
    """
    from trine.classify.classifier import Classifier
    from trine.pictures.paths import find_pictures

    names = [name for word in paths for name in _names(word)]
    loaded, failed = Classifier.load(model), False
    for prediction in loaded.predict_stream(find_pictures(names)):
        failed = failed or prediction.error is not None
        if json:
            output.print_json_line(prediction.as_json())
        elif prediction.error:
            output.note(f"trine: {prediction.error}")
        else:
            mark = "  abstain" if prediction.abstain else ""
            print(f"{prediction.path}\t{prediction.label}\t{prediction.probability:.3f}{mark}", flush=True)
    return int(failed)


@app.command
def explain(model: Model, *paths: str, out: Path = Path("explained")) -> None:
    """Draw what MODEL responds to in pictures: Grad-CAM, the first layer's filters and the feature maps.

    trine classify explain runs/classify-photos cat.jpg

    Parameters
    ----------
    paths
        Files, folders, globs.
    out
        Folder for the pictures.
    """
    from trine.classify.classifier import Classifier
    from trine.classify.explain import explain as explain_pictures
    from trine.pictures.paths import find_pictures

    for path in explain_pictures(Classifier.load(model), find_pictures(list(paths)), out):
        print(path)


def _names(word: str) -> list[str]:
    """The paths that a word of the command line names: the word, or for `-` the lines of standard input."""
    if word == "-":
        return [line.strip() for line in sys.stdin if line.strip()]
    if word.startswith("-"):
        raise UsageError(f"option {word!r} is not known (see --help): write ./{word} for a file of that name")
    return [word]
