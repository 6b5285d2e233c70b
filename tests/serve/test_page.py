"""The page in a real browser: each thing done as a person does it, and what is then seen."""

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.detect.conftest import PROGRAMS, spliced
from tests.live.findings import finding
from tests.serve.models import MAKERS, made
from trine.live.store import Changes, Store
from trine.serve.app import STATIC

pytest.importorskip("playwright", reason="playwright is not installed")

WIDTHS = {"desk": 1280, "phone": 390}
STRANGE = "Failed password for root from 203.0.113.9"


@dataclass
class Site:
    """A service with runs, one of which goes on."""

    service: Any
    runs: Path
    store: Store

    @property
    def url(self) -> str:
        return self.service.url


@pytest.fixture(scope="module")
def site(serve: Callable[..., Any], store: Store, tmp_path_factory: pytest.TempPathFactory) -> Site:
    runs = tmp_path_factory.mktemp("runs")
    for name in MAKERS:
        shutil.copytree(made(name), runs / name, ignore=shutil.ignore_patterns("checkpoints", "*.onnx"))
    (runs / "going").mkdir()
    for name in ("recipe.json", "plan.json"):
        shutil.copy(made("photos") / name, runs / "going" / name)
    write_curve(runs / "going", 5)
    words = [f"{name}={made(name)}" for name in MAKERS]
    return Site(serve(*words, "--store", store.path, "--runs", runs), runs, store)


def write_curve(run: Path, steps: int) -> None:
    lines = [json.dumps({"step": step, "progress": step / 50, "loss": 2 / step}) for step in range(1, steps + 1)]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def tab(browser: Any, site: Site) -> Iterator[Any]:
    """A page of the browser; nothing may complain, and no request may leave the host."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    complaints: list[str] = []
    addresses: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on("request", lambda request: addresses.append(request.url))
    page.set_default_timeout(20_000)
    yield page
    page.close()
    assert complaints == []
    assert [each for each in addresses if not each.startswith((site.url, f"blob:{site.url}", "data:"))] == []


def text(tab: Any, place: str) -> str:
    """What is read there, on one line."""
    return " ".join(tab.locator(place).first.inner_text().split())


def pixels(tab: Any, place: str) -> str:
    """What is seen on the first canvas there."""
    return str(tab.locator(place).first.evaluate("canvas => canvas.toDataURL()"))


def until(tab: Any, condition: str, *given: Any) -> None:
    tab.wait_for_function(condition, arg=given[0] if given else None)


def give_files(tab: Any, event: str, place: str, files: dict[str, bytes]) -> None:
    """Drop or paste files, as a browser does it."""
    listed = [[name, b64encode(content).decode()] for name, content in files.items()]
    tab.locator(place).first.evaluate(
        """(target, [event, files]) => {
          const data = new DataTransfer();
          for (const [name, content] of files) {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            data.items.add(new File([bytes], name, { type: name.endsWith("png") ? "image/png" : "text/plain" }));
          }
          const given = event === "paste" ? { clipboardData: data } : { dataTransfer: data };
          const kind = event === "paste" ? ClipboardEvent : DragEvent;
          target.dispatchEvent(new kind(event, { bubbles: true, cancelable: true, ...given }));
        }""",
        [event, listed],
    )


# Classify


def classified(tab: Any, site: Site, photo: Callable[..., bytes]) -> None:
    tab.goto(f"{site.url}/classify.html")
    tab.wait_for_selector(".drop")
    give_files(tab, "drop", ".drop", {"dark.png": photo(70)})
    tab.wait_for_selector(".answer .said")


def test_dropped_and_pasted_pictures_are_answered_in_words(tab, site, photo):
    classified(tab, site, photo)
    give_files(tab, "paste", "body", {"light.png": photo(180)})
    until(tab, "() => document.querySelectorAll('.answer').length === 2")
    files = [("pictures", (name, photo(level))) for name, level in (("light.png", 180), ("dark.png", 70))]
    answers = site.service.post("/api/models/photos/classify", files=files).json()["pictures"]
    for place, answer in enumerate(answers):
        card = tab.locator(".answer").nth(place).inner_text()
        assert answer["words"] in card
        assert ("abstains" if answer["abstain"] else "decides") in card
        assert "of held-out training pictures are at least as unusual" in card
        assert [label for label, _ in answer["top"]] == re.findall(r"^(dark|light)$", card, re.MULTILINE)


def test_a_file_that_is_no_picture_is_named_where_it_was_given(tab, site, photo):
    classified(tab, site, photo)
    give_files(tab, "drop", ".drop", {"broken.png": b"no picture"})
    until(tab, "() => document.querySelectorAll('.answer').length === 2")
    assert "broken.png" in text(tab, ".answer .problem")
    give_files(tab, "drop", ".drop", {"notes.txt": b"words"})
    tab.wait_for_selector(".drop ~ .problem")
    assert "notes.txt is no picture" in text(tab, ".drop ~ .problem")


def test_the_camera_takes_a_picture(browser, site):
    flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    from tests.conftest import CHROMIUM

    with_camera = browser.browser_type.launch(executable_path=CHROMIUM, args=flags)
    tab = with_camera.new_page()
    tab.goto(f"{site.url}/classify.html")
    tab.click("button:text('Camera')")
    tab.click("button:text('Take a picture'):enabled")
    tab.wait_for_selector(".answer .said")
    assert "camera.jpg" in text(tab, ".answer")
    with_camera.close()


def test_the_evidence_lies_over_the_picture_on_a_stated_scale(tab, site, photo):
    classified(tab, site, photo)
    tab.wait_for_selector(".evidence .overlay")
    assert re.search(r"\d+ % of the log-odds that a decision at \d+ % needs", text(tab, "#evidence ~ .figure"))
    scale, first = text(tab, ".evidence .scale"), pixels(tab, ".evidence .overlay canvas:nth-child(2)")
    tab.select_option("#evidence ~ label select", "light")
    until(tab, "() => document.querySelector('#evidence ~ .figure')?.innerText.includes('evidence for light')")
    assert text(tab, ".evidence .scale") == scale
    assert pixels(tab, ".evidence .overlay canvas:nth-child(2)") != first
    parts = [row.split("\t") for row in tab.locator(".features tbody").inner_text().splitlines()]
    for _, value, weight, part in parts:
        assert number(part) == pytest.approx(number(value) * number(weight), rel=0.02, abs=1e-3)


def test_maps_shrink_from_layer_to_layer(tab, site, photo):
    classified(tab, site, photo)
    tab.wait_for_selector(".network button")
    widths = [
        tab.locator(".network canvas").nth(place).bounding_box()["width"]
        for place in range(tab.locator(".network canvas").count())
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 2
    tab.wait_for_selector(".filters li")


def test_patch_times_filter_is_what_the_network_computes(tab, site, photo):
    classified(tab, site, photo)
    tab.wait_for_selector(".network button")
    for layer in range(tab.locator(".network button").count()):
        tab.locator(".network button").nth(layer).click()
        tab.locator(".maps button").nth(1).click()
        tab.wait_for_selector(".kernel-view .check")
        for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
            tab.locator(".slide").press(key)
            here, there = tab.locator(".check b").all_inner_texts()
            assert number(here) == pytest.approx(number(there), rel=0.01, abs=2e-3), layer


def test_the_kernel_slides_with_the_pointer_and_by_itself(tab, site, photo):
    classified(tab, site, photo)
    tab.locator(".maps button").first.click()
    tab.wait_for_selector(".slide")
    tab.locator(".slide").hover(position={"x": 5, "y": 5})
    assert "row 0, column 0" in tab.locator(".slide").get_attribute("aria-label")
    patch, filter_, total = sum_of(tab)
    assert sum(a * b for a, b in zip(patch, filter_, strict=True)) == pytest.approx(total, rel=0.03, abs=5e-3)
    tab.click("button:text('Slide')")
    until(tab, "() => !document.querySelector('.slide').ariaLabel.includes('row 0, column 0')")
    tab.click("button:text('Stop')")


def sum_of(tab: Any) -> tuple[list[float], list[float], float]:
    patch, filter_ = ([number(cell) for cell in tab.locator(".kernel").nth(i).locator("td").all_inner_texts()] for i in (0, 1))
    return patch, filter_, number(tab.locator(".sum > b").inner_text())


def number(shown: str) -> float:
    return float(shown.replace("−", "-").replace(",", ""))


# Generate


def open_generator(tab: Any, site: Site) -> None:
    tab.goto(f"{site.url}/generate.html")
    tab.wait_for_selector(".plane canvas")
    tab.wait_for_selector(".cloud")


def test_the_same_seed_gives_the_same_pictures(tab, site):
    open_generator(tab, site)
    first, fifth = pixels(tab, ".samples canvas"), pixels(tab, ".samples li:nth-child(5) canvas")
    assert first != fifth

    def seed(value: str, before: str) -> str:
        tab.get_by_label("Seed").fill(value)
        tab.keyboard.press("Tab")
        until(tab, "before => document.querySelector('.samples canvas').toDataURL() !== before", before)
        return pixels(tab, ".samples canvas")

    other = seed("7", first)
    assert seed("0", other) == first


def test_temperature_and_label_shape_the_pictures(tab, site):
    open_generator(tab, site)
    first = pixels(tab, ".samples canvas")
    tab.locator(".samples ~ *, #samples ~ form").locator("select").select_option("3")
    until(tab, "before => document.querySelector('.samples canvas').toDataURL() !== before", first)
    assert tab.locator(".samples canvas").first.get_attribute("aria-label").endswith("of 3")
    tab.get_by_label("Temperature").fill("0")
    until(tab, "() => new Set([...document.querySelectorAll('.samples canvas')].map(c => c.toDataURL())).size === 1")


def test_dragging_over_the_map_decodes_as_the_pointer_moves(tab, site):
    open_generator(tab, site)
    plane = tab.locator(".plane")
    plane.scroll_into_view_if_needed()
    box, seen = plane.bounding_box(), set()
    for step in range(12):
        tab.mouse.move(box["x"] + 80 + 25 * step, box["y"] + 60 + 20 * step)
        tab.wait_for_timeout(60)
        seen.add(pixels(tab, ".plane + div canvas"))
    assert len(seen) > 4
    label = plane.get_attribute("aria-label")
    plane.press("ArrowLeft")
    assert plane.get_attribute("aria-label") != label


def test_sample_again_keeps_the_mean_and_moves_epsilon_alone(tab, site):
    open_generator(tab, site)
    sums = []
    for drawn in (1, 2, 3):
        tab.click("button:text('Sample again')")
        until(tab, "n => document.querySelectorAll('.cloud.close .sample').length === n", drawn)
        found = re.search(r"z\d+ = (\S+) \+ (\S+) · (\S+) = (\S+)", text(tab, ".sums"))
        sums.append([number(each) for each in found.groups()])
    for mean, deviation, epsilon, z in sums:
        assert z == pytest.approx(mean + deviation * epsilon, rel=0.02, abs=0.02)
    means, deviations, epsilons, _ = map(set, zip(*sums, strict=True))
    assert (len(means), len(deviations), len(epsilons)) == (1, 1, 3)


def test_a_digit_drawn_by_hand_is_encoded(tab, site):
    open_generator(tab, site)
    pad = tab.locator(".pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    tab.mouse.move(box["x"] + 110, box["y"] + 30)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 110, box["y"] + 190, steps=8)
    tab.mouse.up()
    tab.wait_for_selector("canvas[aria-label='drawing.png, as the model reads it']")
    assert re.search(r"= [\d.]+ nats", text(tab, "#posterior ~ .figure"))
    bright = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 8, 8).data].filter((v, i) => i % 4 === 0 && v > 128).length"
    assert 0 < tab.locator("canvas[aria-label^='drawing.png']").evaluate(bright) < 40


def test_sliders_move_the_picture_and_lead_back(tab, site):
    open_generator(tab, site)
    tab.wait_for_selector("canvas[aria-label^='Decoded from the sliders']")
    tab.click("button:text('All to 0')")
    until(tab, "() => [...document.querySelectorAll('.direction input')].every(each => +each.value === 0)")
    tab.wait_for_timeout(300)
    middle = pixels(tab, "canvas[aria-label^='Decoded from the sliders']")
    tab.locator(".direction input").first.fill("3")
    until(tab, "before => document.querySelector(\"canvas[aria-label^='Decoded from the sliders']\").toDataURL() !== before", middle)
    tab.click("button:text('Back to the picture')")
    until(tab, "() => +document.querySelector('.direction input').value !== 3")


def test_between_two_pictures_every_step_is_a_picture(tab, site, photo):
    open_generator(tab, site)
    give_files(tab, "drop", "#between ~ .columns .drop >> nth=1", {"second.png": photo(180)})
    until(tab, "() => document.querySelectorAll('.between li').length === 12")
    assert pixels(tab, ".between li:nth-child(1) canvas") != pixels(tab, ".between li:nth-child(12) canvas")
    tab.locator("#between ~ .row input[type=range]").fill("11")
    tab.wait_for_selector("canvas[aria-label='Step 12, larger']")


def test_reconstructions_say_what_is_kept_in_nats(tab, site, photo):
    open_generator(tab, site)
    give_files(tab, "drop", "#reconstruction ~ .drop", {"mine.png": photo(120)})
    tab.wait_for_selector(".reconstructions tbody tr")
    given = [("pictures", ("mine.png", photo(120)))]
    answer = site.service.post("/api/models/drawings/reconstruct", files=given).json()
    name, kl, nats, error = (number(each) if place else each for place, each in enumerate(tab.locator(".reconstructions tbody td").all_inner_texts()[2:]))
    assert name == "mine.png"
    assert kl == pytest.approx(answer["kl_nats"][0], rel=0.01)
    assert nats == pytest.approx(answer["reconstruction_nats"][0], rel=0.01)
    assert error == pytest.approx(answer["squared_error"][0], rel=0.01)


# Detect


def log_lines() -> str:
    lines = []
    for session in range(12):
        for second, message in enumerate(("Connection opened", "Accepted password for ann", "Connection closed")):
            lines.append(f"Jan  1 00:{session:02}:{second:02} host sshd[{100 + session}]: {message}")
    lines.insert(16, f"Jan  1 00:05:01 host sshd[105]: {STRANGE}")
    return "\n".join(lines)


def judged(tab: Any, site: Site, log: str | None = None, model: str = "sshd") -> None:
    tab.goto(f"{site.url}/detect.html?model={model}")
    tab.get_by_label("Lines of the log").fill(log or log_lines())
    tab.click("button:text('Judge')")
    tab.wait_for_selector(".sessions tbody tr")
    tab.wait_for_selector(".expected .bars")


def test_a_pasted_log_becomes_sessions_the_strangest_first(tab, site):
    judged(tab, site)
    rows = tab.locator(".sessions tbody tr")
    values = [number(rows.nth(place).locator("td").nth(1).inner_text()) for place in range(rows.count())]
    assert rows.count() == 12
    assert values == sorted(values)
    assert "normal sessions" in rows.first.inner_text()
    assert "12 sessions of 37 events" in text(tab, "[role=status]")


def test_a_log_that_cannot_be_read_says_so_where_it_was_given(tab, site):
    tab.goto(f"{site.url}/detect.html?model=sshd")
    give_files(tab, "drop", "form.drop", {"empty.log": b"\n\n"})
    tab.wait_for_selector("form.drop ~ .problem")
    assert "No event was found" in text(tab, "form.drop ~ .problem")


def test_a_dropped_log_shows_its_raw_lines_and_what_was_expected(tab, site):
    tab.goto(f"{site.url}/detect.html?model=sshd")
    tab.wait_for_selector("form.drop")
    give_files(tab, "drop", "form.drop", {"auth.log": log_lines().encode()})
    tab.wait_for_selector(".expected .bars")
    assert STRANGE in text(tab, ".events")
    assert STRANGE.split()[0] in text(tab, ".events li.chosen")  # the most surprising event is chosen
    first = text(tab, ".expected .bars")
    tab.locator(".events button.name").first.click()
    until(tab, "before => (document.querySelector('.expected .bars')?.innerText ?? before) !== before", first)
    assert "%" in text(tab, ".expected .bars")
    assert "p " in text(tab, ".members")


def test_an_event_taken_away_and_two_swapped_are_rescored(tab, site):
    run = list(PROGRAMS[0]) * 5
    judged(tab, site, "\n".join(" ".join(events) for events in (run, spliced(run))), "programs")
    before = text(tab, ".verdict .p")
    shown = surprises(tab)
    tab.click("[aria-label='Take event 7 away']")
    until(tab, "n => document.querySelectorAll('.events li').length === n", len(shown) - 1)
    shorter = spliced(run)[:6] + spliced(run)[7:]
    seen_as(tab, site, shorter)
    tab.click("[aria-label='Swap event 2 with the next']")
    shorter[1], shorter[2] = shorter[2], shorter[1]
    seen_as(tab, site, shorter)
    tab.click("button:text('Undo all')")
    seen_as(tab, site, spliced(run))
    assert text(tab, ".verdict .p") == before


def surprises(tab: Any) -> list[float]:
    return [number(each) for each in tab.locator("#session ~ .columns .events .nats").all_inner_texts()]


def seen_as(tab: Any, site: Site, events: list[str]) -> None:
    """The timeline becomes what the service says of these events."""
    answer = site.service.post("/api/models/programs/sequence", json={"events": events}).json()
    expected = [float(f"{each:.3g}") for each in answer["surprisals"]]
    for _ in range(100):
        if surprises(tab) == pytest.approx(expected, rel=0.01):
            break
        tab.wait_for_timeout(50)
    assert surprises(tab) == pytest.approx(expected, rel=0.01)
    assert number(text(tab, ".verdict .p")) == pytest.approx(answer["p_value"], rel=0.01)
    assert tab.locator("#session ~ .columns .events .name").all_inner_texts() == [
        name + (" (never seen)" if place in answer["never_seen_at"] else "") for place, name in enumerate(events)
    ]


def test_gates_and_cell_state_lie_under_the_events(tab, site):
    judged(tab, site, " ".join(list(PROGRAMS[0]) * 4), "programs")
    tab.click("summary:has-text('Inside the network')")
    tab.wait_for_selector(".lane")
    names = [each.get_attribute("aria-label").partition(" of ")[0] for each in tab.locator(".lane").all()]
    assert names == ["input gate", "forget gate", "output gate", "cell state", "output"]
    tab.locator(".lane").first.scroll_into_view_if_needed()
    box = tab.locator(".lane").first.bounding_box()
    tab.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 20, steps=4)
    tab.mouse.up()
    tab.wait_for_selector(".cells tbody tr")
    unit = text(tab, ".cells tbody button")
    tab.locator(".cells tbody button").first.click()
    tab.wait_for_selector(f".plot[aria-label='Gates and state of unit {unit} over the events'] canvas")
    tab.wait_for_selector(".plot[aria-label^='Reach of the gradient'] canvas")


def test_lanes_show_who_and_when(tab, site):
    judged(tab, site)
    assert tab.locator(".day .bar-of").count() == 12
    last = tab.locator(".day .bar-of").first  # drawn first: the least strange
    name = last.get_attribute("aria-label").partition(",")[0]
    last.press("Enter")
    until(tab, "name => document.querySelector('#session').innerText.includes(name)", name)


def test_findings_come_by_themselves_and_take_a_verdict(tab, site):
    tab.goto(f"{site.url}/detect.html")
    tab.wait_for_selector(".finding")
    new = finding(entity="198.51.100.7")
    until(tab, "() => performance.getEntriesByType('resource').some(each => each.name.endsWith('/api/findings'))")
    tab.wait_for_timeout(1000)
    site.store.commit(Changes(findings=[new]))
    tab.click(".finding summary:has-text('198.51.100.7')")
    opened = tab.locator(".finding", has_text="198.51.100.7")
    assert "Failed password" in opened.inner_text()
    assert "session 80 %" in opened.inner_text()
    opened.locator("button", has_text="benign").click()
    opened.locator(".badge", has_text="benign").wait_for()
    assert site.store.feedback()[new.id] == "benign"


# Runs


def test_runs_are_compared_side_by_side(tab, site):
    tab.goto(f"{site.url}/runs.html?run=photos&run=programs")
    tab.wait_for_selector(".recipes tbody tr")
    assert tab.locator(".recipes thead th").all_inner_texts()[1:] == ["photos", "programs"]
    recipes = [json.loads((site.runs / name / "recipe.json").read_text()) for name in ("photos", "programs")]
    shown = {row.locator("th").inner_text() for row in tab.locator(".recipes tbody tr").all()}
    assert {name for name in recipes[0] if name in recipes[1] and recipes[0][name] != recipes[1][name]} <= shown
    assert "seed" not in shown  # the same in both
    tab.wait_for_selector(".curves canvas")
    until(tab, "() => [...document.querySelectorAll('.drawn-by-run')].every(each => each.naturalWidth > 0)")
    tab.locator(".runs tr", has_text="sshd").locator("input").check()
    until(tab, "() => document.querySelectorAll('.recipes thead th').length === 4")


def test_curves_of_a_run_that_goes_on_grow_by_themselves(tab, site):
    write_curve(site.runs / "going", 5)
    tab.goto(f"{site.url}/runs.html?run=going")
    tab.wait_for_selector(".plot[aria-label='loss over steps: going ends at 0.400'] canvas")
    write_curve(site.runs / "going", 20)
    tab.wait_for_selector(".plot[aria-label='loss over steps: going ends at 0.100'] canvas")
    until(tab, "() => document.querySelector('.runs').innerText.includes('step 20')")


# All pages


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_fits_the_screen_and_passes_axe(tab, site, photo, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": WIDTHS[width], "height": 900})
    for name, opened in views(tab, site, photo).items():
        opened()
        faults = [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in axe.Axe().run(tab).response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert faults == [], name
        assert tab.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width], name


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
        silent = "() => [...document.querySelectorAll('canvas[role=img], img, svg[role]')].filter(each => !(each.ariaLabel || each.alt || each.closest('button, a'))).length"
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
    assert sum(path.stat().st_size for path in files) <= 250_000
    for path in files:
        if path.suffix in (".html", ".css") or (path.suffix == ".js" and path.parent.name != "vendor"):
            outside = re.findall(r"https?://[^\s\"'`]+", path.read_text())
            assert [each for each in outside if not each.startswith("http://www.w3.org/")] == [], path.name


def test_what_is_vendored_has_its_licence_beside_it():
    vendored = {path.name for path in (STATIC / "vendor").iterdir()}
    assert {"htm.LICENSE.txt", "preact.LICENSE.txt", "uplot.LICENSE.txt"} <= vendored
    assert {name for name in vendored if not name.endswith(".txt")} == {"htm-preact.js", "uplot.js", "uplot.css"}
