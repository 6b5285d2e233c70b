"""What a network makes of pictures that it has not learned, and what that gives: calibration, promise, typicality."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor

from trine import files
from trine.classify.calibration import Promise, promise, useful_temperature
from trine.classify.novelty import Novelty, Seen


@dataclass(frozen=True)
class HeldOut:
    """Held-out pictures as a network sees them, with their true classes."""

    seen: Seen
    labels: Int64[Tensor, "n"]
    folds: Int64[Tensor, "n"] | None = None
    """The folds of a cross-validation on the training pictures; none for a validation split."""

    def temperature(self) -> float:
        """Divisor of the logits that calibrates the probabilities."""
        return files.rounded(useful_temperature(self.seen.logits, self.labels))  # type: ignore[no-any-return]

    def promise(self, temperature: float, target: float) -> Promise:
        """What can be shown of the answers at this temperature; `target` is the accuracy that is asked for."""
        confidence = torch.softmax(self.seen.logits.double() / temperature, 1).amax(1).numpy()
        correct = (self.seen.logits.argmax(1) == self.labels).numpy()
        found = promise(confidence, correct, target, 0 if self.folds is None else len(torch.unique(self.folds)))
        return replace(found, threshold=files.rounded(found.threshold), accuracy=files.rounded(found.accuracy))

    def novelty(self, known: Seen, labels: Int64[Tensor, "m"], outliers: Seen) -> Novelty:
        """The reference of typical pictures, by training pictures that are known and by pictures of no class."""
        if self.folds is None:
            return Novelty.fit(known, labels, self.seen, outliers)
        return Novelty.cross_fitted(self.seen, self.labels, self.folds, outliers)
