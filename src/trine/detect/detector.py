"""The estimator of detect: normal event sequences in, surprise and alerts out."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor, nn

from trine.bundle import Manifest, part
from trine.detect import report
from trine.detect.network import EventNet, FoldNets
from trine.detect.normal import Opened, even_sample, split_normal
from trine.detect.objective import DetectObjective, Fold
from trine.detect.reading import read_sequences
from trine.detect.recipe import DetectRecipe
from trine.detect.scoring import Ensemble, Judged
from trine.detect.stepping import step
from trine.detect.surprisal import Encoded, surprisals
from trine.detect.vocabulary import EVENT, TIME, Vocabulary
from trine.errors import DataError, UsageError, nearest
from trine.progress import Reporter
from trine.result import Data, Result
from trine.sequences.table import SequenceTable
from trine.sequences.templates import TemplateMiner
from trine.train.estimator import Estimator, Judgement
from trine.train.objective import Objective

DAY = 86_400.0
WITH_MEMBERS = 1.5
"""What judging takes beside the network's share of it: n-grams are looked up too, one length after another."""
COMPARED = 20_000
"""Normal sequences that a fold's companions keep at the most."""


@dataclass(frozen=True)
class Scored:
    """What the detector says of every sequence of a table."""

    judged: Judged
    flagged: Bool[np.ndarray, "sequences"]
    surprisal: Float64[np.ndarray, "events"]
    """The mean over the networks, event by event."""
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What the detector says of one sequence."""

    name: str
    p_value: float
    score: float
    flagged: bool
    loudest: str
    """The member that spoke loudest."""
    members: dict[str, float]
    """Each member's p-value."""

    def as_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return asdict(self)


class Detector(Estimator[DetectRecipe, Opened]):
    """Learns how a system's events normally follow one another, and flags what deviates.

    >>> model = Detector().fit("adfa-ld")
    >>> [verdict.name for verdict in model.score("today.tsv") if verdict.flagged]
    """

    task: ClassVar[str] = "detect"
    recipe_type: ClassVar[type[DetectRecipe]] = DetectRecipe

    vocabulary: Vocabulary
    model: FoldNets
    ensemble: Ensemble
    share: float = 0.01
    """Share of normal sequences that may be flagged: the p-value at which an alert is given."""
    miner: TemplateMiner | None = None
    """Templates of a raw log's free texts."""
    log_format: str | None = None
    """The format of the raw log that was learned from."""
    normal_names: tuple[str, ...] = ()
    """Names of the normal sequences that the first fold's companions compare others with."""

    # ---- fit

    def open(self, data: str | Path, data_dir: Path | None, recipe: DetectRecipe) -> Opened:
        """The table, and the folds of its normal training sequences."""
        found = read_sequences(data, data_dir, recipe)
        self.miner, self.log_format = found.miner, found.format
        return split_normal(found.table, recipe, found.said)

    def remarks(self, opened: Opened) -> list[str]:
        """How a raw log was understood, what was skipped, what was left out, and a test split that was cut."""
        left_out = f"{opened.left_out:,} abnormal sequences among the training rows are left out"
        cut = f"no test split: {opened.kept_apart:,} normal sequences are kept apart as one"
        said = ((opened.left_out, left_out), (opened.kept_apart, cut))
        return [*opened.remarks, *(line for count, line in said if count)]

    def describe(self, opened: Opened) -> dict[str, Any]:
        """Name, fingerprint and counts."""
        train, held_out = opened.folds[0]
        counts = {
            "train": len(train),
            "held_out": len(held_out),
            "folds": len(opened.folds),
            "left_out": opened.left_out,
        }
        return {"name": opened.table.name, "fingerprint": opened.table.fingerprint, "splits": counts}

    def objective(self, opened: Opened, recipe: DetectRecipe) -> Objective:
        """New networks for this vocabulary, one a fold. Raises `UsageError` for what needs columns the table lacks."""
        has = ({*opened.table.attributes} | ({TIME} if _has_times(opened.normal) else set())) - {EVENT}
        lacking = ", ".join(sorted(set(recipe.attributes) - has))
        if lacking:
            raise UsageError(f"attributes {lacking}: the data has {', '.join(sorted(has)) or 'none'}")
        self._share(opened)
        self.vocabulary = Vocabulary.of(opened.normal, recipe.attributes)
        torch.manual_seed(recipe.seed)
        self.model = self._networks(len(opened.folds))
        folds = []
        for net, (train, held_out) in zip(self.model, opened.folds, strict=True):
            encoded = Encoded.of(train, self.vocabulary)
            net.meet(encoded.columns)
            folds.append(Fold(encoded, Encoded.of(held_out, self.vocabulary)))
        objective = DetectObjective(self.model, recipe, folds, self.device)
        calibrated = [len(part.events) for _, part in opened.folds]
        scored = len(folds) * len(opened.table.split("test").events)
        objective.closing_validations = WITH_MEMBERS * (sum(calibrated) + scored) / calibrated[0]
        return objective

    def settle(self, opened: Opened, model: nn.Module, report: Reporter) -> None:
        """Fit the companions, calibrate all members on held-out normal sequences, and set the threshold."""
        assert isinstance(model, FoldNets)
        self.model = model.cpu()
        self.share = self._share(opened)
        self.ensemble = Ensemble(self.recipe.members, len(opened.folds), self.share)
        for net, panel, (train, held_out) in zip(self.model, self.ensemble.panels, opened.folds, strict=True):
            compared = train.rows(even_sample(len(train), COMPARED))
            encoded = Encoded.of(held_out, self.vocabulary)
            panel.fit(Encoded.of(compared, self.vocabulary), encoded, _of_events(net, encoded))
        first = opened.folds[0][0]
        self.normal_names = tuple(map(str, first.names[even_sample(len(first), COMPARED)]))
        if self.share * (self.ensemble.calibrated_on + 1) < 1:
            report.note(
                f"{self.ensemble.calibrated_on} held-out normal sequences cannot show a false-alarm share of "
                f"{self.share:g}: nothing will be flagged; give more normal sequences, or allow a higher share"
            )

    def _share(self, opened: Opened) -> float:
        """The share of normal sequences that may be flagged, from the recipe's false alarms or alerts a day."""
        if self.recipe.alerts_per_day is None:
            return self.recipe.false_alarms
        times = opened.normal.times
        if times is None or not _has_times(opened.normal):
            raise UsageError("--alerts-per-day needs event times: the data has none; use --false-alarms")
        days = max(float(np.nanmax(times) - np.nanmin(times)) / DAY, 1e-9)
        return min(0.5, self.recipe.alerts_per_day * days / (len(opened.normal) + opened.kept_apart))

    # ---- judge

    def judge(self, opened: Opened, split: str | None = None) -> Judgement:
        """Separation, alerts at the calibrated threshold, per kind, per member, per distinct sequence.

        By default the test split; without one, of the data that was learned from what was held out, else all of it.
        """
        otherwise = "validation" if opened.folds else "all"
        name = split or ("test" if len(opened.table.split("test")) else otherwise)
        if name == "validation" and opened.folds:
            return self._of_held_out(opened)
        table = opened.table if name == "all" else opened.table.split(name)
        if not len(table):
            there = [*sorted(set(map(str, opened.table.splits)) - {""}), "all"]
            meant = nearest(name, there)
            raise DataError(f"{opened.table.name}: has no split {name!r}: it has {', '.join(there)}{meant}")
        scored = self.scored(table)
        found = report.metrics_of(table, scored, self.ensemble.names, self.share)
        data = Data(name=table.name, fingerprint=table.fingerprint, split=name, n=len(table))
        return Judgement(data, found, report.pictures(table, scored, self.ensemble.names))

    def _of_held_out(self, opened: Opened) -> Judgement:
        """The surprisal of each fold's held-out sequences under its own network.

        No false-alarm rate: the threshold was set on these very sequences.
        """
        parts = [held_out for _, held_out in opened.folds]
        found = [
            _of_events(net, Encoded.of(part, self.vocabulary)) for net, part in zip(self.model, parts, strict=True)
        ]
        count, table = sum(map(len, parts)), opened.table
        figures = {
            "fpr_target": self.share,
            "normal": count,
            "mean_surprisal": float(np.concatenate(found).mean()),
        }
        return Judgement(Data(name=table.name, fingerprint=table.fingerprint, split="validation", n=count), figures)

    def scored(self, table: SequenceTable) -> Scored:
        """Scores, p-values and alerts of every sequence of a table."""
        begin = time.perf_counter()
        encoded = Encoded.of(table, self.vocabulary)
        found = [_of_events(net, encoded) for net in self.model]
        judged = self.ensemble.judge(encoded, found)
        return Scored(judged, judged.p_value <= self.share, np.mean(found, 0), time.perf_counter() - begin)

    def evaluate(self, data: str | Path, *, split: str | None = None, data_dir: Path | None = None) -> Result:
        """Figures on another set, or on a named split of it; it may hold anything. Raises `DataError`."""
        table = self.read(data, data_dir)
        if table.fingerprint == self.data.get("fingerprint"):
            return self.measured(self.judge(split_normal(table, self.recipe), split))
        return self.measured(self.judge(Opened(table, table, (), 0), split))

    # ---- use

    def read(self, data: str | Path, data_dir: Path | None = None) -> SequenceTable:
        """Sequences as this detector was taught to read them: a raw log by the same format and templates."""
        known = {} if self.recipe.log_pattern else {"log_format": self.log_format or self.recipe.log_format}
        return read_sequences(data, data_dir, self.recipe.changed(**known), self.miner).table

    def score(self, data: str | Path | SequenceTable, *, data_dir: Path | None = None) -> list[Verdict]:
        """A verdict on every sequence of a table."""
        table = data if isinstance(data, SequenceTable) else self.read(data, data_dir)
        scored, names = self.scored(table), self.ensemble.names
        rows = zip(
            table.names, scored.judged.p_value, scored.judged.fused, scored.flagged, scored.judged.member_p, strict=True
        )
        return [
            Verdict(
                str(name),
                float(p),
                float(fused),
                bool(flagged),
                names[int(said.argmin())],
                dict(zip(names, said.tolist(), strict=True)),
            )
            for name, p, fused, flagged, said in rows
        ]

    def step(
        self, states: Sequence[bytes | None], events: Sequence[str], **attributes: Sequence[str]
    ) -> tuple[list[bytes], list[float]]:
        """One more event of each of several entities: their states after it, and its surprisal in nats.

        A state of None is an entity of which nothing was seen yet. `time` among the attributes is the seconds since the
        entity's event before, as text. Raises `UsageError` for a state of another model.
        """
        return step(self.model, self.vocabulary, states, {EVENT: events, **attributes})

    # ---- bundle

    def content(self) -> dict[str, Any]:
        """Vocabulary, members and the share of false alarms."""
        return {
            "vocabulary": self.vocabulary.as_json(),
            "folds": len(self.model),
            "normal_names": list(self.normal_names),
            "share": self.share,
            "log_format": self.log_format,
            "templates": self.miner.to_json() if self.miner else None,
        }

    def tensors(self) -> dict[str, Tensor]:
        """The networks' weights and what the members learned."""
        parts = {"network": self.model.state_dict(), "ensemble": self.ensemble.tensors()}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def restore(self, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
        """Rebuild the detector of a bundle."""
        content = manifest.content
        self.vocabulary = Vocabulary.from_json(content["vocabulary"])
        self.share, self.normal_names = content["share"], tuple(content["normal_names"])
        self.log_format = content["log_format"]
        self.miner = TemplateMiner.from_json(content["templates"]) if content["templates"] else None
        self.model = self._networks(content["folds"])
        self.model.load_state_dict(part(tensors, "network"))
        self.ensemble = Ensemble(self.recipe.members, content["folds"], self.share)
        self.ensemble.load_tensors(part(tensors, "ensemble"))

    def card(self) -> str:
        """The model card."""
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(figures, self.data, self.recipe.model_dump(mode="json"), self.ensemble.names)

    # ---- parts

    def _networks(self, count: int) -> FoldNets:
        recipe = self.recipe
        shape = (recipe.cell, recipe.embedding, recipe.hidden, recipe.layers, recipe.dropout)
        return FoldNets([EventNet(self.vocabulary.sizes, *shape) for _ in range(count)])


def _has_times(table: SequenceTable) -> bool:
    return table.times is not None and bool(np.isfinite(table.times).any())


def _of_events(net: EventNet, table: Encoded) -> Float64[np.ndarray, "events"]:
    return surprisals(net, table)[EVENT].astype(np.float64)
