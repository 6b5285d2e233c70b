import math

import numpy as np
import pytest

from tests.texts import written
from trine.generate.bound import Bound
from trine.generate.report import draw_kl, metrics, model_card, remarks
from trine.nn.likelihood import Bernoulli, CalibratedGaussian

SOUND = Bound(nats=110.0, reconstruction=90.0, kl_per_group=(15.0, 5.0), active_units=20, units=32)


def test_the_parts_add_up_to_the_bound_and_bits_are_given_for_8_bit_values_only() -> None:
    grey = metrics(SOUND, CalibratedGaussian(1), "gaussian", dimensions=784)
    assert grey["elbo_nats"] == grey["reconstruction_nats"] + grey["kl_nats"]
    assert grey["bits_per_dim"] == pytest.approx(110 / 784 / math.log(2))
    assert "binarisation" not in grey
    black_and_white = metrics(SOUND, Bernoulli(1), "bernoulli", dimensions=784)
    assert black_and_white["binarisation"] == "dynamic"
    assert "bits_per_dim" not in black_and_white


def test_posterior_collapse_is_reported_with_a_remedy() -> None:
    assert remarks(SOUND) == []
    [line] = remarks(Bound(100.0, 99.9, (0.1, 0.0), active_units=0, units=32))
    assert "posterior collapse" in line
    assert "0 of 32 units are active" in line
    assert "--set kl_warmup" in line


def test_groups_without_information_are_named() -> None:
    assert remarks(Bound(100.0, 80.0, (19.0, 0.001, 1.0, 0.0), 20, 32)) == [
        "latent groups 2, 4 carry no information about a picture"
    ]


def bound_of(*groups: int) -> Bound:
    """A bound with that many units per group, of which every third one is silent."""
    active = tuple(np.arange(size) % 3 > 0 for size in groups)
    kl = tuple(np.where(each, 1.0 + np.arange(len(each)), 0.0) for each in active)
    per_group = tuple(float(each.sum()) for each in kl)
    return Bound(100.0, 90.0, per_group, int(sum(each.sum() for each in active)), sum(groups), kl, active)


@pytest.mark.parametrize("units", [2, 16, 64, 128])
def test_one_group_is_drawn_number_by_number_most_information_first(units: int) -> None:
    bound = bound_of(units)
    with written() as texts:
        draw_kl(bound)
    texts.check()
    (axes,) = texts.figure.axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == sorted(bound.kl_per_unit[0].tolist(), reverse=True)
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert len(set(colours)) == 2
    assert colours.count(colours[0]) == bound.active_units
    assert f"active: {bound.active_units}" in texts.texts
    assert str(int(bound.kl_per_unit[0].argmax())) in texts.texts


@pytest.mark.parametrize("groups", [(8, 30), (64, 400, 1000), (4,) * 14])
def test_several_groups_are_drawn_per_group_and_per_number(groups: tuple[int, ...]) -> None:
    bound = bound_of(*groups)
    with written() as texts:
        draw_kl(bound)
    texts.check()
    per_group, per_number = texts.figure.axes
    assert [bar.get_height() for bar in per_group.patches] == list(bound.kl_per_group)
    assert [len(line.get_xdata()) for line in per_number.lines] == list(groups)


def test_the_card_names_data_figures_and_risks() -> None:
    recipe = {"network": "plain", "likelihood": "gaussian"}
    card = model_card({"metrics": {"elbo_nats": 110.0}}, {"name": "dots", "fingerprint": "ab" * 32}, recipe)
    assert card.startswith("---\nlibrary_name: trine")
    assert "pictures like dots" in card
    assert '"elbo_nats": 110.0' in card
    assert "check before publishing" in card
