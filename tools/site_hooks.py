"""Adds files outside docs/ to the site, so that links to them work there as in the repository."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
CARD = "src/trine/datasets/hostlab/README.md"


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the measured results and the data card of hostlab."""
    for path in sorted((ROOT / "bench" / "results").glob("*.json")):
        files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, "guides/hostlab.md", abs_src_path=str(ROOT / CARD)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to these files at their copies on the site."""
    top = "../" * page.file.src_uri.count("/")
    markdown = re.sub(r"\]\((?:\.\./)+bench/results/", f"]({top}results/", markdown)
    return re.sub(rf"\]\((?:\.\./)+{re.escape(CARD)}", f"]({top}guides/hostlab.md", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Let wide tables scroll by themselves."""
    return html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
