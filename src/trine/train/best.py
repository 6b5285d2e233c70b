"""The best validation of a training, with the weights that it was measured on."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from trine.progress import Figures


@dataclass
class Best:
    """Weights and figures of the best validation so far."""

    step: int
    score: float
    """Lower is better."""
    figures: Figures
    weights: dict[str, Tensor]
    worse: int = 0
    """Validations since then, without a break up to the last, that are worse by more than their noise."""

    @classmethod
    def of(cls, network: nn.Module, step: int, score: float, figures: Figures) -> "Best":
        """A copy of the network's weights, with the figures of its validation."""
        return cls(step, score, figures, {name: value.clone() for name, value in network.state_dict().items()})

    def count(self, score: float, noise: float) -> None:
        """Take note of a later validation."""
        self.worse = self.worse + 1 if not score <= self.score + noise else 0

    def restore(self, network: nn.Module) -> None:
        """Give a network these weights."""
        network.load_state_dict(self.weights)

    def state(self) -> dict[str, Any]:
        """All but the weights, for a checkpoint's JSON."""
        return {name: value for name, value in vars(self).items() if name != "weights"}
