"""Draw the pictures of README and docs from finished trainings; each option draws the pictures of one of them.

--demo      folder of `trine demo`: three-jobs.png, and the pictures of docs/inside but those below
--classic   run of `trine classify fit digits28 --network classic`: filters.png, heat.png, maps.png
--cells     folder of `trine detect fit hostlab --compare-cells` that bench/detect/cells.py trained: cells.png
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from trine import Classifier, Detector, Generator
from trine.classify.explain import explain
from trine.demo.detect import attacked_session
from trine.demo.generate import one_digit
from trine.detect.explain import draw_surprise
from trine.detect.explain import explain as explain_sequences
from trine.detect.gates import draw_gates, draw_unit
from trine.drawing import figure, picture_png, png, styled
from trine.generate.explore import between_samples, draw_map, draw_traversal
from trine.sheet import grid, grid_png

DOCS = Path(__file__).parent.parent / "docs"
COLOURS = 48
"""Colours of the palette; more make the files larger."""
DIGIT = 8
"""Index in the test split of the explained digit."""


def keep(path: Path, content: bytes) -> None:
    """Write a PNG with a palette, unless that makes it larger."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(content)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        buffer, format="PNG", optimize=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(min(buffer.getvalue(), content, key=len))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def convolution(classic: Classifier) -> None:
    """Filters, feature maps and Grad-CAM of the textbook's network."""
    image = classic.open("digits28").splits["test"].images[DIGIT]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "digit.png"
        path.write_bytes(picture_png(image))
        written = explain(classic, [path], scratch)
        for name, file in zip(("filters", "heat", "maps", "responses"), written, strict=True):
            keep(DOCS / "inside" / f"{name}.png", file.read_bytes())


def recurrence(detector: Detector) -> None:
    """A session with an attack: surprisal and gates."""
    session = attacked_session(detector)
    (explanation,) = explain_sequences(detector, session)
    keep(DOCS / "inside" / "surprise.png", draw_surprise(explanation))
    keep(DOCS / "inside" / "unit.png", draw_unit(detector, session, explanation))
    keep(DOCS / "inside" / "gates.png", draw_gates(detector, session))


def latent_space(generator: Generator, run: Path) -> None:
    """New digits, interpolations, single latent numbers, and the map."""
    for name in ("samples", "reconstructions"):
        keep(DOCS / "inside" / f"{name}.png", (run / f"{name}.png").read_bytes())
    strips = np.concatenate([between_samples(generator, 12, seed) for seed in range(3)])
    keep(DOCS / "inside" / "walk.png", grid_png(strips, 12))
    opened = generator.open("digits28")
    keep(DOCS / "inside" / "directions.png", draw_traversal(generator, one_digit(opened), directions=6)[1])
    keep(DOCS / "inside" / "map.png", draw_map(generator, opened, most=800))


@styled
def three_jobs(classifier: Classifier, detector: Detector, generator: Generator) -> None:
    """README's picture: digits with their predicted classes, a breach, interpolations in the latent space."""
    drawn, axes = figure(3, 1, width=9, height=6.6)
    _answers(axes[0], classifier)
    session = attacked_session(detector)
    explanation = explain_sequences(detector, session)[0]
    values = [event.surprisal for event in explanation.events]
    axes[1].fill_between(range(len(values)), values, step="mid", color="C3", alpha=0.7)
    kind = str(session.kinds[0]).replace("_", " ")
    axes[1].set_title(f"detect: surprisal of each system call in one session ({kind}), in nats", loc="left")
    walk = grid(np.concatenate([between_samples(generator, 20, seed) for seed in range(3)]), 20)
    axes[2].imshow(walk[..., 0], cmap="gray_r")
    axes[2].set_title("generate: interpolations between new digits", loc="left")
    axes[2].axis("off")
    keep(DOCS / "three-jobs.png", png(drawn))


def _answers(axes: Axes, classifier: Classifier) -> None:
    images = classifier.open("digits28").splits["test"].images[::53][:18]
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{number}.png" for number in range(len(images))]
        for path, image in zip(paths, images, strict=True):
            path.write_bytes(picture_png(image))
        predictions = classifier.predict(paths)
    axes.imshow(grid(images, len(images))[..., 0], cmap="gray_r")
    for number, prediction in enumerate(predictions):
        text = f"{prediction.label}\n{100 * prediction.probability:.0f} %"
        axes.text(15 + 29 * number, 36, text, ha="center", va="top", fontsize=8)
    axes.set_title("classify: predicted class of each digit and its probability", loc="left")
    axes.set_ylim(62, 0)
    axes.axis("off")


def of_demo(demo: Path) -> None:
    """The pictures of the demo's three models."""
    classifier, detector = Classifier.load(demo / "classify"), Detector.load(demo / "detect")
    generator = Generator.load(demo / "generate")
    three_jobs(classifier, detector, generator)
    recurrence(detector)
    latent_space(generator, demo / "generate")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("demo", "classic", "cells"):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER")
    folders = parser.parse_args()
    if folders.demo:
        of_demo(folders.demo)
    if folders.classic:
        convolution(Classifier.load(folders.classic))
    if folders.cells:
        keep(DOCS / "inside" / "cells.png", (folders.cells / "cells.png").read_bytes())
