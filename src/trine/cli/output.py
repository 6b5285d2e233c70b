"""How commands speak: one JSON document on stdout, tables on a terminal, plain lines elsewhere."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trine.train.estimator import Estimator
    from trine.train.result import Result


def print_json(document: Any) -> None:
    """Exactly one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: Any) -> None:
    """One line of JSON lines."""
    print(json.dumps(document, ensure_ascii=False), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table: drawn on a terminal, tab-separated lines elsewhere."""
    texts = [[str(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in texts:
        table.add_row(*row)
    Console().print(table)


def note(line: str) -> None:
    """A line for people, on stderr."""
    print(line, file=sys.stderr, flush=True)


def print_result(result: "Result", as_json: bool) -> None:
    """A result as JSON, or as a table of its plain figures."""
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    title = f"{result.task}: {result.data.name}, {result.data.split} split, n = {result.data.n:,}"
    print_table(title, ("figure", "value"), [*_figures(result.metrics), *_cost(result)])


def print_fitted(model: "Estimator[Any, Any]", as_json: bool) -> None:
    """The result of a training that this process led, and where its model lies."""
    if model.result and model.run and model.device.leads:
        print_result(model.result, as_json)
        note(f"model: {model.run.bundle}")


def _figures(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The figures that are numbers; tables among them (a class, a kind each) are in the JSON."""
    rows: list[tuple[str, str]] = []
    for name, value in metrics.items():
        if isinstance(value, bool | str):
            rows.append((prefix + name, str(value)))
        elif isinstance(value, int | float):
            rows.append((prefix + name, f"{value:,}" if isinstance(value, int) else f"{value:.4f}"))
        elif isinstance(value, dict) and not name.startswith("per_"):
            rows += _figures(value, f"{prefix}{name} ")
    return rows


def _cost(result: "Result") -> list[tuple[str, str]]:
    cost = result.compute
    return [
        ("training", f"{cost.train_pflop:.4g} PFLOP in {cost.train_seconds:.0f} s, {cost.gflops:.0f} GFLOP/s"),
        ("machine's sgemm", f"{cost.sgemm_gflops:.0f} GFLOP/s"),
    ]
