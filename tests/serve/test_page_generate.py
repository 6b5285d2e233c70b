"""The page of generators in a real browser."""

import re

import pytest

from tests.serve.page import give_files, number, open_generator, pixels, text, until

pytest.importorskip("playwright", reason="playwright is not installed")


def test_the_same_seed_gives_the_same_pictures(tab, site):
    open_generator(tab, site)
    first, fifth = pixels(tab, ".samples canvas"), pixels(tab, ".samples li:nth-child(5) canvas")
    assert first != fifth

    def seed(value: str, before: str) -> str:
        tab.get_by_role("spinbutton", name="Seed").fill(value)
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
    tab.wait_for_timeout(300)
    levels = tab.locator("canvas[aria-label^='drawing.png']").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, index) => index % 4 === 0)"
    )
    columns = [max(levels[column::8]) for column in range(8)]
    assert max(columns[3:5]) > 60  # a stroke in the middle, as it was drawn
    assert columns[0] == columns[7] == 0


def test_sliders_follow_the_directions_in_which_training_pictures_differ_and_say_how_much_each_matters(tab, site):
    known = site.service.get("/api/models/drawings/directions").json()["directions"]
    open_generator(tab, site)
    tab.wait_for_selector(".direction canvas")
    first = text(tab, ".direction label")
    assert first.startswith("direction 1: ")
    assert f"{100 * known[0]['share']:.0f} % of the variance" in first
    assert "moves pixels by" in first
    ends = [pixels(tab, f".direction >> nth=0 >> canvas >> nth={end}") for end in (0, 1)]
    assert ends[0] != ends[1]
    assert text(tab, "#map ~ .row option").startswith("direction 1 (")


def test_sliders_move_the_picture_and_lead_back(tab, site):
    open_generator(tab, site)
    tab.wait_for_selector("canvas[aria-label^='Decoded from the sliders']")
    tab.click("button:text('All to 0')")
    until(tab, "() => [...document.querySelectorAll('.direction input')].every(each => +each.value === 0)")
    tab.wait_for_timeout(300)
    middle = pixels(tab, "canvas[aria-label^='Decoded from the sliders']")
    tab.locator(".direction input").first.fill("3")
    until(
        tab,
        "before => document.querySelector(\"canvas[aria-label^='Decoded from the sliders']\").toDataURL() !== before",
        middle,
    )
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
    name, kl, nats, error = (
        number(each) if place else each
        for place, each in enumerate(tab.locator(".reconstructions tbody td").all_inner_texts()[2:])
    )
    assert name == "mine.png"
    assert kl == pytest.approx(answer["kl_nats"][0], rel=0.01)
    assert nats == pytest.approx(answer["reconstruction_nats"][0], rel=0.01)
    assert error == pytest.approx(answer["squared_error"][0], rel=0.01)
