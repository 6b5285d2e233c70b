"""What the steps of a training show about the label of each picture, at no further cost.

- The margin is the logit of the label minus the largest other one. Its mean over the training is small for wrong
  labels: a network learns first what pictures have in common (area under the margin: Pleiss et al., 2020).
- Labels are noisy where even the pictures that the network is surest about often have another label. A network that is
  just weak errs on pictures that it is not sure about.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from trine.device import Device

UNTIL = 0.6
"""Share of the training in which margins are recorded: later, many passes over few pictures teach wrong labels, too."""
SUREST = 0.1
"""Share of the pictures, those of the surest answers, whose labels tell whether labels are noisy."""
NOISY = 0.06
"""Share of these with another label from which labels are noisy. CIFAR-10 at a third of a training: 0.6 % of 10,000
pictures, 4 % of 2,000; with 20 % wrong labels 22 and 25 %."""
FINENESS = 2.0**-16
"""Margins are recorded as multiples of this, in double precision: their sum does not depend on its order."""


class LabelEvidence:
    """Answers and margins of the training pictures. Everything that it knows is in `state`."""

    progress = 0.0
    """That of the training, from 0 to 1."""

    def __init__(self, count: int, device: Device) -> None:
        self.device = device
        self.answers = torch.zeros(count)
        """Probability of the last answer, negative where it was not the label; 0: not shown yet."""
        self.margins, self.shown = torch.zeros(2, count, dtype=torch.float64)
        """Sum of the margins, and how often the picture was shown."""
        self.fresh = torch.zeros(3, count, dtype=torch.float64)
        """The same since the last `gather`, in this process: last answer, sum of margins, and how often shown."""

    def learn(
        self, indices: Int64[Tensor, "batch"], logits: Float[Tensor, "batch classes"], labels: Int64[Tensor, "batch"]
    ) -> None:
        """Record the answers for pictures that were just shown, until `UNTIL`."""
        if self.progress >= UNTIL:
            return
        values = logits.detach().float()
        best = values.softmax(1).max(1)
        own = values.gather(1, labels[:, None]).squeeze(1)
        margins = own - values.scatter(1, labels[:, None], -torch.inf).amax(1)
        margins = (margins / FINENESS).round() * FINENESS
        answers = torch.where(best.indices == labels, best.values, -best.values)
        seen = torch.stack([margins, torch.ones_like(margins)]).cpu().double()
        self.fresh[0, indices.cpu()] = answers.cpu().double()
        self.fresh[1:].index_add_(1, indices.cpu(), seen)

    def gather(self) -> None:
        """Take in what all processes have recorded since the last time."""
        answers, margins, shown = self.device.total(self.fresh)
        processes = self.device.total((self.fresh[2] > 0).double())
        self.answers = torch.where(shown > 0, answers / processes.clamp_min(1), self.answers).float()
        self.margins, self.shown = self.margins + margins, self.shown + shown
        self.fresh.zero_()

    @property
    def mean_margins(self) -> Float[Tensor, "count"]:
        """Mean margin of each picture; 0 for one that was never shown."""
        mean: Tensor = self.margins / self.shown.clamp_min(1)
        return mean.float()

    def noisy(self) -> bool:
        """Whether many labels look wrong."""
        return contradicted(self.answers[self.answers != 0]) > NOISY

    def state(self) -> dict[str, Tensor]:
        """Everything that is known so far."""
        return {"answers": self.answers, "margins": self.margins, "shown": self.shown, "fresh": self.fresh}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned; nothing for a checkpoint of a version that kept none."""
        for name, value in self.state().items():
            if name in state:
                setattr(self, name, state[name].to(value.dtype, copy=True))


def contradicted(answers: Float[Tensor, "n"]) -> float:
    """Share of the surest answers that are not the label: probabilities, negative where they are not."""
    surest = answers.abs().topk(round(SUREST * len(answers))).indices
    return float((answers[surest] < 0).float().mean()) if len(surest) else 0.0
