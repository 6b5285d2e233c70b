"""The objective of classify where the last layer alone is trained, on features that are computed once."""

import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

from trine.classify.cross_validation import cross_validated, folds_of, spread
from trine.classify.feature_table import FeatureTable, most_views
from trine.classify.held_out import HeldOut
from trine.classify.look import look
from trine.classify.network import PictureNet
from trine.classify.novelty import Seen
from trine.classify.objective import FEWEST_HELD_OUT, PREPARED, Batch, ClassifyObjective, pieces
from trine.classify.prediction import predict_features
from trine.classify.recipe import ClassifyRecipe
from trine.classify.sampler import Sampler
from trine.device import Device
from trine.nn.operations import count_flops
from trine.pictures.batches import at_once, epoch_order, labels_of
from trine.pictures.groups import copies
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.progress import Figures
from trine.train.budget import CLOSING_SHARE, MEASURING, Budget
from trine.train.objective import ParameterGroup

PASSES, MOST_PASSES = 2, 24
"""Augmented views of each picture whose features are computed, and the largest number that a budget is used for."""
HEAD_SHARE = 0.05
"""Share of a budget for the steps of the last layer."""
HELD_OUT_SHARE = 0.1
"""Largest share of a budget for the features of held-out pictures."""
TIMED = 6
"""Pictures whose features are computed to know the pace."""
MOST_EPOCHS, MOST_STEPS = 40, 2_000
"""Epochs, or steps if these are more, after which the last layer has nothing left to gain."""


class HeadObjective(ClassifyObjective):
    """Trains the last layer alone, on features of several augmented views of each picture."""

    def __init__(self, network: PictureNet, recipe: ClassifyRecipe, pictures: PictureSet, device: Device) -> None:
        super().__init__(network, recipe, pictures, device)
        self.whole = network
        self.network = network.head  # type: ignore[assignment]
        self.closing_pictures -= min(PREPARED, len(self.train))  # their features are known
        self.picture_seconds = 0.0
        """Duration of the features of a picture."""
        self.held_out: Float[Tensor, "n features"] | None = None
        self.looks: Float[Tensor, "n figures"] | None = None
        """How the pictures of the table look, once it was asked for."""

    @override
    def prepare(self, budget: Budget | None, done: int | None = None) -> int:
        """Compute the features: with a budget, of as many pictures and views as fit; returns their number."""
        self.whole.to(self.device.name).eval()
        count, channels = len(self.labels), self.train.images.shape[1:3]
        begin = time.perf_counter()
        first, flops = count_flops(lambda: self._held_out(self.looked_at[:1]))
        self._held_out(self.looked_at[:1])
        self.picture_seconds = (time.perf_counter() - begin) / 2
        if budget and done is None:
            self.look_at(HELD_OUT_SHARE * budget.seconds / max(1e-9, self.picture_seconds * len(self.validation)))
        begin = time.perf_counter()
        self.held_out = self._held_out(self.looked_at).to(self.device.name)
        self.picture_seconds = (time.perf_counter() - begin) / len(self.looked_at)
        order = torch.arange(count) if budget is None else epoch_order(self.recipe.seed, 0, count)
        most = PASSES if budget is None else most_views(count, first.shape[1], MOST_PASSES)

        def goes_on(rows: int) -> bool:
            return rows < done if done is not None else budget is None or budget.elapsed < self._features_end(budget)

        self.table = FeatureTable.computed(order, at_once(*channels), most, self._view, goes_on)
        self.prepared_flops = float(flops) * (self.table.rows + len(self.looked_at))
        self.batch_size = min(self.batch_size, len(self.table))
        evenly = self.labels[self.table.order[: len(self.table)]] if self.recipe.balance == "sampling" else None
        self.sampler = Sampler(
            len(self.table), self.batch_size, self.recipe.seed, self.device, evidence=self.evidence, evenly=evenly
        )
        return self.table.rows

    @property
    @override
    def fewest_steps(self) -> int:
        return min(self.recipe.least_steps, self.most_steps)

    @property
    @override
    def most_steps(self) -> int:
        return max(MOST_STEPS, MOST_EPOCHS * self.epoch_steps)

    @override
    def closing_seconds(self, validation_seconds: float) -> float:
        return self.picture_seconds * self.closing_pictures

    @override
    def closing_seconds_now(self, validation_seconds: float) -> float:
        begin, few = time.perf_counter(), self.looked_at[:TIMED]
        self._held_out(few)
        self.picture_seconds = (time.perf_counter() - begin) / len(few)
        return self.closing_seconds(validation_seconds)

    @override
    def batch(self, step: int) -> Batch:
        epoch, places = self.sampler.next(self.progress)
        labelled = self._labelled(self.table.order[places])
        return {**labelled, "features": self.table.pick(places, epoch).to(self.device.name)}

    @override
    def loss(self, network: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        return self._cross_entropy(network(F.dropout(batch["features"], self.recipe.dropout)).float(), batch)

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        return [ParameterGroup("adamw", list(self.network.parameters()), self.recipe.adam_rate, {"weight_decay": 0.01})]

    @override
    def look_at(self, share: float) -> float:
        """Only before the features of held-out pictures are computed: afterwards, looking costs nothing."""
        return super().look_at(share if self.held_out is None else len(self.held_out) / len(self.validation))

    @override
    def validate(self, network: nn.Module) -> Figures:
        assert self.held_out is not None
        with torch.inference_mode(), self.device.autocast():
            return self._figures(network(self.held_out).float().cpu())

    @override
    def exploded(self, figures: Figures) -> bool:
        return False

    @override
    def typical(self, network: PictureNet, share: float) -> tuple[Seen, Int64[Tensor, "n"]]:
        """Those of the first view, whose features are known."""
        features = self.table.views[0][:PREPARED]
        known = self.table.order[: len(features)]
        if self.looks is None:
            self.looks = self._looks(self.train, known.numpy())
        with torch.inference_mode(), self.device.autocast():
            logits = network.head(features.to(self.device.name)).float().cpu()
        return Seen(self.looks, features, logits), known

    @override
    def answered(self, validated: Seen, share: float) -> HeldOut:
        """Where the validation split is small, cross-validated answers to all pictures whose features are known."""
        if len(self.validation) >= FEWEST_HELD_OUT:
            return super().answered(validated, share)
        assert self.held_out is not None
        seen, known = self.typical(self.whole, share)
        features = torch.cat([seen.features, self.held_out.cpu()])
        labels = torch.cat([self.labels[known], labels_of(self.validation)[torch.from_numpy(self.looked_at)]])
        chosen = known.numpy()
        own = copies(
            np.array(self.train.images[chosen]), self.labels[known].numpy(), [self.train.names[int(i)] for i in chosen]
        )
        groups = np.concatenate([own, len(own) + np.arange(len(self.looked_at))])
        folds = folds_of(labels, groups, self.recipe.seed)
        logits = cross_validated(features, labels, folds, self.whole.head.out_features, self.recipe)
        of_validation = logits[len(known) :]  # a layer of other steps has other logits: the whole model's count
        logits = logits * spread(validated.logits) / spread(of_validation).clamp_min(1e-9)
        looks = torch.cat([seen.look, self._looks(self.validation, self.looked_at)])
        return HeldOut(Seen(looks, features, logits), labels, folds)

    def _looks(self, split: PictureSplit, chosen: Int64[np.ndarray, "n"]) -> Float[Tensor, "n figures"]:
        return torch.cat([look(torch.from_numpy(np.array(part))) for part in pieces(split.images, chosen)])

    @override
    def trained_network(self, network: nn.Module) -> PictureNet:
        self.whole.head.load_state_dict(network.state_dict())
        return self.whole

    @override
    def preparation(self) -> str:
        pictures, count = len(self.table), len(self.labels)
        of = "all" if pictures == count else f"{pictures:,} of"
        views = self.table.rows / pictures
        return f"features of {of} {count:,} pictures, {views:.3g} augmented views of each on average"

    def _features_end(self, budget: Budget) -> float:
        """The elapsed time after which no more features are computed."""
        budget.keep_for_drawing()
        budget.kept_back[MEASURING] = min(self.closing_seconds(0.0), CLOSING_SHARE * budget.seconds)
        return budget.elapsed + budget.left - HEAD_SHARE * budget.seconds

    def _view(self, chosen: Int64[Tensor, "batch"], epoch: int) -> Float[Tensor, "batch features"]:
        """Features of training pictures, augmented as in an epoch."""
        images = torch.from_numpy(self.train.images[chosen.numpy()])
        augmented = self.augmentation(images.to(self.device.name), epoch, chosen)
        return predict_features(self.whole, iter([augmented]), self.device)

    def _held_out(self, chosen: Int64[np.ndarray, "n"]) -> Float[Tensor, "n features"]:
        parts = pieces(self.validation.images, chosen)
        return torch.cat([predict_features(self.whole, part, self.device) for part in parts])
