"""Priors: distributions that latent vectors are sampled from. N(0, I), or one fitted to latents after the training.

The bound always uses the model's own prior N(0, I). A fitted prior improves the pictures: latents of real pictures
cover only a part of N(0, I), and the decoder is trained on that part only (Dai and Wipf, "Diagnosing and enhancing VAE
models", 2019; Ghosh et al., "From variational to deterministic autoencoders", 2020).
"""

import warnings
from abc import abstractmethod

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

FREQUENCIES = 8
"""Number of frequencies in the flow's time embedding."""
LABEL_FEATURES = 32
"""Width of the flow's label embedding."""
CONDITIONS = 2 * FREQUENCIES + LABEL_FEATURES
"""Number of values that a flow's velocity depends on beside the latents."""
PATH_STEPS = 12
"""Integration steps from noise to latent: each costs two evaluations of the velocity."""
EDGE = 0.2
"""Times t below 0.2 and above 0.8 are rarely trained: there the velocity of the nearest trained time is used."""
MOST_FITTED = 5_000
"""Largest number of latents that a mixture is fitted to: enough for its covariances, in about a second."""


class Prior(nn.Module):
    """A distribution of latent vectors, as a function of noise: the same noise gives the same latent vector."""

    @abstractmethod
    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
        guidance: float = 1.0,
    ) -> Float[Tensor, "batch latent"]:
        """Latent vectors.

        noise      N(0, I) noise
        chance     one uniform number per latent vector
        labels     class of each; None when it is unknown
        guidance   how much more they are like those of their class than like others; only flows know classes
        """


class NormalPrior(Prior):
    """The model's own prior N(0, I)."""

    @override
    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
        guidance: float = 1.0,
    ) -> Float[Tensor, "batch latent"]:
        return noise


class MixturePrior(Prior):
    """A mixture of normal distributions, independent of the label."""

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
        """Fit the mixture by expectation maximisation (scikit-learn).

        With fewer latents than components, as many components as latents are fitted, and each is stored several times.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        values = latents[torch.randperm(len(latents), generator=torch.Generator().manual_seed(seed))[:MOST_FITTED]]
        settings = {"tol": 1e-2, "reg_covar": 1e-4, "init_params": "k-means++"}
        fitted = min(len(self.weights), len(values))
        mixture = GaussianMixture(fitted, random_state=seed, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a nearly converged mixture is good enough
            mixture.fit(values.double().numpy())
        kept = np.arange(len(self.weights)) % fitted
        self.weights.copy_(torch.from_numpy((mixture.weights_ / np.bincount(kept))[kept]))
        self.means.copy_(torch.from_numpy(mixture.means_[kept]))
        self.factors.copy_(torch.from_numpy(np.linalg.cholesky(mixture.covariances_)[kept]))

    @override
    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
        guidance: float = 1.0,
    ) -> Float[Tensor, "batch latent"]:
        below = self.weights.cumsum(0) < chance[:, None]  # torch.searchsorted has no counterpart in ONNX
        chosen = below.sum(1).clamp_max(len(self.weights) - 1)
        return self.means[chosen] + torch.einsum("bij,bj->bi", self.factors[chosen], noise)


class Flow(Prior):
    """Flow matching: a velocity field from noise at time t = 0 to latents at time t = 1, conditional on the label.

    Lipman et al., "Flow matching for generative modeling", 2023. Latents are scaled to mean 0 and
    deviation 1.
    """

    def __init__(self, latent: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("deviation", torch.ones(latent))
        self.labels = nn.Embedding(classes + 1, LABEL_FEATURES)

    mean: Tensor
    deviation: Tensor

    def scale_to(self, means: Float[Tensor, "n latent"], deviations: Float[Tensor, "n latent"]) -> None:
        """Set the scale to that of samples from posteriors with these means and standard deviations."""
        self.mean.copy_(means.mean(0))
        self.deviation.copy_((means.var(0) + deviations.square().mean(0)).sqrt().clamp_min(1e-4))

    @abstractmethod
    def velocity(
        self, at: Float[Tensor, "batch latent"], time: Float[Tensor, "batch"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch latent"]:
        """Velocity of scaled latents `at` a point, at a time t in [0, 1]; without labels, for an unknown label."""

    def conditions(
        self, time: Float[Tensor, "batch"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch conditions"]:
        """What the velocity depends on beside the point: waves of the time, and the label's embedding."""
        waves = time[:, None] * torch.pi * 2.0 ** torch.arange(FREQUENCIES, device=time.device) / 4
        unknown = torch.full((time.shape[0],), self.classes, device=time.device)
        return torch.cat([waves.sin(), waves.cos(), self.labels(unknown if labels is None else labels)], 1)

    @override
    def forward(
        self,
        noise: Float[Tensor, "batch latent"],
        chance: Float[Tensor, "batch"],
        labels: Int64[Tensor, "batch"] | None,
        guidance: float = 1.0,
    ) -> Float[Tensor, "batch latent"]:
        at, step = noise, 1 / PATH_STEPS  # integrated by the midpoint rule
        for index in range(PATH_STEPS):
            middle = at + self._velocity_at(at, index * step, labels, guidance) * step / 2
            at = at + self._velocity_at(middle, (index + 0.5) * step, labels, guidance) * step
        return at * self.deviation + self.mean

    def _velocity_at(
        self, at: Tensor, time: float, labels: Tensor | None, guidance: float
    ) -> Float[Tensor, "batch latent"]:
        """Ho and Salimans, "Classifier-free diffusion guidance", 2022."""
        times = torch.full((at.shape[0],), min(max(time, EDGE), 1 - EDGE), device=at.device)
        velocity = self.velocity(at, times, labels)
        if labels is None or guidance == 1:
            return velocity
        of_any = self.velocity(at, times, None)
        return of_any + guidance * (velocity - of_any)


class FlowPrior(Flow):
    """A flow of vectors: dense layers."""

    def __init__(self, latent: int, classes: int, width: int) -> None:
        super().__init__(latent, classes)
        self.first = nn.Linear(latent + CONDITIONS, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.last = nn.Linear(width, latent)

    @override
    def velocity(
        self, at: Float[Tensor, "batch latent"], time: Float[Tensor, "batch"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch latent"]:
        hidden = F.silu(self.first(torch.cat([at, self.conditions(time, labels)], 1)))
        for layer in self.hidden:
            hidden = hidden + F.silu(layer(hidden))
        velocity: Tensor = self.last(hidden)
        return velocity
