import math

import pytest

from trine.generate.bound import Bound
from trine.generate.likelihood import Bernoulli, CalibratedGaussian
from trine.generate.report import draw_kl, metrics, model_card, remarks

SOUND = Bound(nats=110.0, reconstruction=90.0, kl_per_group=(15.0, 5.0), active_units=20, units=32)


def test_the_parts_add_up_to_the_bound_and_bits_are_stated_for_8_bit_values_only() -> None:
    found = metrics(SOUND, CalibratedGaussian(1), "gaussian", dimensions=784)
    assert found["elbo_nats"] == found["reconstruction_nats"] + found["kl_nats"]
    assert found["bits_per_dim"] == pytest.approx(110 / 784 / math.log(2))
    assert "binarisation" not in found
    black_and_white = metrics(SOUND, Bernoulli(1), "bernoulli", dimensions=784)
    assert black_and_white["binarisation"] == "dynamic"
    assert "bits_per_dim" not in black_and_white


def test_posterior_collapse_is_said_with_a_way_out() -> None:
    assert remarks(SOUND) == []
    [line] = remarks(Bound(100.0, 99.9, (0.1, 0.0), active_units=0, units=32))
    assert "posterior collapse" in line
    assert "0 of 32 are active" in line
    assert "--set kl_warmup" in line


def test_groups_that_say_nothing_are_named() -> None:
    assert remarks(Bound(100.0, 80.0, (19.0, 0.001, 1.0, 0.0), 20, 32)) == [
        "groups 2, 4 of the latents say nothing of a picture"
    ]


def test_the_divergence_of_each_group_is_drawn() -> None:
    assert draw_kl((3.0, 1.0)).startswith(b"\x89PNG")


def test_the_card_says_what_it_is_and_what_to_beware_of() -> None:
    recipe = {"network": "plain", "likelihood": "gaussian"}
    card = model_card({"metrics": {"elbo_nats": 110.0}}, {"name": "dots", "fingerprint": "ab" * 32}, recipe)
    assert card.startswith("---\nlibrary_name: trine")
    assert "pictures like dots" in card
    assert '"elbo_nats": 110.0' in card
    assert "check before publishing" in card
