"""The page of classifiers in a real browser: each thing done as a person does it, and what is then seen."""

import re
from typing import Any

import pytest

from tests.serve.page import classified, give_files, number, pixels, text, until

pytest.importorskip("playwright", reason="playwright is not installed")


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
    pooled = []
    for layer in range(tab.locator(".network button").count()):
        tab.locator(".network button").nth(layer).click()
        tab.locator(".maps button").nth(1).click()
        tab.wait_for_selector(".kernel-view .check")
        for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
            tab.locator(".slide").press(key)
            here, there = tab.locator(".check b").all_inner_texts()
            assert number(here) == pytest.approx(number(there), rel=0.01, abs=2e-3), layer
        if tab.locator(".pooled").count():
            window = [number(cell) for cell in tab.locator(".pooled td").all_inner_texts()]
            assert number(tab.locator(".pooled td.marked").inner_text()) == max(window)
            pooled.append(layer)
    assert pooled


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
    patch, filter_ = (
        [number(cell) for cell in tab.locator(".kernel").nth(i).locator("td").all_inner_texts()] for i in (0, 1)
    )
    return patch, filter_, number(tab.locator(".sum > b").inner_text())
