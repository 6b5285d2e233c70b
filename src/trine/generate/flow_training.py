"""The objective of the flow prior: flow matching on the posteriors of the training pictures.

The training loop runs it as a second stage, after the network is trained.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

from trine.device import Device
from trine.generate.map_flow import MapFlow
from trine.generate.prior import Flow, FlowPrior
from trine.generate.recipe import GenerateRecipe
from trine.progress import Figures
from trine.recipe import Recipe
from trine.train.objective import Objective, ParameterGroup
from trine.train.step import stage_seconds

BATCH, MAP_BATCH = 512, 256
"""Latent vectors and latent maps per step."""
CLIP = 1.0
"""Largest norm of the gradient: without a limit, a wide flow can lose in one step what it has learned."""
RATE, MAP_RATE = 7e-3, 4e-3
"""AdamW's peak learning rate, for vectors and for maps."""
RATED_WIDTH = 256
"""Width of a flow of vectors up to which that is its rate; a wider one has a lower rate, in inverse proportion."""
SPREAD = 0.5
"""Training times are sigmoid(0.5 · N(0, 1)): most are near 0.5, where the direction is hardest to predict
(Esser et al., "Scaling rectified flow transformers", 2024)."""
VALIDATIONS = 4
"""Validations during the flow's training; they are recorded only."""


@dataclass(frozen=True)
class Posteriors:
    """Posteriors of pictures' latent vectors."""

    means: Float[Tensor, "n latent"]
    deviations: Float[Tensor, "n latent"]
    labels: Int64[Tensor, "n"] | None
    """Class of each picture, or the number of classes for an unknown label; None for a model without labels."""

    def __len__(self) -> int:
        return len(self.means)

    def paths(self, chosen: Int64[Tensor, "batch"], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Training paths to samples of the chosen posteriors: `start`, `end`, `time` t in (0, 1), and `labels` if any.

        generator   source of the random numbers; without, torch's global one, as in training
        """
        shape = self.means[chosen].shape
        noise, start = torch.randn(2, *shape, generator=generator).unbind()
        time = torch.sigmoid(SPREAD * torch.randn(len(chosen), generator=generator))
        paths = {"start": start, "end": self.means[chosen] + self.deviations[chosen] * noise, "time": time}
        return paths if self.labels is None else {**paths, "labels": self.labels[chosen]}


class FlowObjective(Objective):
    """Mean squared error of the velocity on straight paths from noise to latents; AdamW with a cosine schedule."""

    unit: ClassVar[str] = "latents"
    closing_validations = 0.0
    network: Flow

    def __init__(
        self, flow: Flow, recipe: GenerateRecipe, train: Posteriors, held_out: Posteriors, device: Device
    ) -> None:
        flow.scale_to(train.means, train.deviations)
        self.network, self.device = flow, device
        self.train, self.held_out = train, held_out
        self.of_maps, self.length = isinstance(flow, MapFlow), recipe.flow_steps
        self.batch_size = min(MAP_BATCH if self.of_maps else BATCH, len(train))
        self.recipe = Recipe(
            seed=recipe.seed,
            batch_size=self.batch_size,
            schedule="cosine",
            warmup=0.0 if self.of_maps else 0.02,
            gradient_clip=CLIP,
            precision="float32",
            validations=VALIDATIONS,
            checkpoint_seconds=recipe.checkpoint_seconds,
        )

    @override
    def steps(self) -> int:
        return self.length

    @override
    def batch(self, step: int) -> dict[str, Tensor]:
        return self._on_device(self.train.paths(torch.randint(len(self.train), (self.batch_size,))))

    @override
    def samples(self, batch: dict[str, Tensor]) -> int:
        return len(batch["start"])

    @override
    def loss(self, network: nn.Module, batch: dict[str, Tensor], progress: float) -> Float[Tensor, ""]:
        assert isinstance(network, Flow)
        end = (batch["end"] - network.mean) / network.deviation
        at = torch.lerp(batch["start"], end, batch["time"][:, None])
        return F.mse_loss(network.velocity(at, batch["time"], batch.get("labels")), end - batch["start"])

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        flow, rate = self.network, MAP_RATE
        if isinstance(flow, FlowPrior):
            rate = RATE * min(1.0, RATED_WIDTH / flow.first.out_features)
        return [ParameterGroup("adamw", list(flow.parameters()), rate)]

    @override
    def validate(self, network: nn.Module) -> Figures:
        generator = torch.Generator().manual_seed(self.recipe.seed)
        paths = self.held_out.paths(torch.arange(len(self.held_out)), generator)
        with torch.inference_mode():
            return {"loss": float(self.loss(network, self._on_device(paths), 1.0))}

    def _on_device(self, paths: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: values.to(self.device.name) for name, values in paths.items()}


def flow_seconds(flow: Flow, recipe: GenerateRecipe, device: Device) -> float:
    """Duration of a flow's training with this recipe, in seconds, estimated from a few steps, which change it."""
    latent = len(flow.mean)
    zeros = Posteriors(torch.zeros(BATCH, latent), torch.ones(BATCH, latent), None)
    return stage_seconds(FlowObjective(flow, recipe, zeros, zeros, device), device)
