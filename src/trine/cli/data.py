"""`trine data`: list the named sets, check a set of pictures or its labels, fetch a named set."""

import csv as csv_module
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from trine import files
from trine.cli.given_pictures import open_set
from trine.cli.options import Data, DataDir, Json
from trine.cli.output import note, print_json, print_table
from trine.datasets.catalogue import CATALOGUE, NamedSet, bytes_here, is_present, location, named_set
from trine.errors import UsageError

if TYPE_CHECKING:
    from trine.classify.label_check import DoubtfulLabel
    from trine.pictures.check import Duplicates, PictureReport

app = App(name="data", help="Named data sets, and what is wrong with a set of pictures.")

LABEL_COLUMNS = ("path", "label", "answer", "probability", "split")
"""Columns of the table of labels to check."""


@app.command(name="list")
def list_sets(*, data_dir: DataDir = None, json: Json = False) -> None:
    """List the named sets: availability, source, size and terms."""
    sets = [_described(named, data_dir) for named in CATALOGUE.values()]
    if json:
        print_json(sets)
        return
    print_table(
        "named data sets",
        ("name", "kind", "here", "what", "on disk", "from", "terms"),
        [
            (s["name"], s["kind"], "yes" if s["here"] else "no", s["size"], _shown(s["bytes"]), s["origin"], s["terms"])
            for s in sets
        ],
    )


@app.command
def check(
    data: Data,
    labelled: Data | None = None,
    /,
    *,
    data_dir: DataDir = None,
    size: int | None = None,
    label_from: str | None = None,
    most: int | None = None,
    csv: Path | None = None,
    json: Json = False,
) -> None:
    """Report what is wrong with a set of pictures: files, classes, balance, duplicates.

    With a trained classifier before it, list the pictures whose labels may be wrong, the surest first. Of the data that
    it was trained on, training pictures are judged by the course of the training.

    trine data check runs/classify-photos photos/

    Parameters
    ----------
    data
        A named set, a folder, a manifest or an archive; or a folder that `trine classify fit` wrote.
    labelled
        After a classifier: the set whose labels are checked.
    size
        Side of the square that pictures are scaled to, in pixels. [default: their own size, or a suitable one]
    label_from
        Regular expression with one group, the class, searched in the path of each picture: '([a-z]+)[^/]*$'.
    most
        With a classifier: the largest number of pictures that are listed. [default: all]
    csv
        With a classifier: write the list into this file as well.
    """
    if labelled is not None:
        if size is not None or label_from is not None:
            raise UsageError("--size and --label-from: the classifier has its own: leave them out")
        _check_labels(data, labelled, data_dir, most, csv, json)
        return
    if most is not None or csv is not None:
        raise UsageError("--most and --csv list labels to check: give a trained classifier before the set")
    from trine.pictures.check import check_pictures
    from trine.pictures.picture_set import open_pictures

    opened = open_pictures(data, data_dir=data_dir, size=size, label_from=label_from, cut=False, verify=True)
    report = check_pictures(opened)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        _print_report(report)


@app.command
def fetch(name: str, /, *, data_dir: DataDir = None, json: Json = False) -> None:
    """Download a named set, unless it is there already.

    Parameters
    ----------
    name
        A name from `trine data list`.
    """
    from trine.datasets.fetch import fetch as bring

    named = named_set(name)
    path = bring(named, data_dir)
    if json:
        print_json(_described(named, data_dir))
    else:
        print(f"{name}: {path or 'comes with ' + named.package}")


def _check_labels(model: str, data: str, data_dir: Path | None, most: int | None, csv: Path | None, json: bool) -> None:
    """Print, and write, the pictures whose labels may be wrong."""
    from trine.classify.classifier import Classifier
    from trine.classify.label_check import check_labels

    loaded = Classifier.load(model)
    opened = open_set(loaded, data, data_dir)
    found = check_labels(loaded, opened)
    rows = [_label_row(Path(data), each) for each in found[:most]]
    if json:
        listed = [dict(zip(LABEL_COLUMNS, row, strict=True)) for row in rows]
        checked = {name: len(split) for name, split in opened.splits.items() if opened.is_labelled(name)}
        print_json({"model": model, "data": data, "checked": checked, "contradicted": len(found), "labels": listed})
    else:
        print_table("labels to check", LABEL_COLUMNS, _in_text(rows))
        note(f"{len(found):,} labels are contradicted by the model; the first are the most likely to be wrong")
    if csv:
        with (
            files.writing(csv) as part,
            part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            csv_module.writer(file).writerows([LABEL_COLUMNS, *_in_text(rows)])
        note(f"written: {csv}")


def _label_row(data: Path, doubtful: "DoubtfulLabel") -> tuple[str, str, str, float, str]:
    """The cells of a picture; its path if it is a file of the set, else its name."""
    path = data / doubtful.name
    name = str(path) if path.is_file() else doubtful.name
    return name, doubtful.label, doubtful.answer, doubtful.probability, doubtful.split


def _in_text(rows: Sequence[tuple[str, str, str, float, str]]) -> list[tuple[str, ...]]:
    return [(path, label, answer, f"{probability:.4f}", split) for path, label, answer, probability, split in rows]


def _described(named: NamedSet, data_dir: Path | None) -> dict[str, Any]:
    path = location(named, data_dir)
    fields = {key: value for key, value in asdict(named).items() if key not in ("downloads", "md5", "place")}
    return {
        **fields,
        "here": is_present(named, data_dir),
        "bytes": bytes_here(named, data_dir),
        "origin": named.origin,
        "path": None if path is None else str(path),
        "addresses": list(named.downloads),
    }


def _shown(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 2**20:,.0f} MiB" if size >= 2**20 else f"{size / 2**10:,.0f} KiB"


def _print_report(report: "PictureReport") -> None:
    from trine.pictures.picture_set import CHANNELS

    height, width = report.size
    print(f"{report.name}: {width}x{height}, {CHANNELS[report.channels]}, {report.fingerprint[:12]}")
    if report.classes:
        splits = list(report.pictures)
        rows = [(c, *(f"{report.per_class[s].get(c, 0):,}" for s in splits)) for c in report.classes]
        print_table("pictures", ("class", *splits), rows)
    print("pictures: " + _counts(report.pictures))
    print("skipped: " + _counts(report.skipped))
    for line in report.skipped_files:
        print(f"  {line}")
    _print_duplicates("equal pictures", report.exact_duplicates)
    _print_duplicates("nearly equal pictures", report.near_duplicates)
    for split, classes in report.missing_classes.items():
        print(f"{split} has none of: {', '.join(classes)}")
    for remark in report.remarks:
        print(f"note: {remark}")
    if report.unlearnable:
        print(f"a classifier cannot learn from it: {report.unlearnable}")
    able = [name for name, can in (("a classifier", not report.unlearnable), ("a generator", report.generable)) if can]
    print(f"{' and '.join(able) or 'neither a classifier nor a generator'} can learn from it")


def _print_duplicates(what: str, duplicates: "Duplicates") -> None:
    print(f"{what}: {_counts({where: n for where, n in duplicates.counts.items() if n})}")
    for pair in duplicates.pairs[:10]:
        print(f"  {pair.first} = {pair.second}{' (labels differ)' if pair.labels_differ else ''}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "none"
