"""The optimisers that a parameter group can name, and all optimisers of a training stepped together."""

from collections.abc import Iterator

from torch import Tensor

from trine.nn.muon import Muon
from trine.nn.optimisers import SGD, AdamW, Optimiser, laid_out_as
from trine.train.objective import ParameterGroup

OPTIMISERS: dict[str, type[Optimiser]] = {"muon": Muon, "sgd": SGD, "adamw": AdamW}


class GroupedOptimisers:
    """One optimiser per parameter group, stepped together; their state is one flat dict of tensors."""

    def __init__(self, groups: list[ParameterGroup]) -> None:
        self.groups = [group for group in groups if group.parameters]
        self.optimisers = [OPTIMISERS[group.optimiser](group.parameters, **group.options) for group in self.groups]
        self.rate = 1.0
        """Factor on every learning rate; halved after a non-finite loss."""

    def freeze(self, progress: float) -> int:
        """Differentiate only the groups that are still trained at `progress`; returns their number."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.requires_grad_(progress < group.until)
        return sum(progress < group.until for group in self.groups)

    def step(self, factor: float, progress: float) -> None:
        """Update all parameters at `factor` times their learning rates, then clear their gradients."""
        for group, optimiser in zip(self.groups, self.optimisers, strict=True):
            left = max(0.0, 1 - progress / group.until) if 0 < group.until < 1 else factor
            if progress < group.until:
                optimiser.step(group.learning_rate * left * self.rate)
            optimiser.clear_gradients()

    def discard_gradients(self) -> None:
        """Clear the gradients without an update."""
        for optimiser in self.optimisers:
            optimiser.clear_gradients()

    def state(self) -> dict[str, Tensor]:
        """Momenta and moments by `group.parameter.kind`."""
        return dict(self._entries())

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for number, (group, optimiser) in enumerate(zip(self.groups, self.optimisers, strict=True)):
            for index, parameter in enumerate(group.parameters):
                prefix = f"{number}.{index}."
                kept = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
                if kept:
                    optimiser.state[parameter] = {name: _for_parameter(parameter, v) for name, v in kept.items()}

    def clear(self) -> None:
        """Forget all momenta and moments."""
        for optimiser in self.optimisers:
            optimiser.state.clear()

    def _entries(self) -> Iterator[tuple[str, Tensor]]:
        for number, (group, optimiser) in enumerate(zip(self.groups, self.optimisers, strict=True)):
            for index, parameter in enumerate(group.parameters):
                for kind, value in optimiser.state.get(parameter, {}).items():
                    yield f"{number}.{index}.{kind}", value


def _for_parameter(parameter: Tensor, value: Tensor) -> Tensor:
    """The value in the parameter's memory layout; counters are scalars and keep theirs."""
    return laid_out_as(parameter, value) if value.shape == parameter.shape else value.to(parameter.device)
