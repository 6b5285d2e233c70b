"""What a network makes of pictures that it has not learned, and what that gives: calibration, promise, typicality."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from trine import files
from trine.classify.balance import as_answered
from trine.classify.calibration import Promise, promise, useful_temperature
from trine.classify.novelty import Novelty, Seen


@dataclass(frozen=True)
class HeldOut:
    """Held-out pictures as a network sees them, with their true classes."""

    seen: Seen
    labels: Int64[Tensor, "n"]
    folds: Int64[Tensor, "n"] | None = None
    """The folds of a cross-validation on the training pictures; none for a validation split."""

    def balanced(self, balance: str) -> "HeldOut":
        """As many answers of each class, some of them repeated, if the training balances the classes."""
        rows = as_answered(self.labels, balance)
        return HeldOut(self.seen.at(rows), self.labels[rows])

    def signed_confidence(self, temperature: float) -> Float[Tensor, "n"]:
        """Probability of each answer, negative where it is wrong."""
        best = torch.softmax(self.seen.logits.double() / temperature, 1).max(1)
        return torch.where(best.indices == self.labels, best.values, -best.values)

    def temperature(self) -> float:
        """Divisor of the logits that calibrates the probabilities."""
        return files.rounded(useful_temperature(self.seen.logits, self.labels))  # type: ignore[no-any-return]

    def promise(self, temperature: float, target: float) -> Promise:
        """What can be shown of the answers at this temperature; `target` is the accuracy that is asked for."""
        signed = self.signed_confidence(temperature).numpy()
        confidence, correct = abs(signed), signed > 0
        found = promise(confidence, correct, target, 0 if self.folds is None else len(torch.unique(self.folds)))
        shown = math.floor(10_000 * found.accuracy) / 10_000  # never more than is shown
        return replace(found, threshold=files.rounded(found.threshold), accuracy=shown)

    def novelty(self, known: Seen, labels: Int64[Tensor, "m"], outliers: Seen) -> Novelty:
        """The reference of typical pictures, by training pictures that are known and by pictures of no class."""
        if self.folds is None:
            return Novelty.fit(known, labels, self.seen, outliers)
        return Novelty.cross_fitted(self.seen, self.labels, self.folds, outliers)
