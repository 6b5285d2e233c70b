"""A generator of few pictures says how many of its pictures are copies, and uses a prior that makes new ones."""

from collections.abc import Callable

import numpy as np
import pytest

from trine.generate.generator import Generator
from trine.generate.prior_choice import FEW, choose_prior

from .conftest import dots

TRAIN, HELD_OUT = dots(200, seed=1), dots(40, seed=2)


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch, fitted: Generator) -> Callable[[dict[str, np.ndarray]], Generator]:
    """A model whose priors make given pictures."""

    def patched(made: dict[str, np.ndarray]) -> Generator:
        def sample(_: Generator, n: int, *, prior: str, **_options: object) -> np.ndarray:
            return made[prior][:n]

        monkeypatch.setattr(Generator, "sample", sample)
        return fitted

    return patched


def test_a_flow_that_gives_back_its_training_pictures_is_replaced_by_the_mixture(making: Callable) -> None:
    model = making({"flow": TRAIN, "mixture": dots(200, seed=3)})
    found = choose_prior(model, TRAIN, HELD_OUT, fixed=False)
    assert found.chosen == "mixture"
    assert found.shares["flow"] > 0.9
    assert found.shares["mixture"] < 0.1
    assert "with the prior 'flow' 100 %: 'mixture' is used" in found.statement()


def test_a_prior_that_was_chosen_by_hand_is_kept_and_its_copies_are_said(making: Callable) -> None:
    found = choose_prior(making({"flow": TRAIN}), TRAIN, HELD_OUT, fixed=True)
    assert found.chosen == "flow"
    assert found.statement() == "100 % of new pictures are nearly training pictures; more pictures are better"


def test_a_flow_that_makes_new_pictures_stays(making: Callable) -> None:
    found = choose_prior(making({"flow": dots(200, seed=4)}), TRAIN, HELD_OUT, fixed=False)
    assert (found.chosen, [*found.shares]) == ("flow", ["flow"])


def test_copies_are_looked_for_in_small_sets_only(making: Callable) -> None:
    many = np.broadcast_to(TRAIN[:1], (FEW + 1, *TRAIN.shape[1:]))
    assert choose_prior(making({}), many, HELD_OUT, fixed=False).shares == {}
    assert choose_prior(making({}), TRAIN, HELD_OUT[:5], fixed=False).shares == {}
