"""What the latent vector is sampled from: N(0, I), or a distribution fitted to the latents after the training.

The bound is always stated with the model's own N(0, I). What a fitted prior changes are the pictures: the latents of
real pictures do not fill the normal distribution, and the decoder knows only the places they fill
(Dai and Wipf, "Diagnosing and enhancing VAE models", 2019; Ghosh et al., "From variational to deterministic
autoencoders", 2020).
"""

import time
import warnings
from abc import abstractmethod

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from trine.generate.recipe import GenerateRecipe
from trine.nn.operations import count_flops
from trine.nn.optimisers import AdamW
from trine.train.schedules import cosine

BATCH = 512
TIMES = 8
"""Frequencies that a moment of the flow is told by."""
PATH = 12
"""Steps from noise to latent."""
RATE = 7e-3
MIDWAY = 0.5
"""Deviation of the logit of the moments that the flow learns at: midway is where its way is least clear."""
EDGE = 0.2
"""Moments nearer to the noise or the latent than this are hardly ever learned: there the flow goes as it does here."""
PROBED = 5
"""Steps from which the cost of the flow's training is known."""
MOST_FITTED = 5_000
"""Latents that a mixture is fitted to."""


class Prior(nn.Module):
    """A distribution of latent vectors, sampled by noise from outside: the same noise, the same latent."""

    @abstractmethod
    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
    ) -> Float[Tensor, "batch latent"]:
        """Latents from N(0, I) noise and a uniform number each."""


class NormalPrior(Prior):
    """The model's own."""

    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
    ) -> Float[Tensor, "batch latent"]:
        """The noise as it is."""
        return noise


class MixturePrior(Prior):
    """A mixture of normal distributions."""

    def __init__(self, components: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, latent))
        self.register_buffer("factors", torch.eye(latent).repeat(components, 1, 1))

    weights: Tensor
    means: Tensor
    factors: Tensor
    """Cholesky factors of the covariances."""

    def fit(self, latents: Float[Tensor, "n latent"], seed: int) -> None:
        """Expectation maximisation, by scikit-learn."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        values = latents[torch.randperm(len(latents), generator=torch.Generator().manual_seed(seed))[:MOST_FITTED]]
        found = GaussianMixture(len(self.weights), random_state=seed, tol=1e-2, reg_covar=1e-4, init_params="k-means++")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture that is nearly fitted serves as well
            found.fit(values.double().numpy())
        self.weights.copy_(torch.from_numpy(found.weights_))
        self.means.copy_(torch.from_numpy(found.means_))
        self.factors.copy_(torch.from_numpy(np.linalg.cholesky(found.covariances_)))

    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
    ) -> Float[Tensor, "batch latent"]:
        """A component by chance, then its normal distribution; labels are not asked."""
        chosen = torch.searchsorted(self.weights.cumsum(0), chance).clamp_max(len(self.weights) - 1)
        return self.means[chosen] + torch.einsum("bij,bj->bi", self.factors[chosen], noise)


class FlowPrior(Prior):
    """A flow from noise to latents along straight paths, conditional on the label.

    Lipman et al., "Flow matching for generative modeling", 2023; with moments from a logit-normal distribution, as in
    Esser et al., "Scaling rectified flow transformers", 2024. Latents are scaled to unit deviation first.
    """

    def __init__(self, latent: int, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("deviation", torch.ones(latent))
        self.labels = nn.Embedding(classes + 1, 32)
        self.first = nn.Linear(latent + 2 * TIMES + 32, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.last = nn.Linear(width, latent)

    mean: Tensor
    deviation: Tensor

    def fit(
        self,
        means: Float[Tensor, "n latent"],
        deviations: Float[Tensor, "n latent"],
        labels: Int64[Tensor, "n"] | None,
        recipe: GenerateRecipe,
    ) -> None:
        """Learn the velocity from noise to fresh samples of the posteriors.

        labels   the class of each, or the number of classes for one that is to be sampled without a label
        """
        self.mean.copy_(means.mean(0))
        self.deviation.copy_((means.var(0) + deviations.square().mean(0)).sqrt().clamp_min(1e-4))
        optimiser = AdamW(self.parameters())
        generator = torch.Generator().manual_seed(recipe.seed)
        for step in range(recipe.flow_steps):
            chosen = torch.randint(len(means), (min(BATCH, len(means)),), generator=generator)
            noise, other = torch.randn(2, *means[chosen].shape, generator=generator).unbind()
            target = (means[chosen] + deviations[chosen] * noise - self.mean) / self.deviation
            time = torch.sigmoid(MIDWAY * torch.randn(len(chosen), generator=generator))
            at = torch.lerp(other, target, time[:, None])
            known = None if labels is None else labels[chosen]
            loss = F.mse_loss(self.velocity(at, time, known), target - other)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(RATE * cosine(step / recipe.flow_steps, 0.0))
            optimiser.clear_gradients()

    def velocity(
        self, at: Float[Tensor, "batch latent"], time: Float[Tensor, "batch"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch latent"]:
        """Where the flow goes at a point and a time in 0..1."""
        waves = time[:, None] * torch.pi * 2.0 ** torch.arange(TIMES, device=at.device) / 4
        known = self.labels(torch.full((len(at),), self.classes, device=at.device) if labels is None else labels)
        hidden = F.silu(self.first(torch.cat([at, waves.sin(), waves.cos(), known], 1)))
        for layer in self.hidden:
            hidden = hidden + F.silu(layer(hidden))
        found: Tensor = self.last(hidden)
        return found

    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
    ) -> Float[Tensor, "batch latent"]:
        """Along the flow, by the midpoint rule."""
        at, step = noise, 1 / PATH
        for place in range(PATH):
            middle = at + self._direction(at, place * step, labels) * step / 2
            at = at + self._direction(middle, (place + 0.5) * step, labels) * step
        return at * self.deviation + self.mean

    def _direction(self, at: Tensor, moment: float, labels: Tensor | None) -> Float[Tensor, "batch latent"]:
        known = min(max(moment, EDGE), 1 - EDGE)
        return self.velocity(at, torch.full((len(at),), known, device=at.device), labels)


def flow_cost(latent: int, classes: int, recipe: GenerateRecipe) -> tuple[float, float]:
    """Seconds and operations that a flow's training takes, from its first steps."""
    flow, data = FlowPrior(latent, classes, recipe.flow_units(latent)), torch.zeros(BATCH, latent)
    some = recipe.changed(flow_steps=PROBED)
    with torch.random.fork_rng(devices=[]):
        _, flops = count_flops(lambda: flow.fit(data, data, None, some))
        begin = time.perf_counter()
        flow.fit(data, data, None, some)
        seconds = time.perf_counter() - begin
    return seconds / PROBED * recipe.flow_steps, flops / PROBED * recipe.flow_steps
