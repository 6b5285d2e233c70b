"""The pictures of each step.

- Early epochs show each picture once, in a new random order.
- Later epochs leave out the pictures with the smallest losses: their gradients are small, and the saved steps go to the
  others. The losses are those of the training steps themselves, so the choice costs nothing. A picture that was left
  out returns when the losses of others have become smaller.
- Where many labels look wrong, later epochs show all pictures: the largest losses would be those of wrong labels.
- With uneven classes, every epoch can show as many pictures of each class.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from trine.classify.balance import balanced_order
from trine.classify.label_evidence import LabelEvidence
from trine.device import Device
from trine.pictures.batches import epoch_order


class Sampler:
    """The order of a training's pictures. Everything that it depends on is in `state`."""

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        device: Device,
        hard_share: float = 1.0,
        hard_from: float = 1.0,
        evidence: LabelEvidence | None = None,
        trusting: bool = False,
        evenly: Int64[Tensor, "count"] | None = None,
    ) -> None:
        """Choose from `count` pictures.

        evidence   tells whether the labels are noisy, unless the sampler is `trusting`
        evenly     labels of the pictures: every epoch shows as many of each, and all epochs choose from all pictures
        """
        self.count, self.batch_size, self.seed, self.device = count, batch_size, seed, device
        self.hard_share, self.hard_from = 1.0 if evenly is not None else hard_share, hard_from
        self.evidence, self.trusting, self.evenly = evidence, trusting, evenly
        self.noisy: bool | None = None
        """Whether the labels are noisy; found out when the first epoch begins that would leave pictures out."""
        self.epoch, self.place = -1, 0
        self.order = torch.zeros(0, dtype=torch.int64)
        self.losses = torch.full((count,), torch.inf)
        self.seen = torch.full((count,), torch.inf)
        """Losses since the last `gather`, for the pictures that this process has shown."""

    @property
    def chooses(self) -> bool:
        """Whether later epochs leave pictures out, so that losses are needed."""
        return self.hard_share < 1

    def next(self, progress: float) -> tuple[int, Int64[Tensor, "batch"]]:
        """The epoch, and this process's share of the next batch; pictures that do not fill a batch are left out."""
        if self.place + self.batch_size > len(self.order):
            self._begin_epoch(progress)
        whole = self.order[self.place : self.place + self.batch_size]
        self.place += self.batch_size
        return self.epoch, whole[self.device.rank :: self.device.world]

    def learn(self, indices: Int64[Tensor, "batch"], losses: Float[Tensor, "batch"]) -> None:
        """Record the losses of pictures that were just shown."""
        self.seen[indices] = losses.detach().float().cpu()

    def gather(self) -> None:
        """Take in what all processes have recorded since the last time."""
        if self.evidence is not None:
            self.evidence.gather()
        known = self.seen.isfinite()
        shown = self.device.total(known.float())
        losses = self.device.total(self.seen.where(known, 0.0)) / shown.clamp_min(1)
        self.losses = losses.where(shown > 0, self.losses)
        self.seen.fill_(torch.inf)

    def state(self) -> dict[str, Tensor]:
        """Everything that the next batches depend on."""
        place = torch.tensor([self.epoch, self.place, -1 if self.noisy is None else int(self.noisy)])
        return {"place": place, "order": self.order, "losses": self.losses, "seen": self.seen}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.epoch, self.place, *noisy = state["place"].tolist()
        self.noisy = bool(noisy[0]) if noisy and noisy[0] >= 0 else None
        self.order, self.losses, self.seen = state["order"], state["losses"].clone(), state["seen"].clone()

    def _begin_epoch(self, progress: float) -> None:
        if self.chooses:
            self.gather()
        self.epoch, self.place = self.epoch + 1, 0
        self.order = self._order(self._kept(progress))

    def _kept(self, progress: float) -> int:
        """Number of pictures in an epoch that starts now."""
        if not self.chooses or progress < self.hard_from or self._is_noisy():
            return self.count
        return max(self.batch_size, int(self.hard_share * self.count))

    def _is_noisy(self) -> bool:
        if self.noisy is None:
            self.noisy = self.evidence is not None and not self.trusting and self.evidence.noisy()
        return self.noisy

    def _order(self, kept: int) -> Int64[Tensor, "kept"]:
        if self.evenly is not None:
            return balanced_order(self.evenly, self.seed, self.epoch)
        order = epoch_order(self.seed, self.epoch, self.count)
        if kept == self.count:
            return order
        hardest = self.losses[order].topk(kept, sorted=False).indices
        return order[hardest.sort().values]
