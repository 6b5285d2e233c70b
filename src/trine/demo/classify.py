"""The chapter of classify: handwritten digits."""

import tempfile
from pathlib import Path

from trine import files
from trine.classify.chapter import figures
from trine.classify.classifier import Classifier
from trine.classify.expectation import expected_accuracy, known
from trine.classify.explain import explain
from trine.datasets.catalogue import CATALOGUE, is_present
from trine.demo.part import Part
from trine.drawing import picture_png
from trine.page.chapter import Chapter, Picture, training_time
from trine.pictures.picture_set import PictureSplit

DATA = "digits28"


def chapter(model: Classifier, run: Path) -> Chapter:
    """The chapter of a trained classifier of handwritten digits."""
    assert model.result
    test = model.open(DATA).splits["test"]
    digits = _some_digits(model, test, run.parent / "digits")
    curves, errors = ((run / f"{name}.png").read_bytes() for name in ("curves", "errors"))
    return Chapter(
        name="classify",
        title="Say what a picture shows",
        lead=f"A convolutional network learned {model.data['splits']['train']:,} handwritten digits. The figures are "
        f"for {len(test):,} other digits, which were used once, at the end.",
        figures=[*figures(model.result.metrics, "test digits"), training_time(model.result.compute)],
        parts=[
            Picture(curves, "The loss falls during the training. The accuracy is measured on held-out digits."),
            Picture(errors, "The most confident errors: predicted digit, probability, true digit."),
            *(Picture(png, caption) for png, caption in _inside(model, _hardest(model, test))),
        ],
        next=["trine classify fit FOLDER --minutes 10", f"trine classify predict {run} {digits}", *_cifar10(model)],
    )


def _some_digits(model: Classifier, test: PictureSplit, folder: Path) -> Path:
    """The first test digit of each class as a PNG file, to try the model on."""
    assert test.labels is not None
    for label, name in enumerate(model.classes):
        files.write_bytes(folder / f"{name}.png", picture_png(test.images[int((test.labels == label).argmax())]))
    return folder


def _hardest(model: Classifier, test: PictureSplit) -> bytes:
    """The digit with the smallest margin between the two largest logits, as a PNG."""
    best = model.logits(test.images, tta=True).topk(2).values
    return picture_png(test.images[int((best[:, 0] - best[:, 1]).argmin())])


def _inside(model: Classifier, image: bytes) -> list[tuple[bytes, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "digit.png"
        path.write_bytes(image)
        _, heat, maps, pairs = (written.read_bytes() for written in explain(model, [path], scratch))
    return [
        (heat, "The digit of which it is least certain, and the pixels that support its two most probable classes."),
        (pairs, "Filters of the first layer: each responds to one small pattern of light and dark, at every place."),
        (maps, "The feature maps of each layer for that digit: strokes first, whole shapes in the last layers."),
    ]


def _cifar10(model: Classifier) -> list[str]:
    """The command for CIFAR-10, if it is present, with a forecast at the speed of the demo's training."""
    if not is_present(CATALOGUE["cifar10"]) or not known("cifar10") or not model.cost.gflops:
        return []
    pflop = known("cifar10")[0][0]
    minutes = pflop * 1e6 / model.cost.gflops / 60
    forecast = f"about {minutes:.0f} minutes here, {pflop:.2g} PFLOP{expected_accuracy('cifar10', pflop)}"
    return [f"trine classify fit cifar10 --effort quick   # {forecast}"]


PART = Part(DATA, "5,000 handwritten digits", {"widths": (16, 48, 96), "least_steps": 150}, chapter)
