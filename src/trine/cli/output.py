"""How commands speak: one JSON document on stdout, tables on a terminal, plain lines elsewhere."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

MOST_ROWS = 20
"""Classes, kinds or members whose figures are shown; those of more are in the JSON alone."""

if TYPE_CHECKING:
    from trine.model import Model
    from trine.result import Result


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
    """A result as JSON, or as a table of its plain figures and one each of those by class, kind or member."""
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    title = f"{result.task}: {result.data.name}, {result.data.split} split, n = {result.data.n:,}"
    print_table(title, ("figure", "value"), [*_figures(result.metrics), *_cost(result)])
    for name, rows in result.metrics.items():
        if name.startswith("per_") and isinstance(rows, dict) and 0 < len(rows) <= MOST_ROWS:
            _print_each(name, {row: dict(_figures(values)) for row, values in rows.items()})


def print_fitted(model: "Model[Any]", as_json: bool) -> None:
    """The result of a training that this process led, and where its model lies."""
    if model.result and model.run:
        print_result(model.result, as_json)
        note(f"model: {model.run / 'bundle'}")


def _print_each(name: str, rows: dict[str, dict[str, str]]) -> None:
    """Figures by class, kind or member: a row each on a terminal, a line a figure elsewhere."""
    if sys.stdout.isatty():
        columns = list(next(iter(rows.values())))
        cells = [(row, *(values.get(column, "") for column in columns)) for row, values in rows.items()]
        print_table(name.replace("_", " "), (name.removeprefix("per_"), *columns), cells)
        return
    for row, values in rows.items():
        for figure, value in values.items():
            print(f"{name} {row} {figure}\t{value}")


def _figures(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """The figures that are numbers, those within others named by both."""
    rows: list[tuple[str, str]] = []
    for name, value in metrics.items():
        if isinstance(value, bool | str):
            rows.append((prefix + name, str(value)))
        elif isinstance(value, int | float):
            rows.append((prefix + name, f"{value:,}" if isinstance(value, int) else f"{value:.4f}"))
        elif name.endswith("interval"):
            rows.append((prefix + name, " to ".join(f"{bound:.4f}" for bound in value)))
        elif isinstance(value, dict) and not name.startswith("per_"):
            rows += _figures(value, f"{prefix}{name} ")
    return rows


def _cost(result: "Result") -> list[tuple[str, str]]:
    cost = result.compute
    return [
        ("training", f"{cost.train_pflop:.4g} PFLOP in {cost.train_seconds:.0f} s, {cost.gflops:.0f} GFLOP/s"),
        ("machine's sgemm", f"{cost.sgemm_gflops:.0f} GFLOP/s"),
    ]
