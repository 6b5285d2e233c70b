"""Runs with their curves, finished or going on."""

import json
import shutil

import pytest

from tests.serve.models import made


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a finished run, one that goes on, and what is no run."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(made("photos"), folder / "finished")
    going = folder / "going on"
    going.mkdir()
    (going / "recipe.json").write_text('{"seed": 3}')
    (going / "plan.json").write_text('{"data": "photos/"}')
    (going / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.0}\n{"step": 3, "lo')
    (folder / "report.html").write_text("no run")
    return folder


@pytest.fixture(scope="module")
def shown(serve, runs):
    return serve(f"p={made('programs')}", "--runs", runs)


def test_runs_are_listed_with_their_figures(shown):
    rows = {row["name"]: row for row in shown.get("/api/runs").json()["runs"]}
    assert set(rows) == {"finished", "going on"}
    assert rows["finished"]["finished"]
    assert rows["finished"]["task"] == "classify"
    assert rows["finished"]["compute"]["train_pflop"] > 0
    assert not rows["going on"]["finished"]
    assert rows["going on"]["step"] == 2


def test_the_curves_of_a_run_that_goes_on_are_followed_step_by_step(shown, runs):
    details = shown.get("/api/runs/going on").json()
    assert [entry["loss"] for entry in details["curves"][""]] == [2.5, 2.0]
    assert details["result"] is None
    with (runs / "going on" / "metrics.jsonl").open("a") as file:
        file.write('ss": 1.5}\n')
    later = shown.get("/api/runs/going on", params={"since": 2}).json()
    assert later["curves"][""] == [{"step": 3, "loss": 1.5}]


def test_each_stage_of_a_run_is_followed_by_itself(shown, runs):
    (runs / "going on" / "metrics-flow.jsonl").write_text('{"step": 1, "loss": 9.0}\n{"step": 2, "loss": 8.0}\n')
    known = shown.get("/api/runs/going on", params={"since": 3}).json()["curves"]
    assert known[""] == []
    assert [entry["step"] for entry in known["flow"]] == [1, 2]  # a stage that has begun since counts from 1 again
    later = shown.get("/api/runs/going on", params={"since": ["3", "flow:1"]}).json()["curves"]
    assert later == {"": [], "flow": [{"step": 2, "loss": 8.0}]}
    assert shown.get("/api/runs/going on", params={"since": "flow:x"}).status_code == 422


def test_a_finished_run_has_recipe_result_and_pictures(shown, runs):
    details = shown.get("/api/runs/finished").json()
    assert details["recipe"] == json.loads((runs / "finished" / "recipe.json").read_text())
    assert details["result"]["task"] == "classify"
    assert details["curves"][""]
    name = details["pictures"][0]
    picture = shown.get(f"/api/runs/finished/pictures/{name}")
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path", ["finished/pictures/recipe.json", "finished/pictures/..%2Frecipe.json", "..", "none", "%2e%2e%2fruns"]
)
def test_nothing_else_of_the_disk_is_shown(shown, path):
    answer = shown.get(f"/api/runs/{path}")
    assert answer.status_code == 404
    assert "seed" not in answer.text


def test_without_a_folder_the_runs_of_the_models_are_shown(service):
    rows = service.get("/api/runs").json()["runs"]
    assert len(rows) == 4
    assert all(row["finished"] for row in rows)
