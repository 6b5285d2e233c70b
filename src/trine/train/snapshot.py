"""The whole state of a training as a checkpoint, and back."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from trine.errors import CheckpointError
from trine.train.checkpoint import Checkpoint
from trine.train.cost import Cost

if TYPE_CHECKING:
    from trine.train.loop import Training


def snapshot(training: "Training") -> Checkpoint:
    """A copy of all that the coming steps depend on."""
    parts = {
        "model": training.model.state_dict(),
        "average": training.average.state() if training.average else {},
        "optimiser": training.optimisers.state(),
        "objective": training.objective.state(),
    }
    state = {
        "clock": asdict(training.clock),
        "cost": asdict(training.cost),
        "rate": training.optimisers.rate,
        "restarts": training.restarts,
        "figures": training.figures,
        "phase_flops": dict(training.phase_flops),
        "spent": training.budget.elapsed if training.budget else 0.0,
        "reserve": training.budget.reserve if training.budget else 0.0,
    }
    tensors = {f"{part}.{name}": value.clone() for part, values in parts.items() for name, value in values.items()}
    return Checkpoint(training.clock.step, tensors, state)


def restore(training: "Training", saved: Checkpoint) -> None:
    """Take the training back to a checkpoint. Raises `CheckpointError` when it is of another network."""
    try:
        training.model.load_state_dict(saved.part("model"))
        if training.average:
            training.average.load_state(saved.part("average"))
    except RuntimeError as problem:
        raise CheckpointError(
            f"{training.run.checkpoints}: of another network ({problem}): choose another --out"
        ) from None
    training.optimisers.load_state(saved.part("optimiser"))
    training.objective.load_state(saved.part("objective"))
    training.clock.__dict__.update(saved.state["clock"])
    training.cost = Cost(**saved.state["cost"])
    training.optimisers.rate, training.restarts = saved.state["rate"], saved.state["restarts"]
    training.figures = saved.state["figures"]
    training.phase_flops = {**training.phase_flops, **saved.state["phase_flops"]}
