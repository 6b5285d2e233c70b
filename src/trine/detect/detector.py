"""The estimator of detect: normal event sequences in, surprise and alerts out."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor, nn

from trine.bundle import Manifest
from trine.data.sequences import SequenceTable, open_sequences
from trine.detect import report
from trine.detect.network import EventNet
from trine.detect.objective import DetectObjective
from trine.detect.recipe import DetectRecipe
from trine.detect.scoring import Ensemble, threshold
from trine.detect.stepping import pack, unpack
from trine.detect.surprisal import Encoded, surprisals
from trine.detect.vocabulary import EVENT, Vocabulary
from trine.errors import DataError, UsageError
from trine.train.estimator import Estimator, Judgement
from trine.train.objective import Objective
from trine.train.progress import Reporter
from trine.train.result import Data

DAY = 86_400.0
COMPARED = 20_000
"""Normal sequences that the companions keep at the most."""


@dataclass(frozen=True)
class Opened:
    """A table, and the normal sequences of it that a detector may learn from."""

    table: SequenceTable
    train: SequenceTable
    calibration: SequenceTable
    left_out: int
    """Abnormal sequences among the training rows, which are not used."""


@dataclass(frozen=True)
class Scored:
    """What the detector says of every sequence of a table."""

    raw: Float64[np.ndarray, "sequences members"]
    fused: Float64[np.ndarray, "sequences"]
    p_value: Float64[np.ndarray, "sequences"]
    flagged: Bool[np.ndarray, "sequences"]
    surprisal: Float64[np.ndarray, "events"]
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
    model: EventNet
    ensemble: Ensemble
    threshold: float
    normal_names: tuple[str, ...] = ()
    """Names of the normal sequences that others are compared with."""

    # ---- fit

    def open(self, data: str | Path, data_dir: Path | None, recipe: DetectRecipe) -> Opened:
        """The table, and its normal training sequences cut in two: to learn from, and to calibrate on."""
        return split_normal(open_sequences(data, data_dir=data_dir), recipe)

    def describe(self, opened: Opened) -> dict[str, Any]:
        """Name, fingerprint and counts."""
        counts = {"train": len(opened.train), "calibration": len(opened.calibration), "left_out": opened.left_out}
        return {"name": opened.table.name, "fingerprint": opened.table.fingerprint, "splits": counts}

    def objective(self, opened: Opened, recipe: DetectRecipe) -> Objective:
        """A new network for this vocabulary."""
        unknown = set(recipe.attributes) - {*opened.table.attributes, "time"}
        if unknown:
            raise UsageError(
                f"attributes {', '.join(sorted(unknown))}: the table has {', '.join(opened.table.attributes)}"
            )
        self.vocabulary = Vocabulary.of(opened.train, recipe.attributes)
        torch.manual_seed(recipe.seed)
        self.model = self._network()
        train, held_out = (Encoded.of(part, self.vocabulary) for part in (opened.train, opened.calibration))
        return DetectObjective(self.model, recipe, train, held_out, self.device)

    def settle(self, opened: Opened, model: nn.Module, report: Reporter) -> None:
        """Fit the companions, calibrate all members on held-out normal sequences, and set the threshold."""
        assert isinstance(model, EventNet)
        self.model = model.cpu()
        self.ensemble = Ensemble(self.recipe.members)
        compared = opened.train.rows(even_sample(len(opened.train), COMPARED))
        self.ensemble.fit(Encoded.of(compared, self.vocabulary))
        self.normal_names = tuple(map(str, compared.names))
        held_out = Encoded.of(opened.calibration, self.vocabulary)
        self.ensemble.calibrate(held_out, self._surprisal(held_out))
        self.threshold = threshold(self.ensemble.fused_reference, self._share(opened.calibration))
        if not np.isfinite(self.threshold):
            report.note(
                f"{len(opened.calibration)} calibration sequences cannot hold false alarms to "
                f"{self.recipe.false_alarms:g}: nothing will be flagged; give more normal sequences or a higher share"
            )

    def _share(self, calibration: SequenceTable) -> float:
        """The share of normal sequences that may be flagged, from the recipe's false alarms or alerts a day."""
        if self.recipe.alerts_per_day is None:
            return self.recipe.false_alarms
        if calibration.times is None or not len(calibration.times):
            raise UsageError("--alerts-per-day needs event times: the data has none; use --false-alarms")
        days = float(np.nanmax(calibration.times) - np.nanmin(calibration.times)) / DAY
        return min(0.5, self.recipe.alerts_per_day * max(days, 1e-9) / len(calibration))

    # ---- judge

    def judge(self, opened: Opened, split: str | None = None) -> Judgement:
        """Separation, alerts at the calibrated threshold, per kind, per member, per distinct sequence."""
        name, table = self._chosen(opened, split)
        scored = self.scored(table)
        found = report.metrics_of(table, scored, self.ensemble.names, self.recipe.false_alarms)
        data = Data(name=table.name, fingerprint=table.fingerprint, split=name, n=len(table))
        return Judgement(data, found, report.pictures(table, scored, self.ensemble.names, self.threshold))

    def _chosen(self, opened: Opened, split: str | None) -> tuple[str, SequenceTable]:
        if split == "validation" or (split is None and not len(opened.table.split("test"))):
            return "validation", opened.calibration
        name = split or "test"
        table = opened.table if name == "all" else opened.table.split(name)
        if not len(table):
            raise DataError(f"{opened.table.name}: has no split {name!r}")
        return name, table

    def scored(self, table: SequenceTable) -> Scored:
        """Scores, p-values and alerts of every sequence of a table."""
        begin = time.perf_counter()
        encoded = Encoded.of(table, self.vocabulary)
        surprisal = self._surprisal(encoded)
        raw = self.ensemble.raw(encoded, surprisal)
        fused = self.ensemble.fused(raw)
        seconds = time.perf_counter() - begin
        return Scored(raw, fused, self.ensemble.p_value(fused), fused > self.threshold, surprisal, seconds)

    # ---- use

    def score(self, data: str | Path | SequenceTable, *, data_dir: Path | None = None) -> list[Verdict]:
        """A verdict on every sequence of a table."""
        table = data if isinstance(data, SequenceTable) else open_sequences(data, data_dir=data_dir)
        scored = self.scored(table)
        p = self.ensemble.member_p_values(scored.raw)
        return [
            Verdict(
                name=str(table.names[i]),
                p_value=float(scored.p_value[i]),
                score=float(scored.fused[i]),
                flagged=bool(scored.flagged[i]),
                loudest=self.ensemble.names[int(p[i].argmin())],
                members=dict(zip(self.ensemble.names, scored.raw[i].tolist(), strict=True)),
            )
            for i in range(len(table))
        ]

    @torch.inference_mode()
    def step(
        self, states: Sequence[bytes | None], events: Sequence[str], **attributes: Sequence[str]
    ) -> tuple[list[bytes], list[float]]:
        """One more event of each of several entities: their states after it, and its surprisal in nats.

        A state of None is an entity of which nothing was seen yet. Raises `UsageError` for a state of another model.
        """
        self.model.eval()
        state = unpack(self.model, states)
        logits = self.model.heads[EVENT](state.output)
        codes = torch.tensor([self.vocabulary.code(event) for event in events])
        surprise = torch.logsumexp(logits, -1) - logits.gather(-1, codes[:, None])[:, 0]
        columns = {EVENT: codes[:, None]}
        for name in self.vocabulary.values:
            if name != EVENT:
                words = attributes.get(name) or [""] * len(events)
                columns[name] = torch.tensor([[self.vocabulary.code(word, name)] for word in words])
        _, after = self.model.recur(self.model.embed(columns), state.recurrent)
        return pack(self.model, after), surprise.tolist()

    # ---- bundle

    def content(self) -> dict[str, Any]:
        """Vocabulary, members and threshold."""
        return {
            "vocabulary": self.vocabulary.as_json(),
            "members": list(self.ensemble.names),
            "normal_names": list(self.normal_names),
            "threshold": self.threshold if np.isfinite(self.threshold) else None,
        }

    def tensors(self) -> dict[str, Tensor]:
        """The network's weights and what the members learned."""
        parts = {"network": self.model.state_dict(), "ensemble": self.ensemble.tensors()}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def restore(self, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
        """Rebuild the detector of a bundle."""
        content = manifest.content
        self.vocabulary = Vocabulary.from_json(content["vocabulary"])
        self.model = self._network()
        self.model.load_state_dict(_part(tensors, "network"))
        self.normal_names = tuple(content["normal_names"])
        self.ensemble = Ensemble(content["members"])
        self.ensemble.load_tensors(_part(tensors, "ensemble"))
        self.threshold = float("inf") if content["threshold"] is None else content["threshold"]

    def card(self) -> str:
        """The model card."""
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(figures, self.data, self.recipe.model_dump(mode="json"), self.ensemble.names)

    # ---- parts

    def _network(self) -> EventNet:
        recipe = self.recipe
        shape = (recipe.cell, recipe.embedding, recipe.hidden, recipe.layers, recipe.dropout)
        return EventNet(self.vocabulary.sizes, *shape)

    def _surprisal(self, table: Encoded) -> Float64[np.ndarray, "events"]:
        return surprisals(self.model, table)[EVENT].astype(np.float64)


def split_normal(table: SequenceTable, recipe: DetectRecipe) -> Opened:
    """Normal training rows, cut at random into training and calibration; a validation split is calibration as it is.

    Rows labelled abnormal are left out. Raises `DataError` when too little is left to learn from.
    """
    rows = table.splits == "train" if (table.splits == "train").any() else table.splits != "test"
    normal = table.rows(rows & (table.labels != 1))
    held_out = table.rows((table.splits == "validation") & (table.labels != 1))
    if not len(held_out) and len(normal) >= 2:
        order = np.random.default_rng(recipe.seed).permutation(len(normal))
        count = min(len(normal) - 1, max(1, round(recipe.calibration_share * len(normal))))
        normal, held_out = normal.rows(np.sort(order[count:])), normal.rows(np.sort(order[:count]))
    if not len(normal) or not len(held_out):
        raise DataError(
            f"{table.name}: {len(normal)} normal sequence to learn from: give at least two, better hundreds"
        )
    if len(np.unique(normal.events)) < 2:
        raise DataError(f"{table.name}: only one distinct event in the training sequences: there is no order to learn")
    return Opened(table, normal, held_out, int((rows & (table.labels == 1)).sum()))


def even_sample(count: int, most: int) -> Int64[np.ndarray, "chosen"]:
    """Indices of at most so many of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
