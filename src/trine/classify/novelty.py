"""How unlike the training pictures a picture is, as a p-value against held-out pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor

from trine.classify.predictor import NOVEL, unlike_from
from trine.pictures.batches import evenly

QUANTILES = 512
"""Quantiles of the reference that a bundle stores."""
MOST_NOVEL = 0.0125
"""Largest p-value that is chosen as the one below which a picture counts as unlike the training pictures."""
CAUGHT = 0.95
"""Share of pictures of no class that should count as unlike: the p-value is raised for it."""
KEPT, NEAREST = 512, 3
"""Training pictures whose features are kept, and how many of the nearest ones a picture is compared with."""
CLOSE = 1e-3
"""Added to the distance to the neighbours before its logarithm: copies are at zero."""
DIFFERENCES = 25
"""Most points whose distances are computed from differences, not from products."""
LEAST_MOMENTS = 10
"""Held-out pictures from which mean and deviation of the scores are taken of them alone."""


@dataclass(frozen=True)
class Seen:
    """What is known of pictures: how they look, the inputs of the network's last layer, and its logits."""

    look: Float[Tensor, "n figures"]
    features: Float[Tensor, "n features"]
    logits: Float[Tensor, "n classes"]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.logits)

    def at(self, chosen: Tensor) -> "Seen":
        """The chosen pictures, by index or mask."""
        return Seen(self.look[chosen], self.features[chosen], self.logits[chosen])

    @classmethod
    def joined(cls, parts: "Sequence[Seen]") -> "Seen":
        """All pictures of the parts."""
        columns = ([getattr(part, name) for part in parts] for name in ("look", "features", "logits"))
        return cls(*map(torch.cat, columns))


class Novelty:
    """Novelty of a picture: the norm of four standardised scores, of which those below their mean count as zero.

    What is ordinary to one score does not excuse what is extreme to another: noise can have large logits.

    - Energy, −log Σ exp(logits) (Liu et al., 2020): high when the logits of all classes are small.
    - Relative Mahalanobis distance of the logits (Ren et al., 2021): distance to the nearest class mean minus distance
      to the overall mean.
    - Logarithm of the cosine distance to the nearest training pictures, between the square roots of the features, which
      no single large feature decides. With 1,280 features of 300 pictures, a covariance of them would be worth nothing.
    - Logarithm of the Mahalanobis distance of the look to the mean.

    Models of earlier versions have the sum of the first two.
    """

    def __init__(
        self,
        means: Float[Tensor, "known classes"],
        within: Float[Tensor, "classes classes"],
        centre: Float[Tensor, "classes"],
        overall: Float[Tensor, "classes classes"],
        scale: Float[Tensor, "moments scores"],
        reference: Float[Tensor, "quantiles"],
        neighbours: Float[Tensor, "kept features"] | None = None,
        look_centre: Float[Tensor, "figures"] | None = None,
        look_whitening: Float[Tensor, "figures figures"] | None = None,
        cut: Float[Tensor, ""] | None = None,
    ) -> None:
        self.means, self.within, self.centre, self.overall = means, within, centre, overall
        self.scale, self.reference = scale, reference
        self.neighbours, self.cut = neighbours, cut
        self.look_centre, self.look_whitening = look_centre, look_whitening

    @classmethod
    def fit(
        cls,
        known: Seen,
        labels: Int64[Tensor, "n"],
        held_out: Seen,
        outliers: Seen | None = None,
    ) -> "Novelty":
        """Means and covariances from training pictures, reference scores from held-out pictures.

        outliers   pictures of no class; the p-value that counts as unlike is chosen with them
        """
        fitted = cls._fit_parts(known, labels)
        scores = fitted._scores(held_out)
        moments = scores if len(scores) >= LEAST_MOMENTS else torch.cat([scores, fitted._scores(known)])
        return fitted._referred(scores, moments, outliers)

    @classmethod
    def cross_fitted(
        cls, seen: Seen, labels: Int64[Tensor, "n"], folds: Int64[Tensor, "n"], outliers: Seen | None = None
    ) -> "Novelty":
        """The same of one set of pictures: means and covariances of all, reference scores of each fold by the others.

        For features and logits that were not trained on the picture.
        """
        parts = [folds == fold for fold in torch.unique(folds)]
        raw = [cls._fit_parts(seen.at(~apart), labels[~apart])._scores(seen.at(apart)) for apart in parts]
        return cls._fit_parts(seen, labels)._referred(torch.cat(raw), torch.cat(raw), outliers)

    @property
    def unlike(self) -> float:
        """p-value below which a picture counts as unlike the training pictures."""
        return unlike_from(None if self.cut is None else self.cut.numpy())

    def score(self, seen: Seen) -> Float[Tensor, "n"]:
        """Novelty in standard deviations; a higher score is less like the training pictures."""
        return self._combined(self._scores(seen))

    def p_value(self, seen: Seen) -> Float[Tensor, "n"]:
        """Share of held-out pictures with at least this novelty; a small p-value means unlike the training pictures.

        Beyond the most novel held-out picture the share decays exponentially, at the rate of the tenth before it.
        """
        scores, count = self.score(seen).contiguous(), len(self.reference)
        below = (self.reference < scores[:, None]).sum(1)  # torch.searchsorted has no counterpart in ONNX
        share = (count - below + 1) / (count + 1)
        tail = self.reference[-max(3, count // 10) :]
        decay = (tail.mean() - tail[0]).clamp_min(0.5)
        return share * torch.exp(-(scores - self.reference[-1]).clamp_min(0) / decay)

    def state(self) -> dict[str, Tensor]:
        """The arguments of `__init__`, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def _fit_parts(cls, known: Seen, labels: Int64[Tensor, "n"]) -> "Novelty":
        """Means and covariances of training pictures, without scale and reference."""
        logits = known.logits
        classes, index = torch.unique(labels, return_inverse=True)
        means = torch.stack([logits[labels == label].mean(0) for label in classes])
        centre, look_centre = logits.mean(0), known.look.mean(0)
        return cls(
            means,
            _whitening(logits - means[index]),
            centre,
            _whitening(logits - centre),
            scale=torch.tensor([[0.0] * 4, [1.0] * 4]),
            reference=torch.zeros(1),
            neighbours=_directions(known.features[torch.from_numpy(evenly(len(known), KEPT))]),
            look_centre=look_centre,
            look_whitening=_whitening(known.look - look_centre),
        )

    def _referred(
        self, scores: Float[Tensor, "n scores"], moments: Float[Tensor, "m scores"], outliers: Seen | None
    ) -> "Novelty":
        """Set scale, reference and cut: from scores of held-out pictures, of all that the moments are taken of."""
        self.scale = torch.stack([moments.mean(0), moments.std(0).nan_to_num(1.0).clamp_min(1e-6)])
        sums = self._combined(scores)
        self.reference = torch.quantile(sums, torch.linspace(0, 1, min(QUANTILES, len(sums))))
        if outliers is not None and len(outliers):
            passing = float(torch.quantile(self.p_value(outliers), CAUGHT))
            self.cut = torch.tensor(min(MOST_NOVEL, max(NOVEL, 1.001 * passing)))
        return self

    def _combined(self, scores: Float[Tensor, "n scores"]) -> Float[Tensor, "n"]:
        standardised = (scores - self.scale[0]) / self.scale[1]
        return standardised.sum(1) if self.neighbours is None else standardised.clamp_min(0).norm(dim=1)

    def _scores(self, seen: Seen) -> Float[Tensor, "n scores"]:
        logits = seen.logits
        nearest = _squared_distances(logits @ self.within, self.means @ self.within).amin(1)
        overall = ((logits - self.centre) @ self.overall).square().sum(1)
        scores = [-torch.logsumexp(logits, 1), nearest - overall]
        if self.neighbours is not None:
            cosines = (_directions(seen.features) @ self.neighbours.T).topk(min(NEAREST, len(self.neighbours))).values
            scores.append(torch.log((1 - cosines.mean(1)).clamp_min(0) + CLOSE))
        if self.look_centre is not None and self.look_whitening is not None:
            scores.append(torch.log(((seen.look - self.look_centre) @ self.look_whitening).square().sum(1) + 1))
        return torch.stack(scores, 1)


def _squared_distances(
    points: Float[Tensor, "n classes"], means: Float[Tensor, "known classes"]
) -> Float[Tensor, "n known"]:
    """Squared distances of all points to all means."""
    if not torch.compiler.is_exporting():
        return torch.cdist(points, means).square()
    if len(means) <= DIFFERENCES:  # torch.cdist has no counterpart in ONNX; it takes differences up to here as well
        return (points[:, None] - means).square().sum(2)
    return points.square().sum(1, keepdim=True) - 2 * points @ means.T + means.square().sum(1)


def _directions(features: Float[Tensor, "n features"]) -> Float[Tensor, "n features"]:
    """Square roots of the features, negative ones as zero, scaled to length 1."""
    return F.normalize(features.clamp_min(0).sqrt(), dim=1).contiguous()


def _whitening(centred: Float[Tensor, "n classes"]) -> Float[Tensor, "classes classes"]:
    """Matrix that transforms the vectors to uncorrelated components of unit variance."""
    vectors = centred.double()
    covariance = vectors.T @ vectors / len(vectors)
    ridge = 1e-2 * covariance.diagonal().mean() + 1e-9
    identity = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge * identity))
    return factor.float().contiguous()  # the memory layout of a loaded bundle: products then agree to the last bit
