"""A trained detector: event sequences in, surprisal and findings out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64
from typing_extensions import override

from trine.bundle import joined, part
from trine.detect import report
from trine.detect.drift import Drift
from trine.detect.evaluation import metrics
from trine.detect.evidence import Surprisal
from trine.detect.folds import NormalFolds, split_normal
from trine.detect.network import EventNet, FoldNets
from trine.detect.recipe import DetectRecipe
from trine.detect.scorer import Scorer, log_settings, scoring_parts
from trine.detect.scoring import NetworkSurprisal
from trine.detect.states import Expected, Rows, StateForm, StepSurprisal
from trine.detect.stepping import advance, advance_with_expected, begun, state_form
from trine.detect.surprisal import event_surprisal, surprisals
from trine.device import Device
from trine.errors import DataError, nearest
from trine.logs.readers import LogSettings, Sources
from trine.model import Evaluation, Model
from trine.nn.weights import arrays_of, tensors_of
from trine.result import Data
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EncodedTable, Vocabulary


class Detector(Scorer, Model[DetectRecipe]):
    """Learns the normal order of a system's events, and flags deviations.

    >>> model = Detector().fit("adfa-ld")
    >>> [finding.name for finding in model.score("today.tsv") if finding.flagged]
    """

    task: ClassVar[str] = "detect"
    recipe_type: ClassVar[type[DetectRecipe]] = DetectRecipe

    networks: FoldNets
    drift: Drift | None
    """False alarms on the most recent normal sequences; None without times, and in bundles of earlier versions."""
    normal_names: tuple[str, ...]
    """Names of the normal sequences that the first fold's members compare event counts with, in their order."""

    @property
    @override
    def log_settings(self) -> LogSettings:
        return log_settings(self.recipe.model_dump(), self.log_format)

    @override
    def network_surprisal(self, table: EncodedTable) -> list[NetworkSurprisal]:
        return [surprisals(network, table) for network in self.networks]

    @override
    def state_form(self) -> StateForm:
        return state_form(self.networks)

    @override
    def begun(self) -> Rows:
        return begun(self.networks)

    @override
    def advance(
        self, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]]
    ) -> tuple[list[StepSurprisal], Rows]:
        return advance(self.networks, rows, codes)

    @override
    def advance_with_expected(
        self, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]], surprising: float
    ) -> tuple[list[StepSurprisal], Rows, Expected | None]:
        return advance_with_expected(self.networks, rows, codes, surprising)

    def surprisal(self, table: SequenceTable) -> dict[str, Surprisal]:
        """Surprisal of every event per column (`event`, and the attributes) in nats, averaged over the folds."""
        return self.scores(table).ensemble.surprisal

    @override
    def open(self, data: Sources, data_dir: Path | None = None) -> NormalFolds:
        """A table to evaluate on; the data of the training is split as in the training."""
        opened = self.open_log(data, data_dir)
        table, remarks = opened.table, tuple(self.remarks(opened))
        if table.fingerprint == self.data.get("fingerprint"):
            return split_normal(table, self.recipe, remarks).of_log(opened)
        return NormalFolds(table, table, (), 0, remarks).of_log(opened)

    @override
    def evaluation(self, opened: NormalFolds, split: str | None = None) -> Evaluation:
        """Separation, alerts at the threshold, figures per kind and member.

        By default on the test split; without one, on the held-out part of the training data, else on the whole table.
        """
        default = "validation" if opened.folds else "all"
        name = split or ("test" if len(opened.table.split("test")) else default)
        if name == "validation" and opened.folds:
            return self._held_out_evaluation(opened)
        table = opened.table if name == "all" else opened.table.split(name)
        if not len(table):
            splits = [*sorted(set(map(str, opened.table.splits)) - {""}), "all"]
            meant = nearest(name, splits)
            raise DataError(f"{opened.table.name}: has no split {name!r}: it has {', '.join(splits)}{meant}")
        scores, members = self.scores(table), self.ensemble.names
        data = Data(name=table.name, fingerprint=table.fingerprint, split=name, n=len(table))
        pictures = report.pictures(table, scores, members)
        figures = metrics(table, scores, members, self.share)
        figures |= _reading(opened)
        if self.drift and opened.folds:
            figures["recent"] = self.drift.as_json()
        return Evaluation(data, figures, pictures)

    def _held_out_evaluation(self, opened: NormalFolds) -> Evaluation:
        """Surprisal of each fold's held-out sequences under its own network.

        Without a false-alarm rate: the threshold was set on these sequences.
        """
        held_out = [EncodedTable.of(fold.held_out, self.vocabulary) for fold in opened.folds]
        surprisal = [self._own_surprisal(fold, table) for fold, table in enumerate(held_out)]
        count, table = sum(map(len, held_out)), opened.table
        figures = {
            "fpr_target": self.share,
            "normal": count,
            "mean_surprisal": float(np.concatenate(surprisal).mean()),
            **_reading(opened),
        }
        return Evaluation(Data(name=table.name, fingerprint=table.fingerprint, split="validation", n=count), figures)

    def _own_surprisal(self, fold: int, table: EncodedTable) -> Surprisal:
        """Surprisal of a table's events under the models of one fold."""
        if self.ensemble.reads_network:
            return event_surprisal(list(self.networks)[fold], table)
        return self.ensemble.panels[fold].evidence(table, {}).events.ngrams

    @override
    def content(self) -> dict[str, Any]:
        return {
            "vocabulary": self.vocabulary.as_json(),
            "folds": len(self.ensemble.panels),
            "networks": len(self.networks),
            "members": list(self.ensemble.names),
            "fusion": self.ensemble.panels[0].fusion,
            "drift": self.drift.as_json() if self.drift else None,
            "normal_names": list(self.normal_names),
            "share": self.share,
            "log_format": self.log_format,
            "templates": self.templates,
            "unparsed_share": self.unparsed_share,
            "continued_share": self.continued_share,
        }

    @override
    def arrays(self) -> dict[str, np.ndarray]:
        running = {} if self.running is None else {"running": self.running.arrays()}
        networks = arrays_of(self.networks.state_dict())
        return joined({"network": networks, "ensemble": self.ensemble.arrays(), **running})

    @override
    @classmethod
    def parts(
        cls, recipe: DetectRecipe, content: dict[str, Any], arrays: dict[str, np.ndarray], device: Device
    ) -> dict[str, Any]:
        scoring, drift = scoring_parts(recipe.model_dump(), content, arrays), content.get("drift")
        networks = build_networks(recipe, scoring["vocabulary"], content.get("networks", content["folds"]))
        networks.load_state_dict(tensors_of(part(arrays, "network")))
        return {
            **scoring,
            "networks": networks.eval(),
            "drift": Drift.from_json(drift) if drift else None,
            "normal_names": tuple(content["normal_names"]),
        }

    @override
    def card(self) -> str:
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(figures, self.data, self.recipe.model_dump(mode="json"), self.ensemble.names)


def _reading(opened: NormalFolds) -> dict[str, Any]:
    """What became of the lines of a log, as a figure; nothing for a table."""
    return {"reading": opened.reading.shares()} if opened.reading else {}


def build_networks(recipe: DetectRecipe, vocabulary: Vocabulary, folds: int) -> FoldNets:
    """New networks for this vocabulary, one per fold, their weights random."""
    shape = (recipe.cell, recipe.embedding, recipe.hidden, recipe.layers, recipe.dropout)
    return FoldNets([EventNet(vocabulary.sizes, *shape) for _ in range(folds)])
