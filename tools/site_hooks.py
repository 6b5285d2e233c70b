"""What mkdocs does beside docs/: the measured results go along, so that links to them hold on the site."""

import re
import shutil
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "bench" / "results"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to bench/results at the site's own copy."""
    up = "../" * page.file.src_uri.count("/")
    return re.sub(r"\]\((?:\.\./)+bench/results/", f"]({up}results/", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Let wide tables scroll by themselves."""
    return html.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")


def on_post_build(config: Any, **_: Any) -> None:
    """Copy the results."""
    shutil.copytree(RESULTS, Path(config.site_dir) / "results", dirs_exist_ok=True)
