"""`make docs`: the reference is current; the site is complete, fetches nothing from outside and fits every screen."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


class Assets(HTMLParser):
    """The addresses that a page fetches by itself (pictures, styles, scripts), and those of its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        is_link = tag == "a" or named.get("rel") in ("prev", "next")
        for name in ("src", "href"):
            if named.get(name):
                (self.links if is_link else self.fetched).append(named[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pytest.importorskip("material", reason="the docs extra is not installed")
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def pages(site: Path) -> list[Path]:
    """The pages of the menu."""
    return [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]


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
    assert len(pages(site)) > 10
    for page in pages(site):
        for asset in Assets(page.read_text()).fetched:
            assert asset.startswith("data:") or (page.parent / asset).is_file(), f"{page.name}: {asset}"
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\((?!['\"]?data:)", sheet.read_text()) == [], sheet.name
        assert "@import" not in sheet.read_text(), sheet.name


def test_links_inside_the_site_hold(site):
    broken = [
        f"{page.name}: {link}"
        for page in pages(site)
        for link in Assets(page.read_text()).links
        if "://" not in link and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert broken == []


def test_the_site_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_the_screen_without_a_server_or_a_network(browser, site, width, scheme):
    complaints, requests = [], []
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda problem: complaints.append(str(problem)))
    tab.on("request", lambda request: requests.append(request.url))
    for page in pages(site):
        tab.goto(page.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page.name
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    tab.close()


@pytest.mark.long
def test_search_finds_a_word_in_pages_opened_from_the_file_system(browser, site):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto((site / "index.html").as_uri())
    tab.click("input[name=query]")
    tab.keyboard.type("calibration")
    tab.wait_for_selector(".md-search-result__item", timeout=10_000)
    assert "alibration" in tab.inner_text(".md-search-result__list")
    tab.close()
