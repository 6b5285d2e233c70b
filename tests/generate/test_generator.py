from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import trine
from trine.classify.classifier import Classifier
from trine.errors import BundleError, DataError, UsageError
from trine.generate.codec import BLOCK
from trine.generate.generator import Generator
from trine.generate.prior import FlowPrior
from trine.generate.recipe import GenerateRecipe
from trine.generate.training import FLOW_SHARE
from trine.progress import Silent
from trine.train.budget import Budget

from .conftest import SHORT, dots, write_dots


def test_training_lowers_the_bound_and_the_latents_say_something(fitted: Generator) -> None:
    assert fitted.result
    assert fitted.run
    assert fitted.result.data.split == "validation"
    found = fitted.result.metrics
    assert found["elbo_nats"] == pytest.approx(found["reconstruction_nats"] + sum(found["kl_per_group"]), rel=1e-4)
    history = [line["loss"] for line in fitted.run.history() if "loss" in line]
    assert sum(history[-20:]) / 20 < 0.85 * history[0]


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_a_saved_model_makes_the_same_pictures(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    model: Generator = request.getfixturevalue(name)
    model.save(tmp_path / "kept")
    again = trine.load(tmp_path / "kept")
    assert isinstance(again, Generator)
    for prior in ("normal", "mixture", "flow"):
        assert np.array_equal(again.sample(5, seed=3, prior=prior), model.sample(5, seed=3, prior=prior))


def test_a_run_holds_what_a_person_wants_to_see(fitted: Generator) -> None:
    assert fitted.run
    names = {path.name for path in fitted.run.folder.iterdir()}
    pictures = {"samples.png", "reconstructions.png", "kl.png", "latents.png", "curves.png"}
    assert pictures | {"result.json", "recipe.json", "metrics.jsonl", "bundle"} <= names


def test_the_same_seed_gives_the_same_pictures_however_many_are_asked_for(fitted: Generator) -> None:
    many = fitted.sample(BLOCK + 5, seed=1)
    assert many.shape == (BLOCK + 5, 12, 12, 1)
    assert np.array_equal(many[:3], fitted.sample(3, seed=1))
    assert not np.array_equal(many[:3], fitted.sample(3, seed=2))
    assert not np.array_equal(many[:5], many[BLOCK:])


def test_at_temperature_zero_all_pictures_are_the_typical_one(fitted: Generator) -> None:
    made = fitted.sample(4, temperature=0.0, prior="normal")
    assert all(np.array_equal(made[0], other) for other in made)


def test_pixel_noise_is_the_model_s_own_about_the_expected_picture(fitted: Generator) -> None:
    wanted = 127.5 * float(fitted.model.likelihood.deviation)
    expected, noisy = (fitted.sample(BLOCK, seed=1, pixel_noise=share).astype(float) for share in (0.0, 1.0))
    middle = (expected > 100) & (expected < 155)  # it is cut off at black and white
    assert middle.sum() > 100
    assert (noisy - expected)[middle].std() == pytest.approx(wanted, rel=0.2)
    assert np.array_equal(noisy[:3], fitted.sample(3, seed=1, pixel_noise=1.0))


def test_a_label_is_asked_for_by_name(fitted: Generator) -> None:
    left, right = (fitted.sample(4, seed=1, label=label) for label in ("left", "right"))
    assert not np.array_equal(left, right)
    with pytest.raises(UsageError, match=r"label 'up' is not known to the model: it knows left, right"):
        fitted.sample(1, label="up")


def test_a_model_without_labels_says_so(deep: Generator) -> None:
    with pytest.raises(UsageError, match="trained without --label"):
        deep.sample(1, label="left")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"n": 0}, "0 pictures: ask for one or more"),
        ({"n": -3}, "-3 pictures"),
        ({"n": 1, "temperature": -0.5}, "temperature -0.5"),
        ({"n": 1, "temperature": float("nan")}, "temperature nan"),
        ({"n": 1, "pixel_noise": -1.0}, "pixel noise -1"),
        ({"n": 1, "prior": "guess"}, "prior 'guess' is not known: choose normal, mixture, flow"),
    ],
)
def test_what_cannot_be_sampled_is_refused(fitted: Generator, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fitted.sample(**asked)


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_pictures_come_back_from_their_latents(name: str, request: pytest.FixtureRequest) -> None:
    model: Generator = request.getfixturevalue(name)
    images = dots(6, seed=9)
    found = model.encode(images)
    assert [values.shape[1:] for values in found.mean] == [torch.Size(shape) for shape in model.model.vae.shapes]
    assert all(bool((values > 0).all()) for values in found.variance)
    assert np.array_equal(model.decode(found.mean), model.reconstruct(images))
    assert not torch.equal(found.sample[0], model.encode(images, seed=1).sample[0])


def test_latent_vectors_are_the_same_with_and_without_a_way_through_the_decoder(deep: Generator) -> None:
    images = dots(6, seed=9)
    means, deviations = deep.codec.encode_top(images)
    found = deep.encode(images)
    torch.testing.assert_close(means, found.mean[0], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(deviations.square(), found.variance[0], rtol=1e-2, atol=1e-2)


def test_a_picture_of_another_size_is_refused_in_python(fitted: Generator) -> None:
    with pytest.raises(DataError, match=r"pictures of 10×10: the model takes 12×12"):
        fitted.encode(dots(1, size=10))


def test_what_was_never_seen_is_reconstructed_worse(fitted: Generator) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    assert fitted.anomaly(noise).min() > 2 * fitted.anomaly(dots(20, seed=9)).max()


def test_a_flat_folder_of_twenty_colour_pictures_is_learned(tmp_path: Path) -> None:
    folder = write_dots(tmp_path / "few", dots(20, channels=3))
    model = Generator(**SHORT).fit(folder, out=tmp_path / "run")
    assert model.sample(2).shape == (2, 12, 12, 3)
    assert model.classes == ()


def test_labels_cannot_be_learned_from_a_flat_folder(tmp_path: Path) -> None:
    folder = write_dots(tmp_path / "flat", dots(20))
    with pytest.raises(DataError, match="has no labels: leave out --label"):
        Generator(**SHORT, label=True).fit(folder, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


BRIEF = {**SHORT, "least_steps": 8, "flow_steps": 5}


def test_one_picture_repeated_is_learned_and_said_to_be_one(tmp_path: Path, heard) -> None:
    folder = write_dots(tmp_path / "same", dots(1).repeat(24, 0))
    model = Generator(**{**BRIEF, "least_steps": 150}).fit(folder, out=tmp_path / "run", report=heard)
    assert any("all alike" in line for line in heard.notes)
    assert any("posterior collapse" in line for line in heard.notes)
    assert model.result
    assert model.result.metrics["collapsed"]
    assert np.isfinite(model.result.metrics["elbo_nats"])
    error = model.sample(3).astype(float) - dots(1)
    assert np.abs(error).mean() < 40


def test_pictures_of_many_sizes_and_modes_are_brought_to_one(tmp_path: Path) -> None:
    for number, (size, mode) in enumerate([((12, 12), "RGB"), ((30, 20), "L"), ((9, 40), "RGBA"), ((1, 1), "P")] * 6):
        picture = Image.fromarray(dots(1, channels=3, seed=number)[0]).resize(size).convert(mode)
        (tmp_path / "mixed").mkdir(exist_ok=True)
        picture.save(tmp_path / "mixed" / f"{number}.png")
    model = Generator(**BRIEF).fit(tmp_path / "mixed", out=tmp_path / "run")
    assert model.sample(1).shape == (1, model.size, model.size, 3)
    assert 8 <= model.size <= 256


def test_few_pictures_are_said_to_be_few_and_one_is_refused(tmp_path: Path, heard) -> None:
    Generator(**BRIEF).fit(write_dots(tmp_path / "few", dots(20)), out=tmp_path / "run", report=heard)
    assert any("only 18 pictures: expect copies of them" in line for line in heard.notes)
    with pytest.raises(DataError, match="fewer than two pictures"):
        Generator(**BRIEF).fit(write_dots(tmp_path / "one", dots(1)), out=tmp_path / "other")


def test_a_model_of_another_task_is_refused(fitted: Generator, tmp_path: Path) -> None:
    fitted.save(tmp_path / "kept")
    with pytest.raises(BundleError, match="a model for generate, not for classify"):
        Classifier.load(tmp_path / "kept")


def test_a_million_pictures_begin_to_come_at_once(fitted: Generator) -> None:
    stream = fitted.sample_stream(1_000_000)
    assert next(stream).shape == next(stream).shape == (BLOCK, 12, 12, 1)


def test_a_grey_model_takes_colour_pictures(fitted: Generator, tmp_path: Path) -> None:
    colour = dots(30, channels=3, seed=2)
    assert fitted.reconstruct(colour).shape == (30, 12, 12, 1)
    result = fitted.evaluate(write_dots(tmp_path / "colour", colour), split="train")
    assert result.metrics["bits_per_dim"] > 0
    with pytest.raises(DataError, match="has no split 'test': it has train, validation"):
        fitted.evaluate(tmp_path / "colour", split="test")


def test_black_and_white_pictures_are_stated_as_dynamically_binarised(folder: Path, tmp_path: Path) -> None:
    model = Generator(**BRIEF, likelihood="bernoulli").fit(folder, out=tmp_path / "run")
    assert model.result
    assert model.result.metrics["binarisation"] == "dynamic"
    assert "bits_per_dim" not in model.result.metrics


def test_the_flow_learns_latents_as_they_are_where_the_label_is_known(
    fitted: Generator, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learned = {}

    def fit(self: FlowPrior, means: Tensor, deviations: Tensor, labels: Tensor, recipe: GenerateRecipe) -> None:
        learned.update(means=means, labels=labels)

    monkeypatch.setattr(FlowPrior, "fit", fit)
    again = Generator(**SHORT, label=True).fit(folder, out=tmp_path / "run")
    means, labels = learned["means"], learned["labels"]
    count = int((labels < 2).sum())
    images = np.array(again.open(folder, None, again.recipe).splits["train"].images)
    assert torch.equal(means[:count], again.codec.encode_top(images, labels[:count])[0])
    assert torch.equal(means[count:], again.codec.encode_top(images)[0][::4])
    assert (labels[count:] == 2).all()
    assert len(labels) == count + -(-count // 4)
    assert not torch.allclose(means[:count], again.codec.encode_top(images)[0], atol=1e-3)


def test_a_long_budget_gives_the_flow_its_share_and_a_short_one_the_presets_steps(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trine.generate.generator.flow_cost", lambda *_: (10.0, 1e9))
    preset = Generator().recipe.flow_steps
    given = {}
    for minutes, settings in ((0.1, {}), (60.0, {}), (60.0, {"flow_steps": 77})):
        model = Generator(**settings)
        opened = model.open(folder, None, model.recipe)
        given[minutes, *settings.values()] = model.scaled(opened, Budget(minutes), Silent()).flow_steps
    assert given[0.1,] == preset
    assert given[60.0,] == pytest.approx(FLOW_SHARE * 3600 / 10 * preset, rel=0.02)
    assert given[60.0, 77] == 77
