"""The training of a detector: reads the sequences, builds the networks, calibrates the ensemble."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Int64
from torch import nn
from typing_extensions import override

from trine.detect.chapter import chapter
from trine.detect.detector import Detector, build_networks
from trine.detect.drift import Drift, drifts, fused_scores, measured
from trine.detect.folds import Fold, NormalFolds, split_normal
from trine.detect.members import sources, without_network
from trine.detect.network import EventNet, FoldNets
from trine.detect.ngrams import NGrams
from trine.detect.objective import DetectObjective, EncodedFold
from trine.detect.recipe import DEFAULT_MEMBERS, DetectRecipe
from trine.detect.running import Running, RunningPanel
from trine.detect.sampling import even_sample
from trine.detect.scorer import log_settings
from trine.detect.scoring import Ensemble, NetworkSurprisal, Panel
from trine.detect.surprisal import surprisals
from trine.errors import UsageError
from trine.logs.readers import Sources, open_events
from trine.measures.conformal import References, smallest_bucket
from trine.page.chapter import Chapter
from trine.plurals import quantity, verb
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, EncodedTable, Vocabulary, columns_of
from trine.train.fit import RunningFit, Trainer

DAY = 86_400.0
"""Length of a day in seconds."""
WITH_MEMBERS = 1.5
"""Duration of scoring with all members, relative to scoring with the network alone."""
COMPARED, COMPARED_EVENTS = 20_000, 1_000_000
"""Largest numbers of normal sequences, and of their events, that a fold's members learn from."""


class DetectorTrainer(Trainer[DetectRecipe, NormalFolds, DetectObjective, Detector]):
    """Trains detectors."""

    model_type: ClassVar[type[Detector]] = Detector
    several: ClassVar[bool] = True

    @override
    def open(self, data: Sources, data_dir: Path | None) -> NormalFolds:
        opened = open_events(data, data_dir, log_settings(self.recipe.model_dump()))
        table = replace(opened.table, positions=None, records=None)  # nothing is shown of its lines
        return split_normal(table, self.recipe, opened.remarks).of_log(opened)

    @override
    def remarks(self, opened: NormalFolds) -> list[str]:
        out, apart = opened.left_out, opened.kept_apart
        rows = f"{quantity(out, 'abnormal sequence')} among the training rows {verb(out, 'is', 'are')} left out"
        test = f"no test split: {quantity(apart, 'normal sequence')} {verb(apart, 'is', 'are')} set apart as one"
        counted = ((out, rows), (apart, test))
        return [*opened.remarks, *(line for count, line in counted if count)]

    @override
    def describe(self, opened: NormalFolds) -> dict[str, Any]:
        first = opened.folds[0]
        counts = {
            "train": len(first.train_rows),
            "held_out": len(first.held_out_rows),
            "folds": len(opened.folds),
            "left_out": opened.left_out,
        }
        return {"name": opened.table.name, "fingerprint": opened.table.fingerprint, "splits": counts}

    @override
    def objective(self, opened: NormalFolds, recipe: DetectRecipe) -> DetectObjective:
        """New networks for the vocabulary. Raises `UsageError` when a column that the recipe needs is missing."""
        _require_attributes(opened, recipe)
        _share(opened, recipe)
        vocabulary = Vocabulary.of(opened.normal, recipe.attributes)
        torch.manual_seed(recipe.seed)
        trained = sources(recipe.all_members) & {"network", "attributes"}
        networks = build_networks(recipe, vocabulary, len(opened.folds) if trained else 0)
        if not trained:
            return DetectObjective(networks, recipe, [], self.device)
        folds = []
        for network, fold in zip(networks, opened.folds, strict=True):
            train = EncodedTable.of(fold.train, vocabulary)
            network.meet(train.columns)
            folds.append(EncodedFold(train, EncodedTable.of(fold.held_out, vocabulary)))
        objective = DetectObjective(networks, recipe, folds, self.device)
        calibrated = [int(fold.table.lengths[fold.held_out_rows].sum()) for fold in opened.folds]
        tested = int(opened.table.lengths[opened.table.splits == "test"].sum())
        scored = len(folds) * tested if self.tests else calibrated[0]
        objective.validation_samples = float(calibrated[0])
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
        learned = [
            Learned.of(opened.folds[i], vocabulary, net) for i, net in enumerate(networks_of_folds(networks, opened))
        ]
        members = _worthwhile(recipe, learned, fit)
        panels = tuple(each.panel(members, smallest_bucket(share)) for each in learned)
        drift, recent = drift_of(panels[-1], opened, share, fit.report.note)
        ensemble = Ensemble(members, panels, recent)
        if too_few := too_few_to_flag(ensemble, share):
            fit.report.note(too_few)
        first = opened.folds[0]
        return Detector.assembled(
            recipe,
            vocabulary=vocabulary,
            networks=networks,
            ensemble=ensemble,
            running=Running(tuple(each.running(panel) for each, panel in zip(learned, panels, strict=True))),
            share=share,
            drift=drift,
            templates=opened.templates,
            log_format=opened.log_format,
            unparsed_share=opened.reading.unparsed_share if opened.reading else None,
            continued_share=opened.reading.continued_share if opened.reading else None,
            normal_names=tuple(map(str, first.table.names[compared_rows(first)])),
        )

    @override
    def chapter(self, model: Detector, opened: NormalFolds, pictures: Mapping[str, bytes]) -> Chapter:
        return chapter(model, opened, pictures)


@dataclass(frozen=True, eq=False)
class Learned:
    """What one fold learned from, and what its models say of its held-out sequences."""

    compared: EncodedTable
    held_out: EncodedTable
    columns: NetworkSurprisal
    """The network's surprisal of the held-out events; empty without a network."""
    grams: NGrams
    """n-grams of the training sequences."""

    @classmethod
    def of(cls, fold: Fold, vocabulary: Vocabulary, network: EventNet | None) -> "Learned":
        """Count the n-grams, and score the held-out sequences with the network."""
        compared = EncodedTable.of(fold.table.rows(compared_rows(fold)), vocabulary)
        held_out = EncodedTable.of(fold.held_out, vocabulary)
        return cls(compared, held_out, surprisals(network, held_out) if network else {}, NGrams.counted(compared))

    def panel(self, members: tuple[str, ...], smallest: int) -> Panel:
        """The members, fitted and calibrated."""
        reads = sources(members) & {"network", "attributes"}
        return Panel.fitted(
            members, smallest, self.compared, self.held_out, self.columns if reads else {}, grams=self.grams
        )

    def running(self, panel: Panel) -> RunningPanel:
        """The fitted members, calibrated on held-out sequences that still go on."""
        return RunningPanel.fitted(panel, panel.evidence(self.held_out, self.columns))


def compared_rows(fold: Fold) -> Int64[np.ndarray, "chosen"]:
    """Rows of the training sequences that members are fitted to: evenly spaced, at most `COMPARED`.

    At most `COMPARED_EVENTS` events too, but for the last sequence.
    """
    rows = fold.train_rows
    mean = max(1.0, float(fold.table.lengths[rows].mean()))
    return np.asarray(rows[even_sample(len(rows), max(1, min(COMPARED, int(COMPARED_EVENTS / mean))))])


def networks_of_folds(networks: FoldNets, opened: NormalFolds) -> list[EventNet] | list[None]:
    """The network of each fold, or none for each."""
    return list(networks) if len(networks) else [None] * len(opened.folds)


def _worthwhile(recipe: DetectRecipe, learned: Sequence[Learned], fit: RunningFit) -> tuple[str, ...]:
    """The members, without the network where n-grams predict held-out normal events better than it does.

    Members that the user has chosen stay as they are.
    """
    members = recipe.all_members
    if recipe.members != DEFAULT_MEMBERS:
        return members
    network = float(np.concatenate([each.columns[EVENT] for each in learned]).mean())
    grams = float(np.concatenate([each.grams.surprisal(each.held_out) for each in learned]).mean())
    if network <= grams:
        return members
    fit.report.note(
        f"the network does not pay: it predicts held-out normal events with {network:.3f} nats, counted n-grams with "
        f"{grams:.3f}; the score uses the n-grams in its place"
    )
    return without_network(members)


def drift_of(
    panel: Panel, opened: NormalFolds, share: float, note: Callable[[str], None]
) -> tuple[Drift | None, References | None]:
    """The drift towards the most recent sequences, and their fused scores where these set the threshold."""
    drift = None if opened.recent is None else measured(panel, opened.recent, share)
    if drift is None or opened.recent is None:
        return None, None
    if drifts(drift, share):
        note(drift.line(share))
    return drift, fused_scores(panel, opened.recent) if drift.stricter else None


def too_few_to_flag(ensemble: Ensemble, share: float) -> str:
    """A remark where the held-out sequences are too few for any finding; empty where they are enough."""
    if share * (ensemble.calibrated_on + 1) >= 1:
        return ""
    return (
        f"{ensemble.calibrated_on} held-out normal sequences cannot show a false-alarm rate of {share:g}: "
        "nothing will be flagged; give more normal sequences, or allow a higher rate"
    )


def _require_attributes(opened: NormalFolds, recipe: DetectRecipe) -> None:
    if "attributes" in sources(recipe.members) and not recipe.attributes:
        raise UsageError("members of attributes without attributes: name some with --set attributes=...")
    has = columns_of(opened.normal)
    lacking = ", ".join(sorted(set(recipe.attributes) - has))
    if lacking:
        known = ", ".join(sorted(has | {*opened.attribute_names})) or "none"
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
