"""The training of a detector: reads the sequences, builds the networks, calibrates the ensemble."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from trine.detect.detector import Detector, build_networks, log_settings
from trine.detect.folds import NormalFolds, even_sample, split_normal
from trine.detect.network import FoldNets
from trine.detect.objective import DetectObjective, EncodedFold
from trine.detect.recipe import DetectRecipe
from trine.detect.scoring import Ensemble, Panel
from trine.detect.surprisal import event_surprisal
from trine.errors import UsageError
from trine.logs.readers import Sources, open_events
from trine.measures.conformal import smallest_bucket
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, TIME, EncodedTable, Vocabulary
from trine.train.fit import RunningFit, Trainer

DAY = 86_400.0
"""Length of a day in seconds."""
WITH_MEMBERS = 1.5
"""Duration of scoring with all members, relative to scoring with the network alone."""
COMPARED = 20_000
"""Largest number of normal sequences that a fold's members keep for comparison."""


class DetectorTrainer(Trainer[DetectRecipe, NormalFolds, DetectObjective, Detector]):
    """Trains detectors."""

    model_type: ClassVar[type[Detector]] = Detector
    several: ClassVar[bool] = True

    @override
    def open(self, data: Sources, data_dir: Path | None) -> NormalFolds:
        opened = open_events(data, data_dir, log_settings(self.recipe))
        folds = split_normal(opened.table, self.recipe, opened.remarks)
        if opened.reading is None or opened.names is None:
            return folds
        return folds.of_log(opened.reading.format, opened.names.to_json(), opened.reading.unparsed_share)

    @override
    def remarks(self, opened: NormalFolds) -> list[str]:
        counted = (
            (opened.left_out, f"{opened.left_out:,} abnormal sequences among the training rows are left out"),
            (opened.kept_apart, f"no test split: {opened.kept_apart:,} normal sequences are set apart as one"),
        )
        return [*opened.remarks, *(line for count, line in counted if count)]

    @override
    def describe(self, opened: NormalFolds) -> dict[str, Any]:
        first = opened.folds[0]
        counts = {
            "train": len(first.train),
            "held_out": len(first.held_out),
            "folds": len(opened.folds),
            "left_out": opened.left_out,
        }
        return {"name": opened.table.name, "fingerprint": opened.table.fingerprint, "splits": counts}

    @override
    def objective(self, opened: NormalFolds, recipe: DetectRecipe) -> DetectObjective:
        """New networks for the vocabulary. Raises `UsageError` when a column that the recipe needs is missing."""
        _require_attributes(opened.normal, recipe)
        _share(opened, recipe)
        vocabulary = Vocabulary.of(opened.normal, recipe.attributes)
        torch.manual_seed(recipe.seed)
        networks = build_networks(recipe, vocabulary, len(opened.folds))
        folds = []
        for network, fold in zip(networks, opened.folds, strict=True):
            train = EncodedTable.of(fold.train, vocabulary)
            network.meet(train.columns)
            folds.append(EncodedFold(train, EncodedTable.of(fold.held_out, vocabulary)))
        objective = DetectObjective(networks, recipe, folds, self.device)
        calibrated = [len(fold.held_out.events) for fold in opened.folds]
        scored = len(folds) * len(opened.table.split("test").events)
        objective.closing_validations = WITH_MEMBERS * (sum(calibrated) + scored) / calibrated[0]
        return objective

    @override
    def complete(
        self, opened: NormalFolds, objective: DetectObjective, network: nn.Module, fit: RunningFit
    ) -> Detector:
        """Fit the members to each fold's training sequences, and calibrate them on its held-out ones."""
        assert isinstance(network, FoldNets)
        recipe, networks = objective.recipe, network.cpu().eval()
        share, vocabulary = _share(opened, recipe), Vocabulary.of(opened.normal, recipe.attributes)
        panels = []
        for net, fold in zip(networks, opened.folds, strict=True):
            compared = EncodedTable.of(fold.train.rows(even_sample(len(fold.train), COMPARED)), vocabulary)
            held_out = EncodedTable.of(fold.held_out, vocabulary)
            surprisal = event_surprisal(net, held_out)
            panels.append(Panel.fitted(recipe.members, smallest_bucket(share), compared, held_out, surprisal))
        ensemble = Ensemble(recipe.members, tuple(panels))
        if share * (ensemble.calibrated_on + 1) < 1:
            fit.report.note(
                f"{ensemble.calibrated_on} held-out normal sequences cannot show a false-alarm rate of {share:g}: "
                "nothing will be flagged; give more normal sequences, or allow a higher rate"
            )
        first = opened.folds[0].train
        return Detector.assembled(
            recipe,
            vocabulary=vocabulary,
            networks=networks,
            ensemble=ensemble,
            share=share,
            templates=opened.templates,
            log_format=opened.log_format,
            unparsed_share=opened.unparsed_share,
            normal_names=tuple(map(str, first.names[even_sample(len(first), COMPARED)])),
        )


def _require_attributes(table: SequenceTable, recipe: DetectRecipe) -> None:
    has = ({*table.attributes} | ({TIME} if _has_times(table) else set())) - {EVENT}
    lacking = ", ".join(sorted(set(recipe.attributes) - has))
    if lacking:
        known = ", ".join(sorted(has)) or "none"
        raise UsageError(f"attributes {lacking}: not in the data, which has {known}: leave out what it lacks")


def _share(opened: NormalFolds, recipe: DetectRecipe) -> float:
    """Share of normal sequences that may be flagged, from the recipe's false-alarm rate or its alerts per day."""
    if recipe.alerts_per_day is None:
        return recipe.false_alarms
    times = opened.normal.times
    if times is None or not _has_times(opened.normal):
        raise UsageError("--alerts-per-day needs event times: the data has none; use --false-alarms")
    days = max(float(np.nanmax(times) - np.nanmin(times)) / DAY, 1e-9)
    return min(0.5, recipe.alerts_per_day * days / (len(opened.normal) + opened.kept_apart))


def _has_times(table: SequenceTable) -> bool:
    return table.times is not None and bool(np.isfinite(table.times).any())
