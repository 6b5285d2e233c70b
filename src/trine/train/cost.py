"""What a training costs."""

from dataclasses import dataclass, fields


@dataclass
class Cost:
    """Cost of a training so far, over all its processes and resumes."""

    flops: float = 0.0
    """Operations of the steps."""
    prepared_flops: float = 0.0
    """Operations before the first step."""
    seconds: float = 0.0
    """Time in training steps and validations."""
    step_seconds: float = 0.0
    """Time in training steps alone, batches included."""
    samples: int = 0
    """Samples of all steps, repeated ones included."""

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def pflop(self) -> float:
        """All operations, in 10¹⁵."""
        return (self.flops + self.prepared_flops) / 1e15

    def add_step(self, flops: float, seconds: float, samples: int) -> None:
        """Count one step, whether or not its update is kept."""
        self.flops += flops
        self.seconds += seconds
        self.step_seconds += seconds
        self.samples += samples

    @property
    def gflops(self) -> float:
        """Rate of the steps, in GFLOP/s."""
        return self.flops / self.step_seconds / 1e9 if self.step_seconds else 0.0

    @property
    def sample_rate(self) -> float:
        """Samples per second of step time."""
        return self.samples / self.step_seconds if self.step_seconds else 0.0
