"""Adds files outside docs/ to the site, and removes parts of the theme that no page uses."""

import re
import shutil
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


def on_post_build(config: Any, **_: Any) -> None:
    """Remove source maps and the word splitters of other languages: 2 of the theme's 2.5 MB."""
    assets = Path(config.site_dir) / "assets"
    shutil.rmtree(assets / "javascripts" / "lunr", ignore_errors=True)
    for path in assets.rglob("*.map"):
        path.unlink()
