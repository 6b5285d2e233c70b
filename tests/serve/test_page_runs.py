"""The page of runs in a real browser."""

import json

import pytest

from tests.serve.page import until, write_curve

pytest.importorskip("playwright", reason="playwright is not installed")


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
