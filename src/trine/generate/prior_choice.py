"""Which prior a generator of few pictures samples from: one that makes new pictures, not copies of those it has seen.

A flow can learn the latents of a few hundred pictures by heart; a mixture of a few normal distributions cannot.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from trine.generate.generator import Generator
from trine.measures.memorisation import ALARM, check_memorisation
from trine.pictures.batches import mirrors

Pictures = UInt8[np.ndarray, "_ height width channels"]
FEW = 2_000
"""Number of training pictures up to which copies are looked for: beyond, a flow has no time to learn them by heart."""
LEAST_HELD_OUT, CHECKED = 10, 200
"""Held-out pictures that the search for copies needs, and generated pictures that are searched."""
MUCH = 0.1
"""Share of copies from which another prior is tried."""
OTHERS = ("mixture",)
"""Priors to try."""


@dataclass(frozen=True)
class Copies:
    """Share of generated pictures that are copies, by prior; empty if it was not looked for."""

    shares: dict[str, float]
    chosen: str

    def statement(self) -> str:
        """What was found, in words."""
        share, first = self.shares[self.chosen], next(iter(self.shares))
        found = f"{100 * share:.0f} % of new pictures are nearly training pictures" + (
            f", with the prior {first!r} {100 * self.shares[first]:.0f} %: {self.chosen!r} is used"
            if self.chosen != first
            else ""
        )
        return found if share < ALARM else f"{found}; more pictures are better"


def choose_prior(model: Generator, train: Pictures, held_out: Pictures, fixed: bool) -> Copies:
    """The share of copies with the recipe's prior, and with another one if that has many.

    fixed   the prior was chosen by hand: no other is tried
    """
    first: str = model.recipe.prior
    if len(train) > FEW or len(held_out) < LEAST_HELD_OUT:
        return Copies({}, first)
    shares = {first: _copied(model, first, train, held_out)}
    if shares[first] >= MUCH and not fixed:
        others = [name for name in OTHERS if name != first and name in model.priors]
        shares |= {name: _copied(model, name, train, held_out) for name in others}
    return Copies(shares, min(shares, key=lambda name: shares[name]))


def _copied(model: Generator, prior: str, train: Pictures, held_out: Pictures) -> float:
    generated = model.sample(CHECKED, seed=model.recipe.seed, prior=prior)
    mirrored = mirrors(model.recipe.flip, model.channels)
    return float(check_memorisation(generated, train, held_out, mirrored).metrics()["copied"])
