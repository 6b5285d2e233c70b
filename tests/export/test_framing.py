import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.classify.augment import views
from trine.export.framing import framing, pixels_of_views
from trine.pictures.decode import resize
from trine.pictures.reading import Reading

SIZE, FITS = 24, ("auto", "crop", "pad", "squash")


def opened(fit, channels=3, size=SIZE):
    model = framing(size, channels, fit, pixels_of_views(size, True, 1))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


GRAPHS = {fit: opened(fit) for fit in FITS}


def photograph(height, width, seed=0):
    """Part of a real photograph, enlarged by whole factors where the photograph is smaller."""
    from sklearn.datasets import load_sample_images

    whole = load_sample_images().images[seed % 2]
    return np.ascontiguousarray(whole[:height, -width:])


@settings(max_examples=60)
@given(st.sampled_from(FITS), st.integers(1, 420), st.integers(1, 640), st.integers(0, 1))
def test_pictures_of_any_size_become_the_squares_that_pillow_makes(fit, height, width, seed):
    image = photograph(height, width, seed)[None]
    expected = resize(image, (SIZE, SIZE), Reading(fit=fit)).astype(int)
    shown, _ = GRAPHS[fit].run(None, {"pictures": image, "views": np.array(False)})
    difference = np.abs(shown[:, 0] - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("fit", FITS)
def test_a_share_of_the_levels_below_one_in_two_thousand_differs(fit):
    draw, levels, differing = np.random.default_rng(1), 0, 0
    for _ in range(60):
        image = photograph(*(int(draw.integers(8, most)) for most in (420, 640)))[None]
        expected = resize(image, (SIZE, SIZE), Reading(fit=fit))
        shown, _ = GRAPHS[fit].run(None, {"pictures": image, "views": np.array(False)})
        levels, differing = levels + expected.size, differing + int((shown[:, 0] != expected).sum())
    assert differing < levels / 2_000


@pytest.mark.parametrize("fit", FITS)
def test_pictures_of_the_models_size_are_not_touched(fit):
    image = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    shown, weights = GRAPHS[fit].run(None, {"pictures": image, "views": np.array(False)})
    assert np.array_equal(shown[:, 0], image)
    assert weights.tolist() == [1.0]


def test_views_are_those_of_the_network():
    import torch

    image = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    shown, weights = GRAPHS["auto"].run(None, {"pictures": image, "views": np.array(True)})
    expected = views(torch.from_numpy(image), True, 1)
    assert weights.tolist() == [weight for weight, _ in expected]
    for index, (_, view) in enumerate(expected):
        assert np.array_equal(shown[:, index], view.numpy())


def test_grey_pictures_have_one_channel():
    image = photograph(100, 60).mean(2, keepdims=True).astype(np.uint8)[None]
    shown, _ = opened("pad", channels=1).run(None, {"pictures": image, "views": np.array(False)})
    expected = resize(image, (SIZE, SIZE), Reading(fit="pad")).astype(int)
    assert np.abs(shown[:, 0] - expected).max() <= 1
