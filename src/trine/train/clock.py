"""How far a training has come: steps taken, steps left, and the progress from 0 to 1 that schedules follow."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Progress that stays smooth when the number of steps left is changed on the way."""

    total: int
    step: int = 0
    anchor_step: int = 0
    anchor_progress: float = 0.0

    @property
    def progress(self) -> float:
        """The share of the training done before the coming step."""
        return self.progress_at(self.step)

    def progress_at(self, step: int) -> float:
        """The progress before a step at or after the last refit."""
        span = max(1, self.total - self.anchor_step)
        return self.anchor_progress + (1 - self.anchor_progress) * (step - self.anchor_step) / span

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.total

    def refit(self, total: int) -> None:
        """End at step `total` instead; progress goes on from where it is, at another pace."""
        self.anchor_progress, self.anchor_step = self.progress, self.step
        self.total = max(total, self.step + 1)
