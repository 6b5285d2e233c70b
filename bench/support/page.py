"""Markdown tables, and text between markers in a page."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def between(text: str, name: str, lines: Iterable[str]) -> str:
    """Replace what a page has between the markers of this name."""
    start, end = f"<!-- {name}: written by bench/tables.py -->", f"<!-- end of {name} -->"
    if start not in text or end not in text:
        raise ValueError(f"markers of '{name}' not found: add '{start}' and '{end}' to the page")
    before, _, rest = text.partition(start)
    return f"{before}{start}\n" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}"
