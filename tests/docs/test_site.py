"""`make docs`: the reference is current, and the site holds all it needs."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


class Assets(HTMLParser):
    """What a page fetches without being asked: pictures, styles, scripts; and where its links go."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if value and name in ("src", "href"):
                (self.links if tag == "a" else self.fetched).append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_reference_is_what_the_code_says():
    line = [sys.executable, ROOT / "tools" / "reference.py", "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_page_of_the_docs_is_in_the_site_and_reached_from_its_menu(site):
    menu = Assets((site / "index.html").read_text()).links
    for page in (ROOT / "docs").rglob("*.md"):
        address = str(page.relative_to(ROOT / "docs").with_suffix(".html"))
        assert (site / address).is_file()
        assert address in menu


def test_no_page_fetches_anything_from_outside(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        for asset in Assets(page.read_text()).fetched:
            assert asset.startswith("data:") or (page.parent / asset).is_file(), f"{page.name}: {asset}"
    assert "url(" not in (site / "site.css").read_text()


def test_links_inside_the_site_hold(site):
    broken = [
        f"{page.name}: {link}"
        for page in site.rglob("*.html")
        for link in Assets(page.read_text()).links
        if "://" not in link and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert broken == []
