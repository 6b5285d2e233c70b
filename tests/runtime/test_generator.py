import numpy as np
import pytest

from tests.runtime.conftest import DRAWINGS
from trine import Generator, runtime
from trine.errors import DataError, UsageError

pytestmark = pytest.mark.long

KINDS = {
    "map": {
        "network": "map",
        "widths": (8, 8),
        "map_latent": 2,
        "map_flow_width": 32,
    },
    "deep": {"network": "deep", "widths": (8, 8), "groups": (1, 1), "prior": "mixture", "likelihood": "bernoulli"},
}


@pytest.fixture(scope="module", params=["plain", *KINDS])
def both(request, make_exported, full):
    """A model without torch, and the full one; the plain one knows labels."""
    if request.param == "plain":
        folder = request.getfixturevalue("generator")
    else:
        folder = make_exported(Generator(**{**DRAWINGS, **KINDS[request.param]}), "digits")
    return runtime.load(folder), full(folder)


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return (load_digits().images[:300] * (255 / 16)).round().astype(np.uint8)[..., None]


def differs(found, expected):
    """Share of levels that differ by more than one."""
    return float((np.abs(found.astype(int) - expected) > 1).mean())


@pytest.mark.parametrize(("n", "seed", "temperature"), [(1, 0, 1.0), (70, 7, 0.8), (3, 2**40, 0.0)])
def test_a_seed_has_the_pictures_of_the_full_package(both, n, seed, temperature):
    exported, full = both
    for label in (None, *full.classes[:1]):
        asked = {"seed": seed, "temperature": temperature, "label": label}
        pictures = exported.sample(n, **asked)
        assert (pictures.shape, pictures.dtype) == ((n, 8, 8, 1), np.uint8)
        assert differs(pictures, full.sample(n, **asked)) == 0


def test_the_pictures_of_a_seed_do_not_depend_on_their_number(both):
    exported, _ = both
    assert np.abs(exported.sample(5, seed=1).astype(int) - exported.sample(66, seed=1)[:5]).max() <= 1


def test_pictures_have_the_posteriors_of_the_full_package(both, digits):
    exported, full = both
    for label in (None, *full.classes[:1]):
        found, expected = (model.encode(digits, seed=3, label=label) for model in both)
        for moment in ("mean", "variance", "sample"):
            for values, tensor in zip(getattr(found, moment), getattr(expected, moment), strict=True):
                assert values.shape == tuple(tensor.shape)
                assert values == pytest.approx(tensor.numpy(), abs=1e-4)
    with pytest.raises(UsageError, match="dragon"):
        exported.encode(digits, label="dragon")


def test_latents_have_the_pictures_of_the_full_package_also_where_some_are_missing(both, digits):
    exported, full = both
    latents = exported.encode(digits[:70]).mean
    import torch

    for given in range(1, len(latents) + 1):
        for label in (None, *full.classes[:1]):
            tensors = [torch.from_numpy(values) for values in latents[:given]]
            assert differs(exported.decode(latents[:given], label), full.decode(tensors, label)) == 0


def test_encoding_in_other_blocks_gives_the_same(both, digits, monkeypatch):
    import trine.runtime.generator as module

    exported, _ = both
    whole = exported.encode(digits[:20]).mean[0]
    monkeypatch.setattr(module, "BLOCK", 7)
    assert exported.encode(digits[:20]).mean[0] == pytest.approx(whole, abs=1e-5)


def test_what_cannot_be_asked_for_is_one_line(both, digits):
    exported, _ = both
    for wrong in ({"n": 0}, {"n": 1, "temperature": -1}, {"n": 1, "seed": -3}, {"n": 1, "label": "dragon"}):
        with pytest.raises(UsageError) as problem:
            exported.sample(**wrong)
        assert "\n" not in str(problem.value)
    with pytest.raises(DataError, match="the model takes height 8, width 8"):
        exported.encode(np.zeros((2, 9, 8, 1), np.uint8))
    with pytest.raises(DataError, match="1, 3 or 4 channels"):
        exported.encode(np.zeros((2, 8, 8, 2), np.uint8))
    for latents in ([], [np.zeros((2, 5))], [np.zeros(4)], [np.zeros((2, 4)), np.zeros((2, 1))]):
        with pytest.raises(UsageError, match="latents of shapes"):
            exported.decode(latents)
