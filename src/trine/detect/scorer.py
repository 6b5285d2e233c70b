"""From logs and tables to findings, whatever computes the surprisal: networks, or their graph without torch."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from trine.annotations import Float64, Int64, Shaped
from trine.bundle import part
from trine.datasets.tables import is_table
from trine.detect.findings import Finding, time_text
from trine.detect.members import FORMER_MEMBERS
from trine.detect.running import Running
from trine.detect.scoring import FORMER_FUSION, Ensemble, EnsembleScores, NetworkSurprisal, TableScores
from trine.detect.states import Expected, Rows, StateForm, StepSurprisal, codes_of_words
from trine.errors import UsageError
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, UNKNOWN, EncodedTable, Vocabulary

if TYPE_CHECKING:  # formats of logs take a third of a second to import, and tables need none
    from trine.logs.carried import Carried
    from trine.logs.readers import LogSettings, OpenedSequences, Sources

Times = Float64[np.ndarray, "sequences"]
PART = 1_000_000
"""Number of events that are scored together; it bounds the memory."""


class Scorer(ABC):
    """Reads logs and tables as in the training, and scores their sequences."""

    vocabulary: Vocabulary
    ensemble: Ensemble
    running: Running | None
    """How sequences that still go on are judged; None in bundles of earlier versions."""
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

    @property
    @abstractmethod
    def log_settings(self) -> "LogSettings":
        """How a raw log is read."""

    @abstractmethod
    def network_surprisal(self, table: EncodedTable) -> Sequence[NetworkSurprisal]:
        """Surprisal of a table's events under each fold's network; none where no member reads a network."""

    @abstractmethod
    def state_form(self) -> StateForm:
        """What the networks' states look like."""

    @abstractmethod
    def begun(self) -> Rows:
        """The networks' state of one entity without events."""

    @abstractmethod
    def advance(
        self, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]]
    ) -> tuple[Sequence[StepSurprisal], Rows]:
        """The next events of several entities: their surprisal under each network, and the states after them."""

    def advance_with_expected(
        self, rows: Rows, codes: Mapping[str, Int64[np.ndarray, "entities events"]], surprising: float
    ) -> tuple[Sequence[StepSurprisal], Rows, Expected | None]:
        """The same, and what was expected in the place of events that are at least so surprising, in nats.

        None where only surprisals are computed.
        """
        return *self.advance(rows, codes), None

    def step(
        self, states: Sequence[bytes | None], events: Sequence[str], **attributes: Sequence[str]
    ) -> tuple[list[bytes], list[float]]:
        """Process one event for each of several entities.

        states       state of each entity before the event; None for an entity without events
        attributes   further columns; `time` is the seconds since the entity's previous event, as text
        Returns the states after the event, and its surprisal in nats. Raises `UsageError` for a state of another model.
        """
        form = self.state_form()
        if not form.networks:
            raise UsageError(
                "step: the detector has no network: train it with a member that reads one, such as `either`"
            )
        codes = codes_of_words(self.vocabulary, {EVENT: events, **attributes}, len(states))
        if not states:
            return [], []
        columns = {name: values[:, None] for name, values in codes.items()}
        nats, after = self.advance(form.unpacked(states, self.begun()[0]), columns)
        return form.packed(after), np.mean([of_fold[EVENT][:, 0] for of_fold in nats], 0).tolist()

    def read(self, data: "Sources", data_dir: Path | None = None) -> SequenceTable:
        """Sequences, read as in the training: a raw log by the same format and templates. Raises `DataError`."""
        return (
            open_sequences(data, data_dir=data_dir) if self._reads_table(data) else self.open_log(data, data_dir).table
        )

    def open_log(
        self, data: "Sources", data_dir: Path | None = None, carried: "Carried | None" = None
    ) -> "OpenedSequences":
        """The same, with the files of a log and what became of their lines; `carried` are open sessions that go on."""
        from trine.logs.events import EventNames
        from trine.logs.readers import OpenedSequences, open_events

        if self._reads_table(data):
            table = open_sequences(data, data_dir=data_dir)
            return OpenedSequences(table, table.skipped)
        names = EventNames.from_json(self.templates) if self.templates else EventNames(learn=False)
        return open_events(data, data_dir, self.log_settings, names, carried)

    def remarks(self, opened: "OpenedSequences") -> list[str]:
        """How the lines of a log were read, and how that differs from the training, for a person, a line each."""
        if opened.reading is None:
            return list(opened.remarks)
        name = opened.table.name
        warnings = opened.reading.warnings(self.unparsed_share, self.continued_share)
        return [f"{name}: {line}" for line in (opened.reading.summary(), *warnings)] + list(opened.table.skipped)

    def score(self, data: "Sources | SequenceTable", *, data_dir: Path | None = None) -> list[Finding]:
        """A finding for every sequence, flagged or not, in the order of the data; without their events.

        data   paths of logs, or one path of a table; or a table that `read` gave
        """
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
        """Scores, p-values and alerts of every sequence, and the surprisal of every event.

        `flagged` and `ensemble.p_value` have the shape (sequences,), `ensemble.member_p` (sequences, members), and
        `surprisal`, in nats, (events,).
        """
        begin = time.perf_counter()
        ensemble = EnsembleScores.joined([self._scores(rows) for rows in _parts(table)])
        flagged = ensemble.p_value <= self.share
        order = ensemble.strangest_first(_known_times(table)[0])
        return TableScores(ensemble, flagged, order, ensemble.surprisal[EVENT], time.perf_counter() - begin)

    def strangest(self, table: SequenceTable, count: int) -> SequenceTable:
        """The `count` sequences with the smallest p-values, strangest first: see `TableScores.strangest_first`."""
        return table.rows(self.scores(table).strangest_first[:count])

    def _reads_table(self, data: "Sources") -> "TypeGuard[str | Path]":
        """Whether data is a table, for a detector that learned from one."""
        return self.log_format is None and isinstance(data, str | Path) and is_table(Path(data))

    def _scores(self, table: SequenceTable) -> EnsembleScores:
        encoded = EncodedTable.of(table, self.vocabulary)
        return self.ensemble.scores(encoded, self.network_surprisal(encoded) if self.ensemble.reads_network else ())


def scoring_parts(
    recipe: Mapping[str, Any], content: Mapping[str, Any], arrays: dict[str, np.ndarray]
) -> dict[str, Any]:
    """The attributes of a `Scorer` that a bundle's recipe, content and arrays stand for."""
    named = content.get("members") or [FORMER_MEMBERS.get(name, name) for name in recipe["members"]]
    fusion, share = content.get("fusion", FORMER_FUSION), content["share"]
    ensemble = Ensemble.of_arrays(named, content["folds"], share, part(arrays, "ensemble"), fusion)
    running = part(arrays, "running")
    return {
        "vocabulary": Vocabulary.from_json(content["vocabulary"]),
        "ensemble": ensemble,
        "running": Running.of_arrays(ensemble, running) if running else None,
        "share": share,
        "templates": content["templates"],
        "log_format": content["log_format"],
        "unparsed_share": content.get("unparsed_share"),
        "continued_share": content.get("continued_share"),
    }


def log_settings(
    recipe: Mapping[str, Any], log_format: str | None = None, keep_attributes: bool = False
) -> "LogSettings":
    """How to read a raw log.

    recipe            the settings of the training by name; those of earlier versions may lack some
    log_format        the format of the log that was learned from
    keep_attributes   keep all attributes, and not only those that the recipe names
    """
    from trine.logs.readers import LogSettings

    given = LogSettings()
    pattern = recipe.get("log_pattern")
    return LogSettings(
        format=log_format if log_format and not pattern else recipe.get("log_format"),
        pattern=pattern,
        event=tuple(recipe.get("log_event", ())),
        entity=recipe.get("entity"),
        time=recipe.get("log_time"),
        time_format=recipe.get("time_format"),
        gap_seconds=recipe.get("gap_seconds", given.gap_seconds),
        window_seconds=recipe.get("window_seconds"),
        window_events=recipe.get("window_events"),
        attributes=None if keep_attributes else tuple(recipe.get("attributes", ())),
    )


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
