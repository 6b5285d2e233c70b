"""Chapters as one HTML file: pictures inlined, no script, no external file; any width, light or dark."""

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files as resources

from trine import machine
from trine.page.chapter import Chapter, Figure, Picture, Table


def page(title: str, chapters: Sequence[Chapter], seconds: float, command: str) -> str:
    """The HTML document.

    seconds   time of all trainings together
    command   the command that wrote it
    """
    facts = machine.facts()
    style = (resources("trine.page") / "page.css").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{chapter.name}">{chapter.name}</a>' for chapter in chapters)
    links = f"<nav>{links}</nav>" if len(chapters) > 1 else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trine: {escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p>Trained on {escape(str(facts["processor"]))} with {_threads(int(facts["threads"]))},
in {_duration(seconds)}. No data left this machine.</p>
{links}
</header>
<main>
{"".join(map(_chapter, chapters))}</main>
<footer>This page is one file without external parts. Written by <code>{escape(command)}</code>.</footer>
</body>
</html>
"""


def _chapter(chapter: Chapter) -> str:
    figures = "".join(map(_figure, chapter.figures))
    parts = "".join(_picture(part) if isinstance(part, Picture) else _table(part) for part in chapter.parts)
    commands = "\n".join(map(escape, chapter.next))
    return f"""<section id="{chapter.name}">
<p class="job">{chapter.name}</p>
<h2>{escape(chapter.title)}</h2>
<p class="lead">{escape(chapter.lead)}</p>
<dl class="figures">{figures}</dl>
{parts}<h3>Try next</h3>
<pre><code>{commands}</code></pre>
</section>
"""


def _figure(figure: Figure) -> str:
    name, value, meaning = map(escape, (figure.name, figure.value, figure.meaning))
    return f"<div><dt>{name}</dt><dd><b>{value}</b><span>{meaning}</span></dd></div>"


def _picture(picture: Picture) -> str:
    content = base64.b64encode(picture.png).decode()
    caption = escape(picture.caption)
    kind = ' class="small"' if picture.small else ""
    return f"""<figure{kind}><div class="sheet"><img alt="{caption}" src="data:image/png;base64,{content}"></div>
<figcaption>{caption}</figcaption></figure>
"""


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    largest = max(table.weights, default=0) or 1
    shares = [weight / largest for weight in table.weights] or [0.0] * len(table.rows)
    rows = "".join(_row(cells, share) for cells, share in zip(table.rows, shares, strict=True))
    return f"""<h3>{escape(table.title)}</h3>
<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>
"""


def _row(cells: Sequence[str], share: float) -> str:
    """A table row with a bar of width `share` behind it."""
    marked = f' style="--share:{100 * share:.0f}%"' if share else ""
    return f"<tr{marked}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _threads(count: int) -> str:
    return "one thread" if count == 1 else f"{count} threads"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.1f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
