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
    """Train on DATA: a named set, a folder of class folders, a CSV or Parquet manifest, an archive of any of them.

    trine classify fit photos/ --minutes 10

    Parameters
    ----------
    network
        fast: most accuracy per compute; classic: the textbook's; pretrained: for few pictures. [default: fast]
    """
    from trine.classify.classifier import Classifier

    options = options or FitOptions()
    recipe = options.chosen(ClassifyRecipe, network=network)
    output.print_fitted(Classifier(recipe=recipe).fit(data, **options.training()), options.json)


@app.command
def evaluate(model: Model, data: Data, *, split: Split = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Measure MODEL on DATA's test split, else its validation split, else all of it."""
    from trine.classify.classifier import Classifier

    output.print_result(Classifier.load(model).evaluate(data, split=split, data_dir=data_dir), json)


@app.command
def predict(model: Model, *paths: Pictures, json: Json = False) -> int:
    """Say what pictures show, a line each. --json prints JSON lines.

    trine classify predict runs/classify-photos unsorted/

    Parameters
    ----------
    paths
        Files, folders, globs; `-` reads names from standard input.
    """
    from trine.classify.classifier import Classifier
    from trine.pictures.paths import find_pictures

    names = [name for word in paths for name in _names(word)]
    loaded, failed = Classifier.load(model), False
    for said in loaded.predict_stream(find_pictures(names)):
        failed = failed or said.error is not None
        if json:
            output.print_json_line(said.as_json())
        elif said.error:
            output.note(f"trine: {said.error}")
        else:
            mark = "  abstain" if said.abstain else ""
            print(f"{said.path}\t{said.label}\t{said.probability:.3f}{mark}", flush=True)
    return int(failed)


@app.command
def explain(model: Model, *paths: str, out: Path = Path("explained")) -> None:
    """Show what MODEL looks at: Grad-CAM, the first layer's filters and the feature maps.

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

    for written in explain_pictures(Classifier.load(model), find_pictures(list(paths)), out):
        print(written)


def _names(word: str) -> list[str]:
    """What a word stands for: itself, or with `-` the lines of standard input."""
    if word == "-":
        return [line.strip() for line in sys.stdin if line.strip()]
    if word.startswith("-"):
        raise UsageError(f"option {word!r} is not known (see --help): write ./{word} for a file of that name")
    return [word]
