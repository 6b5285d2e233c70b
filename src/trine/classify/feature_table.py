"""Features of augmented pictures, computed once: as many views of as many pictures as there is time for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

FEATURE_BYTES = 2**29
"""Largest size of the features that are kept: half a gibibyte."""


@dataclass
class FeatureTable:
    """Features of the first pictures of `order`, in several views; the last view may have fewer pictures."""

    order: Int64[Tensor, "n"]
    views: list[Float[Tensor, "_ features"]]

    @classmethod
    def computed(
        cls,
        order: Int64[Tensor, "n"],
        at_once: int,
        most: int,
        features: Callable[[Int64[Tensor, "batch"], int], Float[Tensor, "batch features"]],
        goes_on: Callable[[int], bool],
    ) -> "FeatureTable":
        """View by view, `at_once` pictures at a time, up to `most` views, while `goes_on` says so of the rows so far.

        At least one batch is computed.
        """
        views: list[list[Tensor]] = []
        rows = 0
        for epoch in range(most):
            parts: list[Tensor] = []
            for chosen in torch.split(order, at_once):
                if rows and not goes_on(rows):
                    break
                parts.append(features(chosen, epoch))
                rows += len(chosen)
            views += [parts] if parts else []
            if sum(map(len, parts)) < len(order):
                break
        return cls(order, [torch.cat(parts) for parts in views])

    def __len__(self) -> int:
        """Number of pictures with features."""
        return len(self.views[0])

    @property
    def rows(self) -> int:
        """Number of features of all views."""
        return sum(map(len, self.views))

    def pick(self, places: Int64[Tensor, "batch"], epoch: int) -> Float[Tensor, "batch features"]:
        """Features of the pictures at these places of `order`, in the view of an epoch."""
        view = self.views[epoch % len(self.views)]
        if len(view) == len(self):
            return view[places]
        other = self.views[(epoch + 1) % len(self.views)]
        has = places < len(view)
        return torch.where(has[:, None], view[places.clamp_max(len(view) - 1)], other[places])


def most_views(pictures: int, features: int, most: int) -> int:
    """Number of views whose features fit into `FEATURE_BYTES`; at least one, at most `most`."""
    return max(1, min(most, FEATURE_BYTES // (4 * features * max(1, pictures))))
