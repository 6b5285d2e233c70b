import math

import pytest

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


def test_the_divergence_of_each_group_is_drawn() -> None:
    assert draw_kl((3.0, 1.0)).startswith(b"\x89PNG")


def test_the_card_names_data_figures_and_risks() -> None:
    recipe = {"network": "plain", "likelihood": "gaussian"}
    card = model_card({"metrics": {"elbo_nats": 110.0}}, {"name": "dots", "fingerprint": "ab" * 32}, recipe)
    assert card.startswith("---\nlibrary_name: trine")
    assert "pictures like dots" in card
    assert '"elbo_nats": 110.0' in card
    assert "check before publishing" in card
