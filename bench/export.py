"""Exported graphs beside their networks: differences, decisions, 8-bit numbers, rates. Cost: 10 to 40 min.

Networks compute in single precision, as the graphs do. Rates are measured alternately, turn by turn, because the load
of the machine changes; a ratio is the median of the turns' ratios. They are of one thread and of
processor time.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support import record
from bench.support.claim import Cells, Claim, Figures, times
from trine import Classifier, Detector, bundle
from trine.device import Device
from trine.export.classifier import ClassifierExporter
from trine.export.detector import DetectorExporter, column_name
from trine.export.exporter import export_bundle
from trine.export.quantise import per_second
from trine.graphs import Graph
from trine.measures.roc import auc
from trine.pictures.decode import resize
from trine.pictures.picture_set import open_pictures
from trine.pictures.reading import Reading
from trine.sequences.vocabulary import EVENT, FIRST, EncodedTable

SIZES = ((40, 40), (64, 48), (48, 90), (33, 31), (120, 130))
"""Heights and widths that the test pictures are brought to, for the comparison of resizing."""
BATCHES, ENTITIES = (1, 64), (1, 64, 512)
TURNS = 9
"""Turns of each comparison of rates."""


def shares(figures: Figures) -> Cells:
    return Cells(f"{100 * figures['same_pictures']:.2f} / {100 * figures['other_sizes']:.2f} %")


def rates(figures: Figures, names: tuple[str, ...]) -> Cells:
    found = [figures["rates"][name] for name in names]
    return Cells(
        " / ".join(f"{each['graph']:,.0f}" for each in found),
        " / ".join(f"{each['torch']:,.0f}" for each in found),
        " / ".join(times(each["ratio"], 1) for each in found),
    )


def difference(figures: Figures) -> Cells:
    return Cells(f"{figures['difference']:.0e}")


def eight_bit(figures: Figures) -> Cells:
    eight = figures["int8"]
    return Cells(f"{eight['eight']:.4f}, {100 * eight['size']:.0f} % of the size", f"{eight['whole']:.4f}")


CLASSIFY, DETECT, GENERATE = "export-classify", "export-detect", "export-generate"
CLAIMS = [
    Claim("Graph of a classifier against its network: largest difference of a probability", CLASSIFY, difference),
    Claim("Graph of a detector against its networks: largest difference of a surprisal, nats", DETECT, difference),
    Claim("Graph of a generator against its network: largest difference of a pixel, from 0 to 1", GENERATE, difference),
    Claim(
        "CIFAR-10 test pictures with the network's label: as they are / of other sizes, resized in the graph",
        CLASSIFY,
        shares,
        "Pictures of other sizes are the test pictures enlarged; the network is given them as Pillow resizes them. The "
        "first share is with test-time views, all other figures without.",
    ),
    Claim("Accuracy on CIFAR-10 of 8-bit numbers, against single precision", CLASSIFY, eight_bit),
    Claim(
        "AUC of mean surprisal on ADFA-LD of 8-bit numbers, against single precision",
        DETECT,
        eight_bit,
        "Networks of eight epochs, fewer than the preset has.",
    ),
    Claim(
        "Pictures of CIFAR-10 per second, one thread, against torch: one at a time / batches of 64 / of 64, 8 bits",
        CLASSIFY,
        lambda f: rates(f, ("1", "64", "int8 64")),
    ),
    Claim(
        "Events per second of 1 / 64 / 512 entities, one event each, one thread, against `Detector.step`",
        DETECT,
        lambda f: rates(f, ("1", "64", "512")),
        "The graph has its states as arrays, `Detector.step` as bytes with a checksum.",
    ),
]


def trained(task: str, data: str, *words: str, **settings: object) -> Path:
    """Folder of a finished training for these measurements."""
    folder = record.RUNS / f"export-{task}"
    if not (folder / "result.json").exists():
        record.fit(task, data, folder, *words, **settings)
    return folder / "bundle"


def opened(folder: Path, name: str = "model", threads: int = 1) -> Graph:
    manifest = bundle.read_manifest(folder)
    return Graph.of_bundle(folder, name, manifest.export or {}, manifest.files, threads)


def precise(model: Any) -> Any:
    """The model in single precision."""
    return model.replaced(device=Device("cpu", bfloat16=False))


def in_turns(first: Callable[[], Any], second: Callable[[], Any], count: int) -> dict[str, float]:
    """Rates of the graph (first) and of torch (second), and the median of their ratios."""
    sides = [(per_second(first, count), per_second(second, count)) for _ in range(TURNS)]
    graph, network = (statistics.median(side) for side in zip(*sides, strict=True))
    return {"graph": graph, "torch": network, "ratio": statistics.median(a / b for a, b in sides)}


def parts(images: np.ndarray, size: int = 250) -> Iterator[np.ndarray]:
    return (np.array(images[start : start + size]) for start in range(0, len(images), size))


def equal(exporter: ClassifierExporter, graph: Graph, given: np.ndarray, square: np.ndarray, views: bool) -> int:
    """Number of pictures with the same label from the graph and from the network."""
    found = graph.run(pictures=given, views=np.array(views))["logits"]
    return int((found.argmax(1) == exporter.answers(square, views)["logits"].argmax(1)).sum())


def classify(count: int) -> dict[str, Any]:
    folder = trained("classify", "cifar10", "--network", "fast")
    document = export_bundle(folder, int8=True)
    model = precise(Classifier.load(folder))
    test = open_pictures("cifar10", aspect="square").splits["test"]
    images, labels = np.array(test.images[:count]), np.array(test.labels[:count])
    exporter, graph, small = ClassifierExporter(model, None, None), opened(folder), opened(folder, "model.int8")
    same = sum(equal(exporter, graph, part, part, views=True) for part in parts(images))
    other, compared = 0, 0
    for size, part in zip(SIZES * len(images), parts(images), strict=False):
        given = resize(part, size, Reading(fit="squash"))
        other += equal(exporter, graph, given, resize(given, images.shape[1:3], model.reading), views=False)
        compared += len(part)
    whole, eight = (accuracy(each, images, labels) for each in (graph, small))
    figures = document["int8"]
    return {
        "difference": document["graphs"]["model"]["proof"]["largest_difference"]["probabilities"],
        "same_pictures": same / len(images),
        "other_sizes": other / compared,
        "n": len(images),
        "int8": {"whole": whole, "eight": eight, "size": figures["size"], "kept": figures},
        "rates": picture_rates(exporter, folder, images),
    }


def accuracy(graph: Graph, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers without test-time views."""
    found = [graph.run(pictures=part, views=np.array(False))["logits"].argmax(1) for part in parts(images)]
    return float(np.mean(np.concatenate(found) == labels))


def picture_rates(exporter: ClassifierExporter, folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Pictures per second without test-time views, from 8-bit pixels to probabilities and typicality."""
    torch.set_num_threads(1)
    graph, small = opened(folder), opened(folder, "model.int8")
    found = {}
    for name, one, size in (("1", graph, 1), ("64", graph, 64), ("int8 1", small, 1), ("int8 64", small, 64)):
        given = {"pictures": images[:size], "views": np.array(False)}
        found[name] = in_turns(
            lambda one=one, given=given: one.run(**given),
            lambda given=given: exporter.answers(given["pictures"], False),
            size,
        )
    return found


def detect() -> dict[str, Any]:
    folder = trained("detect", "adfa-ld", epochs=8)
    document = export_bundle(folder, int8=True)
    model = precise(Detector.load(folder))
    figures = document["int8"]
    areas = [network_auc(model, opened(folder, name)) for name in ("model", "model.int8")]
    torch.set_num_threads(1)
    return {
        "difference": document["graphs"]["model"]["proof"]["largest_difference"]["surprisals"],
        "int8": {"whole": areas[0], "eight": areas[1], "size": figures["size"], "kept": figures},
        "rates": {str(entities): step_rates(model, opened(folder), entities) for entities in ENTITIES},
        "rates_int8": {
            str(entities): step_rates(model, opened(folder, "model.int8"), entities) for entities in ENTITIES
        },
    }


def network_auc(model: Detector, graph: Graph) -> float:
    """AUC of the mean surprisal on ADFA-LD's test traces."""
    test = model.read("adfa-ld").split("test")
    exporter = DetectorExporter(model, None, None)
    means = exporter.mean_surprisals(graph, EncodedTable.of(test, model.vocabulary))
    return auc(means, np.asarray(test.labels == 1))


def step_rates(model: Detector, graph: Graph, entities: int) -> dict[str, float]:
    """Events per second, one event of each entity, under the networks of all folds, against `Detector.step`."""
    exporter, draw = DetectorExporter(model, None, None), np.random.default_rng(0)
    codes = {name: draw.integers(FIRST, size, (1, entities)) for name, size in model.vocabulary.sizes.items()}
    given = {column_name(name): values for name, values in codes.items()} | exporter.states(entities)
    words = {name: [model.vocabulary.name(code, name) for code in values[0]] for name, values in codes.items()}
    events = words.pop(EVENT)
    states, _ = model.step([None] * entities, events, **words)
    return in_turns(lambda: graph.run(**given), lambda: model.step(states, events, **words), entities)


def generate() -> dict[str, Any]:
    folder = trained("generate", "digits28")
    graphs = export_bundle(folder)["graphs"]
    return {
        "difference": graphs["decoder"]["proof"]["largest_difference"]["levels"],
        "proofs": {name: graph["proof"] for name, graph in graphs.items()},
    }


MEASURED: dict[str, Callable[[int], dict[str, Any]]] = {
    "classify": classify,
    "detect": lambda _: detect(),
    "generate": lambda _: generate(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=[*MEASURED], help="those that are measured: %(default)s")
    parser.add_argument("--pictures", type=int, default=10_000, help="test pictures of CIFAR-10 that are compared")
    chosen = parser.parse_args()
    for task in chosen.tasks:
        record.keep(f"export-{task}", f"python -m bench.export {task}", MEASURED[task](chosen.pictures))


if __name__ == "__main__":
    main()
