"""All pages: readable by everyone, small, and sending nothing elsewhere."""

import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from tests.serve.models import made
from tests.serve.page import Site, classified, give_files, judged, open_generator, text
from tests.serve.test_reload import replace
from trine.serve.app import STATIC

pytest.importorskip("playwright", reason="playwright is not installed")


WIDTHS = {"desk": 1280, "phone": 390}


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_fits_the_screen_and_passes_axe(tab, site, photo, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": WIDTHS[width], "height": 900})
    faults = []
    for name, opened in views(tab, site, photo).items():
        opened()
        found = axe.Axe().run(tab).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        faults += [(name, each["id"], node["html"][:200]) for each in serious for node in each["nodes"]]
        assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], name
    assert faults == []


def views(tab: Any, site: Site, photo: Callable[..., bytes]) -> dict[str, Callable[[], None]]:
    def classify() -> None:
        classified(tab, site, photo)
        tab.wait_for_selector(".evidence")
        tab.locator(".maps button").first.click()
        tab.wait_for_selector(".check")

    def detect() -> None:
        judged(tab, site)
        tab.click("summary:has-text('Inside the network')")
        tab.wait_for_selector(".plot canvas")
        tab.locator(".finding summary").first.click()

    def generate() -> None:
        open_generator(tab, site)
        give_files(tab, "drop", "#reconstruction ~ .drop", {"mine.png": photo(120)})
        tab.wait_for_selector(".reconstructions tbody tr")

    def runs() -> None:
        tab.goto(f"{site.url}/runs.html?run=photos&run=programs")
        tab.wait_for_selector(".recipes tbody tr")

    def index() -> None:
        tab.goto(site.url)
        tab.wait_for_selector(".card")

    return {"index": index, "classify": classify, "detect": detect, "generate": generate, "runs": runs}


def test_every_canvas_and_picture_has_a_text(tab, site, photo):
    for opened in views(tab, site, photo).values():
        opened()
        silent = """() => [...document.querySelectorAll("canvas[role=img], img, svg[role]")]
          .filter((each) => !each.ariaLabel && !each.alt && !each.closest("button, a")).length"""
        assert tab.evaluate(silent) == 0


def test_the_keyboard_reaches_the_content_first_and_then_the_pages(tab, site):
    tab.goto(f"{site.url}/classify.html")
    tab.wait_for_selector(".drop")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(8):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.innerText.trim() || document.activeElement.type"))
    assert reached[1:5] == ["Classify", "Detect", "Generate", "Runs"]
    assert "file" in reached


def test_a_service_that_is_gone_is_said_in_words(browser, site, photo):
    tab = browser.new_page()
    tab.goto(f"{site.url}/classify.html")
    tab.wait_for_selector(".drop")
    tab.route("**/api/**", lambda route: route.abort())
    give_files(tab, "drop", ".drop", {"dark.png": photo(70)})
    tab.wait_for_selector(".problem")
    assert "The service does not answer" in text(tab, ".problem")
    tab.close()


def test_a_service_with_a_token_asks_for_it(browser, serve, tmp_path):
    token = "0123456789abcdef0123"
    (tmp_path / "token").write_text(token)
    guarded = serve(f"photos={made('photos')}", "--token-file", tmp_path / "token")
    tab = browser.new_page()
    tab.goto(f"{guarded.url}/classify.html")
    tab.get_by_label("This service asks for its token").fill(token)
    tab.click("button:text('Go on')")
    tab.wait_for_selector(".drop")
    tab.close()


def test_a_model_that_was_replaced_is_said_and_the_new_one_shown(browser, serve, tmp_path):
    shutil.copytree(made("programs") / "bundle", tmp_path / "served")
    service = serve(f"model={tmp_path / 'served'}")
    tab = browser.new_page()
    tab.goto(f"{service.url}/detect.html")
    tab.wait_for_selector(".figure:has-text('a sequence per line')")
    replace(tmp_path / "served", made("sshd") / "bundle")
    tab.wait_for_selector(".note:has-text('The model was replaced')", timeout=60_000)
    tab.click("button:text('Show the new one')")
    tab.wait_for_selector(".figure:has-text('reads syslog')")
    assert tab.locator(".note:has-text('The model was replaced')").count() == 0
    tab.close()


def test_the_first_paint_comes_within_half_a_second(browser, site):
    seconds = []
    for _ in range(3):
        tab = browser.new_page()
        tab.goto(f"{site.url}/classify.html")
        tab.wait_for_selector(".drop")
        paint = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
        seconds.append(tab.evaluate(paint))
        tab.close()
    assert min(seconds) <= 0.5


def test_the_page_is_small_and_names_nothing_outside():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if not path.name.endswith(".LICENSE.txt")) <= 250_000
    for path in files:
        if path.suffix in (".html", ".css") or (path.suffix == ".js" and path.parent.name != "vendor"):
            outside = re.findall(r"https?://[^\s\"'`]+", path.read_text())
            assert [each for each in outside if not each.startswith("http://www.w3.org/")] == [], path.name


def test_lines_of_the_page_are_short_enough_to_be_read():
    for path in STATIC.rglob("*.js"):
        lines = [] if path.parent.name == "vendor" else path.read_text().splitlines()
        text_alone = re.compile(r'\s*(words|figure)="[^"]*"')
        assert [line for line in lines if len(line) > 120 and not text_alone.fullmatch(line)] == [], path.name


def test_what_is_vendored_has_its_licence_beside_it():
    vendored = {path.name for path in (STATIC / "vendor").iterdir()}
    assert {"htm.LICENSE.txt", "preact.LICENSE.txt", "uplot.LICENSE.txt"} <= vendored
    assert {name for name in vendored if not name.endswith(".txt")} == {"htm-preact.js", "uplot.js", "uplot.css"}


@pytest.mark.parametrize("name", ["index", "classify", "detect", "generate", "runs"])
def test_a_page_asks_for_all_its_modules_at_once(name):
    html = (STATIC / f"{name}.html").read_text()
    begun = [STATIC / re.search(r'type="module" src="([^"]+)"', html)[1]]
    needed = set(begun)
    while begun:
        module = begun.pop()
        found = re.findall(r'from "(\.[^"]+)"', module.read_text()) if module.parent.name != "vendor" else []
        new = {(module.parent / address).resolve() for address in found} - needed
        needed |= new
        begun += new
    asked = re.findall(r'(?:modulepreload" href|module" src)="([^"]+)"', html)
    assert {(STATIC / address).resolve() for address in asked} == {module.resolve() for module in needed}
