"""A trained detector: event sequences in, surprisal and findings out."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Shaped
from typing_extensions import override

from trine.bundle import joined, part
from trine.datasets.tables import is_table
from trine.detect import report
from trine.detect.drift import Drift
from trine.detect.evaluation import metrics
from trine.detect.evidence import Surprisal
from trine.detect.findings import Finding, time_text
from trine.detect.folds import NormalFolds, split_normal
from trine.detect.network import EventNet, FoldNets
from trine.detect.recipe import DetectRecipe
from trine.detect.scoring import FORMER_FUSION, Ensemble, EnsembleScores, TableScores
from trine.detect.stepping import step
from trine.detect.surprisal import event_surprisal, surprisals
from trine.device import Device
from trine.errors import DataError, nearest
from trine.logs.carried import Carried
from trine.logs.events import EventNames
from trine.logs.readers import LogSettings, OpenedSequences, Sources, open_events
from trine.model import Evaluation, Model
from trine.nn.weights import arrays_of, tensors_of
from trine.result import Data
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, UNKNOWN, EncodedTable, Vocabulary

Times = Float64[np.ndarray, "sequences"]
PART = 1_000_000
"""Number of events that are scored together; it bounds the memory."""


class Detector(Model[DetectRecipe]):
    """Learns the normal order of a system's events, and flags deviations.

    >>> model = Detector().fit("adfa-ld")
    >>> [finding.name for finding in model.score("today.tsv") if finding.flagged]
    """

    task: ClassVar[str] = "detect"
    recipe_type: ClassVar[type[DetectRecipe]] = DetectRecipe

    vocabulary: Vocabulary
    networks: FoldNets
    ensemble: Ensemble
    drift: Drift | None
    """False alarms on the most recent normal sequences; None without times, and in bundles of earlier versions."""
    share: float
    """Threshold of the p-value: the share of normal sequences that may be flagged."""
    templates: str | None
    """Templates of the messages of the training's raw log, as `TemplateMiner.to_json` writes them; None for a table."""
    log_format: str | None
    """Format of the raw log of the training, or several joined by commas; None for a table."""
    unparsed_share: float | None
    """Share of the training log's lines that did not have the format; None for a table."""
    continued_share: float | None
    """Share of the training log's lines that belonged to the record before; None for a table."""
    normal_names: tuple[str, ...]
    """Names of the normal sequences that the first fold's members compare event counts with, in their order."""

    def read(self, data: Sources, data_dir: Path | None = None) -> SequenceTable:
        """Sequences, read as in the training: a raw log by the same format and templates. Raises `DataError`."""
        return self.open_log(data, data_dir).table

    def open_log(self, data: Sources, data_dir: Path | None = None, carried: Carried | None = None) -> OpenedSequences:
        """The same, with the files of a log and what became of their lines; `carried` are open sessions that go on."""
        if self.log_format is None and isinstance(data, str | Path) and is_table(Path(data)):
            table = open_sequences(data, data_dir=data_dir)
            return OpenedSequences(table, table.skipped)
        names = EventNames.from_json(self.templates) if self.templates else EventNames(learn=False)
        return open_events(data, data_dir, log_settings(self.recipe, self.log_format), names, carried)

    def remarks(self, opened: OpenedSequences) -> list[str]:
        """How the lines of a log were read, and how that differs from the training, for a person, a line each."""
        if opened.reading is None:
            return list(opened.remarks)
        name = opened.table.name
        warnings = opened.reading.warnings(self.unparsed_share, self.continued_share)
        return [f"{name}: {line}" for line in (opened.reading.summary(), *warnings)] + list(opened.table.skipped)

    def score(self, data: Sources | SequenceTable, *, data_dir: Path | None = None) -> list[Finding]:
        """A finding for every sequence, flagged or not, in the order of the data; without their events."""
        table = data if isinstance(data, SequenceTable) else self.read(data, data_dir)
        return self.findings(table, self.scores(table)) if len(table) else []

    def findings(self, table: SequenceTable, scores: TableScores, rows: Sequence[int] | None = None) -> list[Finding]:
        """A finding for every sequence of a table with these scores, or for some rows; without their events."""
        names, ensemble = self.ensemble.names, scores.ensemble
        unknown = np.array([self.vocabulary.code(word) == UNKNOWN for word in table.vocabulary], dtype=bool)
        never = np.add.reduceat(unknown[table.events], table.offsets[:-1], dtype=np.int64)
        begins, ends = _known_times(table)
        lengths, sources = table.lengths, _sources(table)
        return [
            Finding(
                name=str(table.names[i]),
                p_value=float(ensemble.p_value[i]),
                score=float(ensemble.fused[i]),
                flagged=bool(scores.flagged[i]),
                loudest=names[int(ensemble.member_p[i].argmin())],
                members=dict(zip(names, ensemble.member_p[i].tolist(), strict=True)),
                length=int(lengths[i]),
                entity="" if table.owners is None else str(table.owners[i]),
                source=str(sources[i]),
                first_time=time_text(float(begins[i])),
                last_time=time_text(float(ends[i])),
                never_seen=int(never[i]),
            )
            for i in (range(len(table)) if rows is None else rows)
        ]

    def scores(self, table: SequenceTable) -> TableScores:
        """Scores, p-values and alerts of every sequence, and the surprisal of every event."""
        begin = time.perf_counter()
        ensemble = EnsembleScores.joined([self._scores(part) for part in _parts(table)])
        flagged = ensemble.p_value <= self.share
        order = ensemble.strangest_first(_known_times(table)[0])
        return TableScores(ensemble, flagged, order, ensemble.surprisal[EVENT], time.perf_counter() - begin)

    def _scores(self, table: SequenceTable) -> EnsembleScores:
        encoded = EncodedTable.of(table, self.vocabulary)
        networks = self.networks if self.ensemble.reads_network else ()
        return self.ensemble.scores(encoded, [surprisals(network, encoded) for network in networks])

    def surprisal(self, table: SequenceTable) -> dict[str, Surprisal]:
        """Surprisal of every event per column (`event`, and the attributes) in nats, averaged over the folds."""
        return self.scores(table).ensemble.surprisal

    def strangest(self, table: SequenceTable, count: int) -> SequenceTable:
        """The `count` sequences with the smallest p-values, strangest first: see `TableScores.strangest_first`."""
        return table.rows(self.scores(table).strangest_first[:count])

    def step(
        self, states: Sequence[bytes | None], events: Sequence[str], **attributes: Sequence[str]
    ) -> tuple[list[bytes], list[float]]:
        """Process one event for each of several entities.

        states       state of each entity before the event; None for an entity without events
        attributes   further columns; `time` is the seconds since the entity's previous event, as text
        Returns the states after the event, and its surprisal in nats. Raises `UsageError` for a state of another model.
        """
        return step(self.networks, self.vocabulary, states, {EVENT: events, **attributes})

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
        return self.ensemble.panels[fold].evidence(table, {}).ngrams

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
        return joined({"network": arrays_of(self.networks.state_dict()), "ensemble": self.ensemble.arrays()})

    @override
    @classmethod
    def parts(
        cls, recipe: DetectRecipe, content: dict[str, Any], arrays: dict[str, np.ndarray], device: Device
    ) -> dict[str, Any]:
        vocabulary, folds, share = Vocabulary.from_json(content["vocabulary"]), content["folds"], content["share"]
        networks = build_networks(recipe, vocabulary, content.get("networks", folds))
        members, fusion = content.get("members", recipe.members), content.get("fusion", FORMER_FUSION)
        drift = content.get("drift")
        networks.load_state_dict(tensors_of(part(arrays, "network")))
        return {
            "vocabulary": vocabulary,
            "networks": networks.eval(),
            "ensemble": Ensemble.of_arrays(members, folds, share, part(arrays, "ensemble"), fusion),
            "drift": Drift.from_json(drift) if drift else None,
            "share": share,
            "templates": content["templates"],
            "log_format": content["log_format"],
            "unparsed_share": content.get("unparsed_share"),
            "continued_share": content.get("continued_share"),
            "normal_names": tuple(content["normal_names"]),
        }

    @override
    def card(self) -> str:
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(figures, self.data, self.recipe.model_dump(mode="json"), self.ensemble.names)


def _reading(opened: NormalFolds) -> dict[str, Any]:
    """What became of the lines of a log, as a figure; nothing for a table."""
    return {"reading": opened.reading.shares()} if opened.reading else {}


def _parts(table: SequenceTable) -> Iterator[SequenceTable]:
    """The sequences in parts of about `PART` events, or of one longer sequence; the whole table if it is small."""
    cuts = np.searchsorted(table.offsets, np.arange(PART, len(table.events), PART))
    bounds = np.unique(np.concatenate([[0], cuts, [len(table)]]))
    if len(bounds) <= 2:
        yield table
    else:
        yield from (table.rows(np.arange(first, last)) for first, last in pairwise(bounds))


def _known_times(table: SequenceTable) -> tuple[Times, Times]:
    """The first and the last known time of each sequence; NaN if none is known."""
    if table.times is None:
        return np.full(len(table), np.nan), np.full(len(table), np.nan)
    starts = table.offsets[:-1]
    return np.fmin.reduceat(table.times, starts), np.fmax.reduceat(table.times, starts)


def _sources(table: SequenceTable) -> Shaped[np.ndarray, "sequences"]:
    """What the finding of each sequence is grouped by: its address, else its user, its host, or what it belongs to."""
    chosen = np.full(len(table), "", object) if table.owners is None else table.owners.copy()
    for kind in ("host", "user", "address"):
        if kind in table.entities:
            chosen = np.where(table.entities[kind] != "", table.entities[kind], chosen)
    return np.asarray(chosen)


def log_settings(recipe: DetectRecipe, log_format: str | None = None, keep_attributes: bool = False) -> LogSettings:
    """How to read a raw log.

    log_format        the format of the log that was learned from
    keep_attributes   keep all attributes, and not only those that the recipe names
    """
    return LogSettings(
        format=log_format if log_format and not recipe.log_pattern else recipe.log_format,
        pattern=recipe.log_pattern,
        event=recipe.log_event,
        entity=recipe.entity,
        time=recipe.log_time,
        time_format=recipe.time_format,
        gap_seconds=recipe.gap_seconds,
        window_seconds=recipe.window_seconds,
        window_events=recipe.window_events,
        attributes=None if keep_attributes else recipe.attributes,
    )


def build_networks(recipe: DetectRecipe, vocabulary: Vocabulary, folds: int) -> FoldNets:
    """New networks for this vocabulary, one per fold, their weights random."""
    shape = (recipe.cell, recipe.embedding, recipe.hidden, recipe.layers, recipe.dropout)
    return FoldNets([EventNet(vocabulary.sizes, *shape) for _ in range(folds)])
