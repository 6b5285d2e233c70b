"""How a generator is trained: its data, its budget, its flow, and what its run folder holds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.texts import written
from trine.errors import DataError
from trine.generate.flow_training import FlowObjective, Posteriors
from trine.generate.generator import Generator
from trine.generate.objective import GenerateObjective
from trine.generate.recipe import GenerateRecipe
from trine.generate.training import FLOW_SHARE, MAP_FLOW_SHARE, UNLABELLED, GeneratorTrainer
from trine.pictures.picture_set import PictureSet
from trine.train.budget import Budget
from trine.train.run import Run

from .conftest import BRIEF, SHORT, dots, write_dots


def test_training_lowers_the_loss(fitted: Generator) -> None:
    assert fitted.run
    losses = [line["loss"] for line in Run(fitted.run).history() if "loss" in line]
    assert sum(losses[-20:]) / 20 < 0.85 * losses[0]


def test_the_bound_is_the_sum_of_its_parts_on_the_validation_split(fitted: Generator) -> None:
    assert fitted.result
    assert fitted.result.data.split == "validation"
    metrics = fitted.result.metrics
    parts = metrics["reconstruction_nats"] + sum(metrics["kl_per_group"])
    assert metrics["elbo_nats"] == pytest.approx(parts, rel=1e-4)


def test_a_run_folder_holds_pictures_metrics_and_checkpoints_of_both_trainings(fitted: Generator) -> None:
    assert isinstance(fitted.run, Path)
    names = {path.relative_to(fitted.run).as_posix() for path in fitted.run.rglob("*")}
    pictures = {"samples.png", "reconstructions.png", "kl.png", "latents.png", "curves.png"}
    files = {"result.json", "recipe.json", "metrics.jsonl", "metrics-flow.jsonl", "bundle", "checkpoints/flow"}
    assert pictures | files <= names
    assert {f"bundle/{name}" for name in pictures - {"curves.png"}} <= names
    assert any(name.startswith("checkpoints/flow/") for name in names)


def test_the_cost_is_that_of_network_and_flow_together(fitted: Generator) -> None:
    assert fitted.run
    histories = [Run(fitted.run, stage).history() for stage in ("", "flow")]
    assert [history[-1]["step"] for history in histories] == [SHORT["least_steps"], SHORT["flow_steps"]]
    assert fitted.cost.steps == SHORT["least_steps"]
    seconds = [max(line.get("seconds", 0.0) for line in history) for history in histories]
    assert fitted.cost.train_seconds >= sum(seconds) - 0.02


# ---- pictures of the training's course


@pytest.mark.parametrize("minutes", [None, 0.05])
def test_latents_png_has_one_row_per_scheduled_validation(minutes: float | None, folder: Path, tmp_path: Path) -> None:
    with written() as texts, pytest.MonkeyPatch.context() as patched:
        draw, drawn = GenerateObjective.draw_growth, []
        patched.setattr(GenerateObjective, "draw_growth", lambda goal: (draw(goal), drawn.extend(texts.texts))[0])
        model = Generator(**{**BRIEF, "validations": 4}).fit(folder, minutes=minutes, out=tmp_path / "run")
    assert model.run
    validations = [line for line in Run(model.run).history() if "validation" in line]
    rows = len(validations)
    assert rows == 4 or (minutes and 1 <= rows <= 4), "a budget of seconds may leave time for a step only"
    assert (model.run / "latents.png").is_file()
    labels = [text for text in drawn if text.startswith("step ")]
    assert labels == [f"step {line['step']:,}" for line in validations]


def test_without_validations_there_is_no_latents_png(folder: Path, tmp_path: Path) -> None:
    model = Generator(**{**BRIEF, "validations": 0}).fit(folder, out=tmp_path / "run")
    assert model.run
    assert not (model.run / "latents.png").exists()


def test_the_last_row_of_latents_png_are_the_final_networks_reconstructions(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals, complete = [], GeneratorTrainer.complete

    def completing(self: GeneratorTrainer, opened: PictureSet, objective: GenerateObjective, *rest: object) -> object:
        goals.append(objective)
        return complete(self, opened, objective, *rest)

    monkeypatch.setattr(GeneratorTrainer, "complete", completing)
    model = Generator(**SHORT).fit(folder, out=tmp_path / "run")
    last, expected = goals[0].growth[-1].numpy(), model.reconstruct(goals[0].shown)
    assert np.abs(last.astype(int) - expected).max() <= 2


# ---- data


def test_a_flat_folder_of_twenty_colour_pictures_is_learned(tmp_path: Path) -> None:
    folder = write_dots(tmp_path / "few", dots(20, channels=3))
    model = Generator(**BRIEF).fit(folder, out=tmp_path / "run")
    assert model.sample(2).shape == (2, 12, 12, 3)
    assert model.classes == ()


def test_labels_cannot_be_learned_from_a_flat_folder(tmp_path: Path) -> None:
    folder = write_dots(tmp_path / "flat", dots(20))
    with pytest.raises(DataError, match="has no labels: leave out --label"):
        Generator(**SHORT, label=True).fit(folder, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_picture_repeated_is_learned_and_reported_as_one(tmp_path: Path, heard) -> None:
    folder = write_dots(tmp_path / "same", dots(1).repeat(24, 0))
    model = Generator(**{**BRIEF, "least_steps": 150}).fit(folder, out=tmp_path / "run", report=heard)
    assert any("all pictures are equal" in line for line in heard.notes)
    assert any("posterior collapse" in line for line in heard.notes)
    assert model.result
    assert model.result.metrics["collapsed"]
    assert np.isfinite(model.result.metrics["elbo_nats"])
    error = model.sample(3).astype(float) - dots(1)
    assert np.abs(error).mean() < 40


def test_pictures_of_many_sizes_and_modes_are_learned_at_one_size(tmp_path: Path) -> None:
    for number, (size, mode) in enumerate([((12, 12), "RGB"), ((30, 20), "L"), ((9, 40), "RGBA"), ((1, 1), "P")] * 6):
        picture = Image.fromarray(dots(1, channels=3, seed=number)[0]).resize(size).convert(mode)
        (tmp_path / "mixed").mkdir(exist_ok=True)
        picture.save(tmp_path / "mixed" / f"{number}.png")
    model = Generator(**BRIEF).fit(tmp_path / "mixed", out=tmp_path / "run")
    assert model.sample(1).shape == (1, *model.size, 3)
    assert 8 <= min(model.size) <= max(model.size) <= 256


def test_few_pictures_are_reported_and_a_single_one_is_refused(tmp_path: Path, heard) -> None:
    Generator(**BRIEF).fit(write_dots(tmp_path / "few", dots(20)), out=tmp_path / "run", report=heard)
    assert any("only 18 pictures: expect copies of them" in line for line in heard.notes)
    with pytest.raises(DataError, match="fewer than two pictures"):
        Generator(**BRIEF).fit(write_dots(tmp_path / "single", dots(1)), out=tmp_path / "other")


def test_a_handful_of_pictures_is_learned_with_the_default_number_of_mixture_components(tmp_path: Path) -> None:
    settings = {name: value for name, value in BRIEF.items() if name != "mixture_components"}
    model = Generator(**settings).fit(write_dots(tmp_path / "few", dots(5)), out=tmp_path / "run")
    assert len(model.priors["mixture"].weights) > 5
    assert model.sample(3, prior="mixture").shape == (3, 12, 12, 1)


def test_black_and_white_pictures_are_binarised_dynamically_and_reported_so(folder: Path, tmp_path: Path) -> None:
    model = Generator(**BRIEF, likelihood="bernoulli").fit(folder, out=tmp_path / "run")
    assert model.result
    assert model.result.metrics["binarisation"] == "dynamic"
    assert "bits_per_dim" not in model.result.metrics


# ---- the flow


def test_the_flow_learns_posteriors_with_labels_and_a_quarter_of_them_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learned: list[Posteriors] = []

    class Recording(FlowObjective):
        def __init__(self, flow: object, recipe: object, train: Posteriors, held_out: Posteriors, device: object):
            learned.extend((train, held_out))
            super().__init__(flow, recipe, train, held_out, device)

    monkeypatch.setattr("trine.generate.training.FlowObjective", Recording)
    again = Generator(**BRIEF, label=True).fit(folder, out=tmp_path / "run")
    for split, posteriors in zip(("train", "validation"), learned, strict=True):
        images, labels = np.array(again.open(folder).splits[split].images), posteriors.labels
        assert labels is not None
        count = int((labels < 2).sum())
        assert count == len(images)
        with_label = again.codec.encode_top(images, labels[:count])
        without_label = again.codec.encode_top(images)
        for values, labelled, unlabelled in zip(
            (posteriors.means, posteriors.deviations), with_label, without_label, strict=True
        ):
            assert torch.equal(values[:count], labelled)
            assert torch.equal(values[count:], unlabelled[::UNLABELLED])
        assert (labels[count:] == 2).all()
        assert len(posteriors) == len(labels) == count + -(-count // UNLABELLED)
        assert not torch.allclose(posteriors.means[:count], without_label[0], atol=1e-3)


def test_a_budget_gives_the_flow_its_share_unless_its_steps_were_chosen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trine.generate.training.flow_seconds", lambda *_: 10.0)
    kept = []
    for settings in ({}, {"flow_steps": 77}):
        trainer = GeneratorTrainer(GenerateRecipe(**settings), "cpu")
        opened = trainer.open(folder, None)
        kept.append(trainer.stage_seconds(opened, trainer.recipe, Budget(60.0)))
    assert kept == [pytest.approx(FLOW_SHARE * 3600), 10.0]


def test_the_flow_of_a_latent_map_has_a_share_of_its_own(folder: Path) -> None:
    trainer = GeneratorTrainer(GenerateRecipe(network="map"), "cpu")
    opened = trainer.open(folder, None)
    assert trainer.stage_seconds(opened, trainer.recipe, Budget(60.0)) == pytest.approx(MAP_FLOW_SHARE * 3600)


def test_a_budget_makes_many_small_steps_of_a_small_set(folder: Path) -> None:
    trainer = GeneratorTrainer(GenerateRecipe(widths=(8, 16)), "cpu")
    recipe = trainer.scaled(trainer.open(folder, None), Budget(1.0))
    assert recipe.batch_size == 16
    assert recipe.learning_rate < GenerateRecipe().learning_rate
    by_hand = GeneratorTrainer(GenerateRecipe(widths=(8, 16), batch_size=32), "cpu")
    assert by_hand.scaled(by_hand.open(folder, None), Budget(1.0)).batch_size == 32


def test_a_generator_whose_validations_only_get_worse_stops(folder: Path, tmp_path: Path, heard) -> None:
    settings = {**SHORT, "least_steps": 200, "learning_rate": 0.02, "validations": 20, "ema_decay": 0.0}
    model = Generator(**settings).fit(write_dots(tmp_path / "few", dots(12)), out=tmp_path / "run", report=heard)
    assert model.run
    course = [line["validation"]["nats"] for line in Run(model.run).history() if "validation" in line]
    if len(course) < 20:
        assert any("more training would only fit the training samples" in line for line in heard.notes)
    if course[-1] > 1.01 * min(course):
        assert any("are kept: nats" in line for line in heard.notes)


def test_few_pictures_get_few_latent_numbers_which_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {name: value for name, value in BRIEF.items() if name != "latent"}
    model = Generator(**settings).fit(folder, out=tmp_path / "few")
    assert model.recipe.latent == len(model.information) == 16
    assert "few pictures: 16 latent numbers instead of 64 (--set latent=64 for as many)" in capsys.readouterr().err
    assert len(Generator(**settings, latent=64).fit(folder, out=tmp_path / "asked").information) == 64
