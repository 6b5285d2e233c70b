"""The chapter of classify: handwritten digits."""

import tempfile
from pathlib import Path
from typing import Any

from trine import files
from trine.classify.classifier import Classifier
from trine.classify.expectation import expected_accuracy, known
from trine.classify.explain import explain
from trine.datasets.catalogue import CATALOGUE, is_present
from trine.demo.chapter import Chapter, Figure, Part, Picture, cost, percent
from trine.drawing import picture_png
from trine.pictures.picture_set import PictureSplit

DATA = "digits28"


def chapter(model: Classifier, run: Path) -> Chapter:
    """What a fitted classifier of the digits came to."""
    assert model.result
    test = model.open(DATA).splits["test"]
    digits = _some_digits(model, test, run.parent / "digits")
    curves, errors = ((run / f"{name}.png").read_bytes() for name in ("curves", "errors"))
    return Chapter(
        name="classify",
        title="Say what a picture shows",
        lead=f"A convolutional network learned {model.data['splits']['train']:,} handwritten digits. The figures are "
        f"for {len(test):,} others, which it saw once, at the end.",
        figures=[*_figures(model.result.metrics), cost(model.result.compute)],
        parts=[
            Picture(curves, "The loss falls while it learns; the digits held out say when it is enough."),
            Picture(errors, "Its surest errors: what it said, how surely, and what the digit is."),
            *(Picture(png, caption) for png, caption in _inside(model, _hardest(model, test))),
        ],
        next=["trine classify fit FOLDER --minutes 10", f"trine classify predict {run} {digits}", *_real_thing(model)],
    )


def _figures(found: dict[str, Any]) -> list[Figure]:
    ece = percent(found["ece"], 2)
    return [
        Figure("accuracy", percent(found["accuracy_tta"]), "of the digits it had never seen are named rightly"),
        Figure("calibration error", ece, "between how sure it says it is and how often it is right"),
        Figure("answers given", percent(found["coverage"]), "it abstains from the rest rather than guess"),
    ]


def _some_digits(model: Classifier, test: PictureSplit, folder: Path) -> Path:
    """The first of each class as a PNG file, to try the model on."""
    assert test.labels is not None
    for label, name in enumerate(model.classes):
        files.write_bytes(folder / f"{name}.png", picture_png(test.images[int((test.labels == label).argmax())]))
    return folder


def _hardest(model: Classifier, test: PictureSplit) -> bytes:
    """The digit that it is least sure of, as a PNG."""
    best = model.logits(test.images, tta=True).topk(2).values
    return picture_png(test.images[int((best[:, 0] - best[:, 1]).argmin())])


def _inside(model: Classifier, image: bytes) -> list[tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "digit.png"
        path.write_bytes(image)
        filters, heat, maps = (written.read_bytes() for written in explain(model, [path], scratch))
    return [
        (heat, "The digit it is least sure of, and what in it speaks for the two likeliest answers."),
        (filters, "The first layer's filters: each answers to one small pattern of light and dark."),
        (maps, "What each layer makes of that digit: strokes first, whole shapes at the end."),
    ]


def _real_thing(model: Classifier) -> list[str]:
    """The command for CIFAR-10, where it is at hand, with its cost at the rate just seen."""
    if not is_present(CATALOGUE["cifar10"]) or not known("cifar10") or not model.cost.gflops:
        return []
    pflop = known("cifar10")[0][0]
    minutes = pflop * 1e6 / model.cost.gflops / 60
    forecast = f"about {minutes:.0f} minutes here, {pflop:.2g} PFLOP{expected_accuracy('cifar10', pflop)}"
    return [f"trine classify fit cifar10 --effort quick   # {forecast}"]


PART = Part(DATA, "5,000 handwritten digits", {"widths": (16, 48, 96), "least_steps": 150}, chapter)
