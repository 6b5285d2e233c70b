"""What training and bulk work cost by the size of the data, and a model of the cost. Cost: 30 minutes of one core.

usage: python -m bench.cluster_cost [--small]

- A grid, one thread: pictures by number and side; events by number, length of sequences, vocabulary and entities; and
  one and two processes. Each point is a whole command in a process of its own.
- A model: core seconds = start + count × seconds each, fitted to the small points of the grid by least squares on
  relative errors. Core seconds are processor time: other work on the machine hardly changes them. The model is compared
  with two larger points, one of pictures and one of lines, that it was not fitted to.
- From the model: cores for 10⁹ lines of a log per day, core hours for 10⁸ pictures.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.detect.reading import access_log
from bench.support import page, record
from bench.support.claim import Cells, Claim

ROOT = record.RUNS / "cluster-cost"
DAY_EVENTS, MANY_PICTURES = 1e9, 1e8
SIDES = (32, 128, 512)
COUNTS = (500, 1_000, 2_000)
LINES = (50_000, 200_000, 800_000)
ENTITIES = (300, 3_000, 30_000)
LENGTHS = (10, 100, 1_000)
VOCABULARIES = (50, 1_000, 20_000)
LARGER = {"pictures": 8_000, "lines": 3_200_000}
"""Points that the model is compared with."""
CLAIMS = [
    Claim(
        "cost model fitted to small sets: error at four times the largest of them, pictures and lines",
        "cluster-cost",
        lambda f: Cells(f"{100 * f['check']['pictures']['error']:+.0f} %; {100 * f['check']['lines']['error']:+.0f} %"),
        "The model gives the core seconds of `classify predict` and `detect score` with one thread.",
    )
]


def pictures(count: int, side: int) -> Path:
    """A folder of JPEG files."""
    folder = ROOT / "data" / f"pictures-{side}-{count}"
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    draw = np.random.default_rng(side)
    for name in ("dark", "light"):
        (part / name).mkdir(parents=True)
    for i in range(count):
        levels = draw.integers(0, 160, (side // 4, side // 4, 3), dtype=np.uint8) + np.uint8(80 * (i % 2))
        picture = Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(part / ("light" if i % 2 else "dark") / f"{i:06d}.jpg", quality=90)
    part.rename(folder)
    return folder


def log(lines: int, entities: int) -> Path:
    """An access log of so many addresses."""
    path = ROOT / "data" / f"access-{lines}-{entities}.txt"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.writelines(access_log(lines, addresses=entities, active=min(entities, 300)))
    return path


def sequences(events: int, length: int, vocabulary: int) -> Path:
    """A table of sequences in which a few events follow each event."""
    path = ROOT / "data" / f"sequences-{events}-{length}-{vocabulary}.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng(0)
        with path.open("w") as file:
            for _ in range(events // length):
                steps = draw.integers(1, 4, length)
                codes = (int(draw.integers(vocabulary)) + steps.cumsum() * 7) % vocabulary
                file.write(json.dumps({"events": [f"e{code}" for code in codes]}) + "\n")
    return path


def timed(*words: object) -> dict[str, float]:
    """Seconds of a whole command with one thread, and its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    line = [sys.executable, "-m", "trine", *map(str, words)]
    environment = {**record.with_source(), "OMP_NUM_THREADS": "1", "TRINE_CACHE": str(ROOT / "cache")}
    subprocess.run(
        line, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=3_600
    )
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "processor_seconds": busy}


def fitted(task: str, data: Path, name: str, *words: object) -> tuple[Path, dict[str, float]]:
    """A trained and exported model, and the cost of its training."""
    run = ROOT / "models" / name
    shutil.rmtree(run, ignore_errors=True)
    cost = timed(task, "fit", data, "--out", run / "run", "--device", "cpu", *words)
    result = json.loads((run / "run" / "result.json").read_text())["compute"]
    cost |= {"train_seconds": result["train_seconds"], "steps": result["steps"]}
    timed("export", run / "run", "--out", run / "exported")
    return run / "exported", cost


def into(folder: str) -> tuple[str, str]:
    shutil.rmtree(ROOT / folder, ignore_errors=True)
    return "--into", str(ROOT / folder)


def of_pictures(counts: Sequence[int], sides: Sequence[int], larger: int) -> dict[str, Any]:
    """Training and bulk answers by number and side of pictures; the larger point has the middle side."""
    settings = ("--network", "fast", *record.set_to(epochs=1.0, least_steps=100))
    grid = []
    for side in sides:
        size = record.set_to(picture_size=min(side, 64))
        model, training = fitted("classify", pictures(counts[0], side), f"classify-{side}", *settings, *size)
        for count in counts:
            answers = timed("classify", "predict", model, pictures(count, side), *into("answers"))
            grid.append({"count": count, "side": side, "training_of_the_smallest": training, "predict": answers})
    side = sides[len(sides) // 2]
    model = ROOT / "models" / f"classify-{side}" / "exported"
    check = timed("classify", "predict", model, pictures(larger, side), *into("answers"))
    two = timed("classify", "predict", model, pictures(counts[-1], side), *into("answers"), "--workers", 2)
    return {"grid": grid, "larger": {"count": larger, "side": side, **check}, "two_workers": two}


def of_events(lines: Sequence[int], entities: Sequence[int], larger: int) -> dict[str, Any]:
    """Training and bulk scores of access logs by lines and entities; the larger point has the middle number."""
    settings = record.set_to(folds=1, epochs=1.0, least_steps=60)
    middle = entities[len(entities) // 2]
    model, training = fitted("detect", log(lines[0], middle), "detect", "--entity", "address", *settings)
    grid = [
        {"lines": count, "entities": many, "score": timed("detect", "score", model, log(count, many), *into("found"))}
        for count in lines
        for many in entities
    ]
    check = timed("detect", "score", model, log(larger, middle), *into("found"))
    return {"training": training, "grid": grid, "larger": {"lines": larger, "entities": middle, **check}}


def of_sequences(events: int, lengths: Sequence[int], vocabularies: Sequence[int]) -> list[dict[str, Any]]:
    """Training by length of sequences and by vocabulary, each beside the middle of the other."""
    middle = lengths[len(lengths) // 2], vocabularies[len(vocabularies) // 2]
    points = dict.fromkeys([*((length, middle[1]) for length in lengths), *((middle[0], v) for v in vocabularies)])
    settings = record.set_to(folds=1, epochs=1.0, least_steps=60, members='["network"]')
    rows = []
    for length, vocabulary in points:
        data = sequences(events, length, vocabulary)
        model, training = fitted("detect", data, f"sequences-{length}-{vocabulary}", *settings)
        score = timed("detect", "score", model, data, *into("found"))
        point = {"events": events, "length": length, "vocabulary": vocabulary}
        rows.append({**point, "training": training, "score": score})
    return rows


def line_of(counts: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """Start and core seconds each, by least squares on relative errors; neither is negative."""
    from scipy.optimize import nnls

    taken = np.asarray(seconds, float)
    design = np.stack([np.ones(len(taken)), np.asarray(counts, float)], 1) / taken[:, None]
    start, each = nnls(design, np.ones(len(taken)))[0]
    return float(start), float(each)


def checked(counts: Sequence[float], seconds: Sequence[float], larger: float, measured: float) -> dict[str, float]:
    """The model of some points, and its error at a larger one."""
    start, each = line_of(counts, seconds)
    predicted = start + larger * each
    return {
        "start_seconds": start,
        "seconds_each": each,
        "predicted": predicted,
        "measured": measured,
        "error": predicted / measured - 1,
    }


def measure(small: bool) -> dict[str, Any]:
    if small:
        of_all = of_pictures((200, 400), (32, 64), 800), of_events((5_000, 10_000), (100, 300), 20_000)
        table = of_sequences(10_000, (10, 100), (50, 200))
    else:
        of_all = of_pictures(COUNTS, SIDES, LARGER["pictures"]), of_events(LINES, ENTITIES, LARGER["lines"])
        table = of_sequences(300_000, LENGTHS, VOCABULARIES)
    photos, logs = of_all
    like = [row for row in photos["grid"] if row["side"] == photos["larger"]["side"]]
    alike = [row for row in logs["grid"] if row["entities"] == logs["larger"]["entities"]]
    check = {
        "pictures": checked(
            [row["count"] for row in like],
            [row["predict"]["processor_seconds"] for row in like],
            photos["larger"]["count"],
            photos["larger"]["processor_seconds"],
        ),
        "lines": checked(
            [row["lines"] for row in alike],
            [row["score"]["processor_seconds"] for row in alike],
            logs["larger"]["lines"],
            logs["larger"]["processor_seconds"],
        ),
    }
    return {
        "pictures": photos,
        "events": logs,
        "sequences": table,
        "check": check,
        "cores_for_events_of_a_day": DAY_EVENTS * check["lines"]["seconds_each"] / 86_400,
        "core_hours_for_pictures": MANY_PICTURES * check["pictures"]["seconds_each"] / 3_600,
    }


def table(figures: dict[str, Any]) -> list[str]:
    """The model, its two checks, and what it says of large jobs."""
    check = figures["check"]
    large = {
        "pictures": f"10⁸: {figures['core_hours_for_pictures']:,.0f} core hours",
        "lines": f"10⁹ per day: {figures['cores_for_events_of_a_day']:.1f} cores",
    }
    rows = [
        (
            name,
            f"{of['start_seconds']:.1f} s",
            f"{1000 * of['seconds_each']:.3g} ms",
            f"{of['predicted']:.0f} s, {of['measured']:.0f} s",
            f"{100 * of['error']:+.0f} %",
            large[name],
        )
        for name, of in check.items()
    ]
    head = ("of", "start", "each", "larger point: model, measured", "error", "a large job")
    return page.table(head, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a try with a small grid: nothing is kept")
    options = parser.parse_args()
    figures = measure(options.small)
    if options.small:
        print(json.dumps(figures, indent=2))
    else:
        record.keep("cluster-cost", "python -m bench.cluster_cost", figures)
