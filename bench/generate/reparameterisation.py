"""A variational autoencoder with and without the reparameterisation trick, on digits28. Cost on one core: 1 min.

Three gradients through a sample of the posterior, all else equal:

trick              z = mean + deviation × noise: the reconstruction's gradient reaches mean and deviation through z
no gradient        z is a constant: only the KL divergence trains the encoder
score function     z is a constant; ln q(z | x) is weighted by ln p(x | z) minus its batch mean (REINFORCE)
"""

import argparse
from typing import Any

from torch import Tensor

from bench.support import bound, record
from trine.generate import training
from trine.generate.latent import Normal
from trine.generate.objective import GenerateObjective
from trine.generate.recipe import GenerateRecipe

SETTINGS: dict[str, Any] = {
    "likelihood": "bernoulli",
    "widths": (8, 16, 32),
    "latent": 16,
    "least_steps": 200,
    "epochs": 1.0,
    "flow_steps": 1,
}
drawn: list[tuple[Normal, Tensor]] = []
"""The last posterior and its sample."""


def detached(posterior: Normal, noise: Tensor) -> Tensor:
    """A sample without gradient; it is kept for the score function."""
    sample = (posterior.mean + (0.5 * posterior.log_variance).exp() * noise).detach()
    drawn[:] = [(posterior, sample)]
    return sample


class ScoreFunction(GenerateObjective):
    """The bound, with the score function's gradient for the encoder."""

    def loss(self, network: Any, batch: Any, progress: float) -> Tensor:
        log_prob, kl = network(**batch)
        ((posterior, sample),) = drawn
        advantage = (log_prob - log_prob.mean()).detach()
        score = (advantage * posterior.log_prob(sample)).mean()
        return self._weight(progress) * kl.sum(1).mean() - log_prob.mean() - score


WAYS: dict[str, tuple[Any, Any]] = {
    "trick": (Normal.at, GenerateObjective),
    "no gradient": (detached, GenerateObjective),
    "score function": (detached, ScoreFunction),
}


def measured(way: str) -> dict[str, float]:
    """The bound and its parts on the validation split, with the prior N(0, I)."""
    Normal.at, training.GenerateObjective = WAYS[way]
    run = record.RUNS / f"reparameterisation-{way.replace(' ', '-')}"
    trainer = training.GeneratorTrainer(GenerateRecipe.preset(**SETTINGS))
    model = trainer.fit("digits28", out=run, resume=(run / "recipe.json").exists(), test=False)
    assert model
    assert model.result
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "active_units")
    return {name: model.result.metrics[name] for name in names}


def table(figures: dict[str, Any]) -> list[str]:
    """The first table of docs/inside/latent-space.md."""
    return bound.table("gradient through a sample", figures["ways"])


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    ways = {way: measured(way) for way in WAYS}
    figures = {"data": "digits28", "split": "validation", "seeds": 1, "settings": SETTINGS, "ways": ways}
    record.keep("generate-reparameterisation", "python -m bench.generate.reparameterisation", figures)
