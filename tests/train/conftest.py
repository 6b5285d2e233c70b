"""A small training that stands for any: a straight line through noisy points, with dropout so that chance counts."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trine.device import Device
from trine.progress import Figures, Reporter
from trine.recipe import Recipe
from trine.train.loop import TrainingLoop
from trine.train.objective import Objective, ParameterGroup
from trine.train.run import Run


class Line(Objective):
    """Fits y = 3x - 1; `spoil` says at which steps and which times the loss is not finite."""

    def __init__(self, recipe: Recipe, steps: int = 20, spoil: Callable[[int, int], bool] = lambda *_: False) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.length, self.spoil = recipe, steps, spoil
        self.network = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))
        self.visits: dict[int, int] = {}
        self.rates: list[float] = []

    def steps(self) -> int:
        return self.length

    def batch(self, step: int) -> dict[str, Any]:
        self.visits[step] = self.visits.get(step, 0) + 1
        x = torch.randn(16, 1, generator=torch.Generator().manual_seed(step))
        return {"x": x, "y": 3 * x - 1, "spoilt": self.spoil(step, self.visits[step])}

    def samples(self, batch: dict[str, Any]) -> int:
        return len(batch["x"])

    def loss(self, network: nn.Module, batch: dict[str, Any], progress: float) -> Tensor:
        loss = (network(batch["x"]) - batch["y"]).square().mean()
        return loss * torch.nan if batch["spoilt"] else loss

    def parameter_groups(self) -> list[ParameterGroup]:
        weights, biases = (
            [value for value in self.network.parameters() if (value.dim() > 1) is matrix] for matrix in (True, False)
        )
        return [ParameterGroup("muon", weights, 0.02), ParameterGroup("adamw", biases, 0.01)]

    def validate(self, network: nn.Module) -> Figures:
        x = torch.linspace(-1, 1, 32)[:, None]
        with torch.no_grad():
            return {"loss": float((network.eval()(x) - 3 * x + 1).square().mean())}


class Heard(Reporter):
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[int, int]] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def advance(self, step: int, total: int, figures: Figures) -> None:
        self.steps.append((step, total))

    def close(self) -> None:
        pass


@pytest.fixture
def training(tmp_path):
    """Make a training of a line in a run folder; another call with the same folder is a new process's view of it."""

    def make(folder="run", steps=20, spoil=lambda *_: False, budget=None, **settings):
        recipe = Recipe.preset(**{"checkpoint_seconds": 0, "ema_decay": 0.9, "gradient_clip": 5.0, **settings})
        run = Run(tmp_path / folder)
        return TrainingLoop(Line(recipe, steps, spoil), run, Device("cpu", bfloat16=False), Heard(), budget)

    return make
