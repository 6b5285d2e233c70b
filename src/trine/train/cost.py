"""What a training costs while it goes on."""

from dataclasses import dataclass


@dataclass
class Cost:
    """What the training has cost so far, over all its processes and resumes."""

    flops: float = 0.0
    """Operations of the steps."""
    prepared_flops: float = 0.0
    """Operations beside the steps."""
    seconds: float = 0.0
    """Time in training steps and validations."""
    step_seconds: float = 0.0
    """Time in training steps alone, batches included."""
    samples: int = 0

    @property
    def pflop(self) -> float:
        """All operations, in 10¹⁵."""
        return (self.flops + self.prepared_flops) / 1e15

    def add_step(self, flops: float, seconds: float, samples: int) -> None:
        """One more step, whether or not its update is kept."""
        self.flops += flops
        self.seconds += seconds
        self.step_seconds += seconds
        self.samples += samples

    @property
    def gflops(self) -> float:
        """The rate held through the steps, in GFLOP/s."""
        return self.flops / self.step_seconds / 1e9 if self.step_seconds else 0.0

    @property
    def sample_rate(self) -> float:
        """Samples a second of step time."""
        return self.samples / self.step_seconds if self.step_seconds else 0.0
