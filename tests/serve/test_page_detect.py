"""The page of detectors in a real browser."""

from typing import Any

import pytest

from tests.detect.conftest import PROGRAMS, spliced
from tests.live.findings import finding
from tests.serve.page import STRANGE, Site, give_files, judged, log_lines, number, text, until
from trine.live.store import Changes

pytest.importorskip("playwright", reason="playwright is not installed")


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
    until(tab, "n => document.querySelectorAll('#session ~ .main-and-side .events li').length === n", len(shown) - 1)
    shorter = spliced(run)[:6] + spliced(run)[7:]
    seen_as(tab, site, shorter)
    tab.click("[aria-label='Swap event 2 with the next']")
    shorter[1], shorter[2] = shorter[2], shorter[1]
    seen_as(tab, site, shorter)
    tab.click("button:text('Undo all')")
    seen_as(tab, site, spliced(run))
    assert text(tab, ".verdict .p") == before


def surprises(tab: Any) -> list[float]:
    return [number(each) for each in tab.locator("#session ~ .main-and-side .events .nats").all_inner_texts()]


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
    assert tab.locator("#session ~ .main-and-side .events .name").all_inner_texts() == [
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
    tab.locator("#session ~ .main-and-side .events .name").nth(3).click()
    tab.wait_for_selector(".plot[aria-label^='Reach of the gradient from event 4'] canvas")


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
    until(tab, "() => performance.getEntriesByType('resource').some(each => each.name.includes('/api/findings'))")
    tab.wait_for_timeout(1000)
    site.store.commit(Changes(findings=[new]))
    tab.click(".finding summary:has-text('198.51.100.7')")
    opened = tab.locator(".finding", has_text="198.51.100.7")
    assert "Failed password" in opened.inner_text()
    assert "session 80 %" in opened.inner_text()
    opened.locator("button", has_text="benign").click()
    opened.locator(".badge", has_text="benign").wait_for()
    assert site.store.feedback()[new.id] == "benign"
