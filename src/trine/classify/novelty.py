"""How unlike the training pictures a picture is, as a p-value against held-out pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

QUANTILES = 512
"""Quantiles of the reference that a bundle stores."""
NOVEL, MOST_NOVEL = 0.01, 0.015
"""p-value below which a picture counts as unlike the training pictures, and the largest that is chosen for it."""
CAUGHT = 0.95
"""Share of pictures of no class that should count as unlike: the p-value is raised for it."""
DIRECTIONS = 64
"""Principal components of the features that are told apart; all others have one variance."""
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
    - Logarithm of the Mahalanobis distance of the features to the nearest class mean.
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
        feature_means: Float[Tensor, "known features"] | None = None,
        feature_axes: Float[Tensor, "features directions"] | None = None,
        feature_deviations: Float[Tensor, "directions+1"] | None = None,
        look_centre: Float[Tensor, "figures"] | None = None,
        look_whitening: Float[Tensor, "figures figures"] | None = None,
        cut: Float[Tensor, ""] | None = None,
    ) -> None:
        self.means, self.within, self.centre, self.overall = means, within, centre, overall
        self.scale, self.reference = scale, reference
        self.feature_means, self.feature_axes, self.feature_deviations = feature_means, feature_axes, feature_deviations
        self.look_centre, self.look_whitening, self.cut = look_centre, look_whitening, cut

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
        return NOVEL if self.cut is None else round(float(self.cut), 6)

    def score(self, seen: Seen) -> Float[Tensor, "n"]:
        """Novelty in standard deviations; a higher score is less like the training pictures."""
        return self._combined(self._scores(seen))

    def p_value(self, seen: Seen) -> Float[Tensor, "n"]:
        """Share of held-out pictures with at least this novelty; a small p-value means unlike the training pictures.

        Beyond the most novel held-out picture the share decays exponentially, at the rate of the tenth before it.
        """
        scores, count = self.score(seen).contiguous(), len(self.reference)
        share = (count - torch.searchsorted(self.reference, scores) + 1) / (count + 1)
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
        feature_means = torch.stack([known.features[labels == label].mean(0) for label in classes])
        axes, deviations = _principal(known.features - feature_means[index])
        centre, look_centre = logits.mean(0), known.look.mean(0)
        return cls(
            means,
            _whitening(logits - means[index]),
            centre,
            _whitening(logits - centre),
            scale=torch.tensor([[0.0] * 4, [1.0] * 4]),
            reference=torch.zeros(1),
            feature_means=feature_means,
            feature_axes=axes,
            feature_deviations=deviations,
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
        return standardised.sum(1) if self.feature_means is None else standardised.clamp_min(0).norm(dim=1)

    def _scores(self, seen: Seen) -> Float[Tensor, "n scores"]:
        logits = seen.logits
        nearest = torch.cdist(logits @ self.within, self.means @ self.within).amin(1).square()
        overall = ((logits - self.centre) @ self.overall).square().sum(1)
        scores = [-torch.logsumexp(logits, 1), nearest - overall]
        if self.feature_means is not None:
            scores.append(torch.log(self._feature_distance(seen.features) + 1))
        if self.look_centre is not None and self.look_whitening is not None:
            scores.append(torch.log(((seen.look - self.look_centre) @ self.look_whitening).square().sum(1) + 1))
        return torch.stack(scores, 1)

    def _feature_distance(self, features: Float[Tensor, "n features"]) -> Float[Tensor, "n"]:
        """Squared Mahalanobis distance to the nearest class mean."""
        assert self.feature_means is not None
        assert self.feature_axes is not None
        assert self.feature_deviations is not None
        means, axes, deviations = self.feature_means, self.feature_axes, self.feature_deviations
        along, means_along = features @ axes, means @ axes
        within = torch.cdist(along / deviations[:-1], means_along / deviations[:-1]).square()
        beside = torch.cdist(features, means).square() - torch.cdist(along, means_along).square()
        return (within + beside.clamp_min(0) / deviations[-1].square()).amin(1)


def _principal(
    centred: Float[Tensor, "n features"],
) -> tuple[Float[Tensor, "features directions"], Float[Tensor, "directions+1"]]:
    """Principal directions, and the deviations along them and along any other direction.

    There is one direction per four pictures at most: so many variances can be told from the pictures.
    """
    count, size = centred.shape
    keep = max(1, min(DIRECTIONS, size - 1, count // 4))
    if count > size:
        ascending, columns = torch.linalg.eigh(centred.double().T @ centred.double() / count)
        variances, vectors = ascending.flip(0).clamp_min(0), columns.flip(1).T
    else:
        _, values, vectors = torch.linalg.svd(centred.double(), full_matrices=False)
        variances = values.square() / count
    keep = min(keep, len(variances))
    rest = variances[keep:].sum() / max(1, size - keep)
    floor = 1e-3 * variances.sum() / size + 1e-9
    deviations = torch.cat([variances[:keep], rest[None]]).clamp_min(float(floor)).sqrt()
    return vectors[:keep].T.float().contiguous(), deviations.float()


def _whitening(centred: Float[Tensor, "n classes"]) -> Float[Tensor, "classes classes"]:
    """Matrix that transforms the vectors to uncorrelated components of unit variance."""
    vectors = centred.double()
    covariance = vectors.T @ vectors / len(vectors)
    ridge = 1e-2 * covariance.diagonal().mean() + 1e-9
    identity = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge * identity))
    return factor.float().contiguous()  # the memory layout of a loaded bundle: products then agree to the last bit
