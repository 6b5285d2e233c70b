"""A trained generator: what it makes, what it refuses, and that using it changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import trine
from trine.classify.classifier import Classifier
from trine.errors import BundleError, DataError, UsageError
from trine.generate.codec import BLOCK
from trine.generate.generator import Generator
from trine.generate.strangeness import strangeness
from trine.nn.likelihood import CalibratedGaussian

from .conftest import dots, write_dots

PRIORS = ("normal", "mixture", "flow")


# ---- saved and loaded


@pytest.mark.parametrize("name", ["fitted", "mapped", "deep"])
def test_a_saved_model_makes_the_same_pictures(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    model: Generator = request.getfixturevalue(name)
    model.save(tmp_path / "kept")
    loaded = trine.load(tmp_path / "kept")
    assert isinstance(loaded, Generator)
    for prior in model.priors:
        assert np.array_equal(loaded.sample(5, seed=3, prior=prior), model.sample(5, seed=3, prior=prior))
    images = dots(5, seed=9)
    assert np.array_equal(loaded.reconstruct(images), model.reconstruct(images))
    assert torch.equal(loaded.information, model.information)


@pytest.mark.parametrize("name", ["fitted", "mapped", "deep"])
def test_loading_leaves_the_global_random_state_unchanged_and_keeps_memory_layouts(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    model: Generator = request.getfixturevalue(name)
    model.save(tmp_path / "kept")
    before = torch.get_rng_state()
    loaded = Generator.load(tmp_path / "kept")
    assert torch.equal(before, torch.get_rng_state())
    for part in ("network", "priors"):
        kept, again = getattr(model, part).state_dict(), getattr(loaded, part).state_dict()
        assert kept.keys() == again.keys()
        for key, values in kept.items():
            assert torch.equal(values, again[key]), key
            assert values.stride() == again[key].stride(), key


def test_a_model_of_another_task_is_refused(fitted: Generator, tmp_path: Path) -> None:
    fitted.save(tmp_path / "kept")
    with pytest.raises(BundleError, match="a model for generate, not for classify"):
        Classifier.load(tmp_path / "kept")


# ---- new pictures


def test_the_same_seed_gives_the_same_pictures_for_any_number_of_them(fitted: Generator) -> None:
    many = fitted.sample(BLOCK + 5, seed=1)
    assert many.shape == (BLOCK + 5, 12, 12, 1)
    assert np.array_equal(many[:3], fitted.sample(3, seed=1))
    assert not np.array_equal(many[:3], fitted.sample(3, seed=2))
    assert not np.array_equal(many[:5], many[BLOCK:])


def test_at_temperature_zero_all_pictures_are_the_typical_one(fitted: Generator) -> None:
    pictures = fitted.sample(4, temperature=0.0, prior="normal")
    assert all(np.array_equal(pictures[0], other) for other in pictures)


def test_pixel_noise_has_the_likelihoods_deviation_around_the_expected_picture(fitted: Generator) -> None:
    assert isinstance(fitted.network.likelihood, CalibratedGaussian)
    deviation = 127.5 * float(fitted.network.likelihood.deviation)
    expected, noisy = (fitted.sample(BLOCK, seed=1, pixel_noise=scale).astype(float) for scale in (0.0, 1.0))
    middle = (expected > 100) & (expected < 155)  # noise is cut off at black and white
    assert middle.sum() > 100
    assert (noisy - expected)[middle].std() == pytest.approx(deviation, rel=0.2)
    assert np.array_equal(noisy[:3], fitted.sample(3, seed=1, pixel_noise=1.0))


def test_a_label_is_selected_by_name(fitted: Generator) -> None:
    left, right = (fitted.sample(4, seed=1, label=label) for label in ("left", "right"))
    assert not np.array_equal(left, right)
    with pytest.raises(UsageError, match=r"label 'up' is not known to the model: it knows left, right"):
        fitted.sample(1, label="up")


def test_a_model_without_labels_says_so(deep: Generator) -> None:
    with pytest.raises(UsageError, match="trained without --label"):
        deep.sample(1, label="left")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "0 pictures: ask for one or more"),
        ({"n": -3}, "-3 pictures"),
        ({"n": 1, "temperature": -0.5}, "temperature -0.5"),
        ({"n": 1, "temperature": float("nan")}, "temperature nan"),
        ({"n": 1, "pixel_noise": -1.0}, "pixel noise -1"),
        ({"n": 1, "prior": "guess"}, "prior 'guess' is not known: choose normal, mixture, flow"),
    ],
)
def test_arguments_out_of_range_are_refused(fitted: Generator, arguments: dict, message: str) -> None:
    for sample in (fitted.sample, fitted.sample_stream):
        with pytest.raises(UsageError, match=message):
            sample(**arguments)


def test_the_first_of_a_million_pictures_come_at_once(fitted: Generator) -> None:
    stream = fitted.sample_stream(1_000_000)
    assert next(stream).shape == next(stream).shape == (BLOCK, 12, 12, 1)


# ---- latents and reconstructions


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_pictures_are_reconstructed_from_the_means_of_their_latents(name: str, request: pytest.FixtureRequest) -> None:
    model: Generator = request.getfixturevalue(name)
    images = dots(6, seed=9)
    encoded = model.encode(images)
    assert [values.shape[1:] for values in encoded.mean] == [torch.Size(shape) for shape in model.network.vae.shapes]
    assert all(bool((values > 0).all()) for values in encoded.variance)
    assert np.array_equal(model.decode(encoded.mean), model.reconstruct(images))
    assert not torch.equal(encoded.sample[0], model.encode(images, seed=1).sample[0])


def test_latent_vectors_are_the_same_with_and_without_the_decoder(deep: Generator) -> None:
    images = dots(6, seed=9)
    means, deviations = deep.codec.encode_top(images)
    encoded = deep.encode(images)
    torch.testing.assert_close(means, encoded.mean[0], rtol=1e-2, atol=1e-2)
    torch.testing.assert_close(deviations.square(), encoded.variance[0], rtol=1e-2, atol=1e-2)


def test_pictures_are_taken_as_people_have_them(fitted: Generator, tmp_path: Path) -> None:
    """Paths, bytes, images, arrays of any size and of four channels are read as files are."""
    from PIL import Image

    images = dots(3, seed=9)
    paths = [write_dots(tmp_path, images) / f"{i}.png" for i in range(3)]
    expected = fitted.reconstruct(images)
    opaque = np.concatenate([images.repeat(3, 3), np.full_like(images, 255)], 3)
    for other in (paths, [path.read_bytes() for path in paths], [Image.open(path) for path in paths], opaque):
        assert np.array_equal(fitted.reconstruct(other), expected)
    assert fitted.reconstruct(str(paths[0])).shape == (1, 12, 12, 1)
    large = dots(2, size=30)
    assert fitted.encode(large).mean[0].shape == (2, 6)


@pytest.mark.parametrize("array", [np.zeros((2, 12, 12, 1)), np.zeros((12, 12), np.uint8)])
def test_other_arrays_are_refused_by_what_they_are(fitted: Generator, array: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"an array of \w+, shape .*: give uint8 levels from 0 to 255 of shape"):
        fitted.reconstruct(array)


def test_the_label_of_a_picture_is_used_where_its_latents_are(fitted: Generator) -> None:
    images, (first, second) = dots(2, seed=9), fitted.classes[:2]
    unknown, known = fitted.encode(images), fitted.encode(images, label=[first, second])
    assert not torch.equal(unknown.mean[0], known.mean[0])
    assert np.array_equal(fitted.reconstruct(images, [first, second]), fitted.decode(known.mean, [first, second]))
    assert fitted.anomaly(images, first).tolist() != fitted.anomaly(images).tolist()
    with pytest.raises(UsageError, match="label 'up' is not known"):
        fitted.encode(images, label="up")
    with pytest.raises(UsageError, match="1 labels for 2 pictures"):
        fitted.encode(images, label=[first])


def test_a_score_says_how_strange_an_error_is_in_either_direction(fitted: Generator) -> None:
    usual, strange = (
        fitted.score(dots(20, seed=9)),
        fitted.score(np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)),
    )
    assert np.mean([each.p_value for each in usual]) > 0.2
    assert {each.percentile for each in strange} == {100.0}
    least = 2 / (len(fitted.errors) + 1)
    assert [each.p_value for each in strange] == [pytest.approx(least)] * 20


@given(st.lists(st.floats(0, 1), max_size=30), st.floats(0, 1))
def test_the_p_value_is_small_at_both_ends_and_never_zero(held_out: list[float], error: float) -> None:
    (found,) = strangeness([error], np.sort(np.array(held_out)))
    if not held_out:
        assert found.p_value is None
        return
    assert found.percentile == pytest.approx(100 * sum(value < error for value in held_out) / len(held_out))
    assert 1 / (len(held_out) + 1) <= found.p_value <= 1
    if error < min(held_out) or error > max(held_out):
        assert found.p_value == pytest.approx(min(1, 2 / (len(held_out) + 1)))


def test_noise_is_reconstructed_worse_than_pictures_like_the_training_pictures(fitted: Generator) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 1), dtype=np.uint8)
    assert fitted.anomaly(noise).min() > 2 * fitted.anomaly(dots(20, seed=9)).max()


def test_a_grey_model_takes_colour_pictures(fitted: Generator, tmp_path: Path) -> None:
    colour = dots(30, channels=3, seed=2)
    assert fitted.reconstruct(colour).shape == (30, 12, 12, 1)
    result = fitted.evaluate(write_dots(tmp_path / "colour", colour), split="train")
    assert result.metrics["bits_per_dim"] > 0
    with pytest.raises(DataError, match="has no split 'test': it has train, all"):
        fitted.evaluate(tmp_path / "colour", split="test")


def test_importance_sampling_states_its_samples_and_refuses_none_and_unknown_splits(
    fitted: Generator, folder: Path
) -> None:
    opened = fitted.open(folder)
    figures = fitted.importance(opened, "validation", samples=3, count=5)
    assert (figures["iw_samples"], figures["iw_n"]) == (3, 5)
    assert figures["iw_nats"] > 0
    for samples, count in ((0, 5), (3, 0)):
        with pytest.raises(UsageError, match="give at least 1 of both"):
            fitted.importance(opened, "validation", samples, count)
    with pytest.raises(DataError, match="has no split 'tset'"):
        fitted.importance(opened, "tset", samples=3)


# ---- using a model changes nothing


@pytest.mark.parametrize("name", ["fitted", "deep"])
def test_no_use_of_a_model_changes_the_global_random_state(
    name: str, request: pytest.FixtureRequest, folder: Path
) -> None:
    model: Generator = request.getfixturevalue(name)
    images = dots(3)
    opened = model.open(folder)
    uses: dict[str, Callable[[], object]] = {
        "encode": lambda: model.encode(images),
        "evaluate": lambda: model.evaluate(folder),
        "importance": lambda: model.importance(opened, "train", samples=3, count=5),
        "sample": lambda: np.stack([model.sample(3, pixel_noise=1.0, prior=prior) for prior in PRIORS]),
        "reconstruct": lambda: model.reconstruct(images),
        "anomaly": lambda: model.anomaly(images),
    }
    for use, run in uses.items():
        torch.manual_seed(7)
        before = torch.get_rng_state()
        first = run()
        assert torch.equal(before, torch.get_rng_state()), use
        torch.manual_seed(8)
        second = run()
        if isinstance(first, np.ndarray | dict):
            assert np.array_equal(first, second), f"{use} depends on the global random state"


def test_eight_threads_on_one_model_get_the_answers_of_a_single_one(deep: Generator) -> None:
    images = [dots(5, seed=seed) for seed in range(8)]

    def answers(number: int) -> list[np.ndarray | Tensor]:
        encoded = deep.encode(images[number], seed=3)
        return [
            *encoded.mean,
            *encoded.variance,
            *encoded.sample,
            deep.sample(BLOCK + 1, seed=number, pixel_noise=1.0),
            deep.sample(3, seed=number, prior="mixture"),
            deep.reconstruct(images[number]),
            deep.anomaly(images[number]),
        ]

    alone = [answers(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for expected, together in zip(alone, pool.map(answers, range(8)), strict=True):
                assert all(map(np.array_equal, expected, together))


@pytest.mark.parametrize("name", ["network", "size", "run", "anything"])
def test_a_model_does_not_change(fitted: Generator, name: str) -> None:
    with pytest.raises(AttributeError, match=f"Generator.{name} cannot be set: a model does not change"):
        setattr(fitted, name, None)


def test_a_changed_copy_leaves_the_model_as_it_is(fitted: Generator) -> None:
    copy = fitted.replaced(classes=("up", "down"))
    assert (copy.classes, fitted.classes) == (("up", "down"), ("left", "right"))
    assert np.array_equal(copy.sample(3, label="up"), fitted.sample(3, label="left"))
    assert copy.network is fitted.network


def test_the_network_of_a_model_is_in_evaluation_mode(fitted: Generator, tmp_path: Path) -> None:
    fitted.save(tmp_path / "kept")
    for model in (fitted, Generator.load(tmp_path / "kept")):
        assert not any(module.training for part in (model.network, model.priors) for module in part.modules())


# ---- latent maps, and guidance


def test_a_latent_map_is_read_as_a_vector_by_everything_that_reads_latents(mapped: Generator) -> None:
    images = dots(5, seed=9)
    encoded = mapped.encode(images, label="left")
    assert [tuple(values.shape) for values in encoded.mean] == [(5, 2 * 6 * 6)]
    assert np.array_equal(mapped.decode(encoded.mean, "left"), mapped.reconstruct(images, "left"))
    assert len(mapped.information) == 72
    assert np.array_equal(mapped.sample(70, seed=1, label="right")[:3], mapped.sample(3, seed=1, label="right"))


def test_a_latent_map_says_what_is_where(mapped: Generator) -> None:
    images = dots(1, seed=9)
    latent = mapped.encode(images).mean[0]
    moved = latent.view(1, 2, 6, 6).clone()
    moved[..., :2, :2] += 3
    changed = mapped.decode([moved.flatten(1)]).astype(float) - mapped.decode([latent])
    assert np.abs(changed[:, :6, :6]).mean() > 5 * np.abs(changed[:, 9:, 9:]).mean()


@pytest.mark.parametrize("name", ["fitted", "mapped"])
def test_guidance_of_one_changes_nothing_and_more_changes_the_pictures(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: Generator = request.getfixturevalue(name)
    plain = model.sample(4, seed=2, label="left")
    assert np.array_equal(plain, model.sample(4, seed=2, label="left", guidance=1))
    assert not np.array_equal(plain, model.sample(4, seed=2, label="left", guidance=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance": 2.0}, "give a label"),
        ({"guidance": 2.0, "label": "left", "prior": "normal"}, "no other prior"),
        ({"guidance": -1.0, "label": "left"}, "guidance -1.0"),
        ({"guidance": 0.5, "label": "left"}, "guidance 0.5"),
        ({"guidance": float("nan"), "label": "left"}, "guidance nan"),
    ],
)
def test_guidance_that_nothing_follows_is_refused(fitted: Generator, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fitted.sample(1, **options)


def test_a_latent_map_has_no_mixture(folder: Path, mapped: Generator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose normal, flow"):
        mapped.sample(1, prior="mixture")
    with pytest.raises(UsageError, match="a latent map has no mixture"):
        Generator(network="map", prior="mixture").fit(folder, out=tmp_path / "run")
