"""trine export: a model as ONNX graphs."""

from pathlib import Path
from typing import Any

from trine.cli import output
from trine.cli.options import DataDir, Flag, Json, Model


def export(
    path: Model,
    *,
    int8: Flag = False,
    out: Path | None = None,
    data: str | None = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Add ONNX graphs to MODEL. Each is compared with the network on real inputs, and written only if both agree.

    trine export runs/classify-photos

    Parameters
    ----------
    int8
        Also write graphs of 8-bit numbers, unless they lose more than 0.5 points of accuracy or 0.005 of AUC.
    out
        Write a copy of the model here. [default: MODEL itself]
    data
        A named set or a path with held-out inputs to compare on. [default: the data of the training if it is a named
        set, else photographs, or what the model itself makes]
    """
    from trine.export.exporter import export_bundle

    document = export_bundle(path, out, int8=int8, data=data, data_dir=data_dir, report=_reporter())
    if json:
        output.print_json(document)
        return
    rows = [
        row for name, graph in document["graphs"].items() if "proof" in graph for row in _proof(name, graph["proof"])
    ]
    output.print_table(f"{path}: graphs and networks compared", ("graph", "figure", "value", "accepted"), rows)
    if "int8" in document:
        output.print_table("8-bit numbers", ("figure", "value"), document["int8"].items())
    output.note(f"model: {out or path}")


def _reporter() -> Any:
    from trine.progress import reporter

    return reporter()


def _proof(name: str, proof: dict[str, Any]) -> list[tuple[object, ...]]:
    """Rows of a table: a graph's largest differences beside those that are accepted, and its decisions."""
    differences = proof["largest_difference"].items()
    rows: list[tuple[object, ...]] = [
        (name, f"{output_name}, largest difference", f"{value:.2g}", f"{proof['tolerance'][output_name]:.2g}")
        for output_name, value in differences
    ]
    if proof["equal_decisions"] is not None:
        rows.append((name, "equal decisions", f"{100 * proof['equal_decisions']:.2f} %", ""))
    if "resized" in proof:
        resized = proof["resized"]
        rows.append((name, "equal decisions, resized in the graph", f"{100 * resized['equal_decisions']:.2f} %", ""))
    return [*rows, (name, "compared on", f"{proof['inputs']:,}: {proof['source']}", "")]
