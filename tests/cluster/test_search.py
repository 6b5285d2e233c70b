"""A search: the first trial is the recipe as it is, the winner is chosen on validation and can be trained again."""

import json
import signal

import pytest

from tests.cluster.conftest import wait_for
from trine import Classifier, Detector, Generator
from trine.classify.recipe import ClassifyRecipe
from trine.cluster.search import tune
from trine.cluster.trial import OutOfTime, Trials
from trine.detect.recipe import DetectRecipe
from trine.errors import RunError, UsageError
from trine.generate.recipe import GenerateRecipe
from trine.recipe import Among, Between, Recipe
from trine.tasks import TASKS
from trine.train.run import Run

pytest.importorskip("optuna", reason="needs trine[tune]")
TINY = {"network": "fast", "widths": (8, 16), "epochs": 0.1, "least_steps": 12, "validations": 2}


@pytest.mark.parametrize("task", TASKS)
def test_what_a_search_tries_lies_within_the_recipe_and_around_its_presets(task):
    kind = TASKS[task].recipe_class()
    space = kind.searched()
    assert len(space) >= 4
    for name, values in space.items():
        ends = values.choices if isinstance(values, Among) else (values.low, values.high)
        for value in ends:
            assert getattr(kind.preset(**{name: value}), name) == value
        for effort in ("quick", "good", "best"):
            own = getattr(kind.preset(effort), name)
            assert own in values.choices if isinstance(values, Among) else values.low <= own <= values.high, name


def test_only_settings_of_the_network_that_are_not_set_by_hand_are_searched():
    fast = ClassifyRecipe.preset(network="fast", filter_rate=0.3)
    space = fast.search_space(fast.by_hand)
    assert "filter_rate" not in space
    assert "bias_rate" in space
    assert "adam_rate" not in space
    assert "adam_rate" in ClassifyRecipe.preset(network="classic").search_space(())
    assert isinstance(space["bias_rate"], Between)


def search(out, report, trials=3, **more):
    return tune(Classifier(**TINY), "digits28", trials=trials, out=out, device="cpu", report=report, **more)


@pytest.mark.long
def test_the_winner_is_a_recipe_that_repeats_its_training(tmp_path, heard):
    found = search(tmp_path / "search", heard, trials=4)
    assert [trial.state for trial in found.trials].count("complete") >= 1
    best = found.trials[0]
    assert best.score == min(trial.score for trial in found.trials if trial.state == "complete")
    assert found.trials[[trial.name for trial in found.trials].index("0000")].settings == {}, "the recipe as it is"
    recipe = ClassifyRecipe.read(found.best)
    again = Classifier(recipe=recipe).fit("digits28", out=tmp_path / "again", device="cpu", test=False)
    tried = [entry for entry in Run(tmp_path / "search/trials" / best.name).history() if "loss" in entry]
    repeated = [entry for entry in Run(tmp_path / "again").history() if "loss" in entry]
    assert [entry["loss"] for entry in tried] == [entry["loss"] for entry in repeated]
    assert again.recipe == recipe
    assert not list((tmp_path / "search").rglob("checkpoints/*")), "checkpoints of trials are not kept"


@pytest.mark.long
def test_the_same_command_goes_on_and_another_search_is_refused(tmp_path, heard):
    first = search(tmp_path / "search", heard, trials=2)
    second = search(tmp_path / "search", heard, trials=3)
    assert len(first.trials) == 2
    assert len(second.trials) == 3
    scores = {trial.name: trial.score for trial in second.trials}
    assert {trial.name: trial.score for trial in first.trials}.items() <= scores.items()
    with pytest.raises(RunError, match="holds a search with another recipe"):
        tune(Classifier(**TINY, seed=1), "digits28", trials=2, out=tmp_path / "search", device="cpu", report=heard)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    with pytest.raises(RunError, match="is neither empty nor a search"):
        search(tmp_path / "full", heard)


@pytest.mark.long
def test_trials_in_two_processes_share_the_study(tmp_path, heard):
    found = search(tmp_path / "search", heard, trials=4, workers=2)
    assert sorted(trial.name for trial in found.trials) == ["0000", "0001", "0002", "0003"]
    assert len(json.loads((tmp_path / "search/trials.json").read_text())["trials"]) == 4


@pytest.mark.long
def test_a_search_that_is_killed_goes_on_where_it_was(start_trine, tmp_path):
    sets = [word for name, value in TINY.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    words = ("classify", "tune", "digits28", *sets, "--set", "least_steps=60", "--device", "cpu", "--trials", "4")
    process = start_trine(*words, "--out", tmp_path / "search")
    wait_for((tmp_path / "search/trials/0001/metrics.jsonl").exists, 120, "a second trial")
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = start_trine(*words, "--out", tmp_path / "search", "--json")
    out, err = done.communicate(timeout=200)
    assert done.returncode == 0, err
    found = json.loads(out)["trials"]
    assert len(found) == 4
    assert [trial["state"] for trial in found].count("failed") == 1, "the trial that was killed"
    assert "trine classify fit digits28 --recipe" in err.splitlines()[-1]


def test_no_test_split_is_read(tmp_path, heard, make_table, monkeypatch):
    rows = [{"events": ["a", "b", "c", "d"] * 3, "split": "train"}] * 40
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    small = {"embedding": 4, "hidden": 64, "epochs": 1, "least_steps": 5, "folds": 2, "batch_size": 8}
    fits = []
    trainer = TASKS["detect"].trainer_class()
    real = trainer.fit

    def fit(self, *given, **named):
        fits.append(named)
        return real(self, *given, **named)

    monkeypatch.setattr(trainer, "fit", fit)
    tune(Detector(**small), str(path), trials=2, out=tmp_path / "search", device="cpu", report=heard)
    assert len(fits) == 2
    assert all(named["test"] is False and named["network_only"] for named in fits)
    assert not list((tmp_path / "search").rglob("result.json"))


def test_a_trial_ends_when_the_time_is_over(tmp_path):
    recipe = ClassifyRecipe.preset(**TINY)
    order = Trials(recipe=recipe, task="classify", data="digits28", out=str(tmp_path), device="cpu")
    with pytest.raises(OutOfTime):
        order.train("0000", {}, lambda progress, score: None, deadline=0.0)
    assert not (tmp_path / "trials/0000/checkpoints").exists()


def test_what_cannot_be_searched_is_wrong_use(tmp_path, heard):
    everything = {name: getattr(DetectRecipe(), name) for name in DetectRecipe.searched()}
    changed = {name: value * 1.5 for name, value in everything.items() if isinstance(value, float)}
    fixed = DetectRecipe.preset(**changed, cell="gru", hidden=32)
    assert fixed.search_space(fixed.by_hand) == {}
    for wrong, says in (
        ({"trials": 0}, "trials=0: give 1 or more"),
        ({"workers": 0}, "workers=0: give 1 or more"),
        ({"minutes": -1.0}, "minutes=-1: give more than 0"),
    ):
        with pytest.raises(UsageError, match=says):
            tune(Detector(), "hostlab", **{"trials": 2, "out": tmp_path, **wrong}, report=heard)
    assert Recipe.searched() == {}


def test_generators_of_latent_maps_are_searched_by_their_bound(tmp_path, heard):
    settings = {"widths": (8, 8), "epochs": 0.1, "least_steps": 6, "validations": 1, "batch_size": 16}
    model = Generator(network="map", map_latent=2, **settings)
    found = tune(model, "digits28", trials=2, out=tmp_path / "search", device="cpu", report=heard)
    assert GenerateRecipe.read(found.best).network == "map"
    assert all(trial.score is not None and trial.score > 0 for trial in found.trials)
