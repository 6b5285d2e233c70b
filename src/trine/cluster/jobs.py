"""What bulk work does: pictures to labels, logs to findings, seeds to pictures. A job has blocks; a block gives rows.

Blocks are the same in every run on the same input: what is written is not computed again, whoever computes the rest.
A further kind of work is a class with the attributes and methods of `Job`.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from trine import bundle
from trine.bundle import WEIGHTS
from trine.cluster.picture_tables import pictures_of
from trine.cluster.places import brought, content
from trine.errors import DataError, TrineError
from trine.tasks import TASKS

Row = dict[str, Any]
RowsOf = Callable[["Block"], Iterator[Row]]
TOGETHER = 64
"""Pictures that are read and computed together."""
OF_TORCH = {"prior", "pixel_noise", "guidance"}
"""Arguments of `sample_stream` that an exported model does not have."""
ERROR = "error"
"""The column that says why there is no answer."""


@dataclass(frozen=True)
class Block:
    """A part of the input: what is computed together, and written as one file."""

    number: int
    items: tuple[str, ...]
    """Paths or addresses; of one log, all its files."""
    names: tuple[str, ...] = ()
    """What answers call them; without, as they are."""
    first: int = 0
    last: int = 0
    """Row group of a Parquet file of pictures; for work without input, index of the first row and the one after the
    last. 0 and 0: neither."""

    def key(self) -> list[Any]:
        """What tells this block from others; not the paths, which are temporary for archives."""
        return [self.number, self.names or self.items, self.first, self.last]


class Job(Protocol):
    """A kind of bulk work; it is sent to other processes."""

    task: ClassVar[str]
    verb: ClassVar[str]
    columns: ClassVar[Mapping[str, str]]
    """Column to its type, as pyarrow names it; `error` is one of them."""

    @property
    def model(self) -> Path:
        """The model's folder."""

    def options(self) -> Row:
        """What the rows depend on, beside model and input."""

    def opened(self, threads: int | None) -> RowsOf:
        """The model, opened in the process that computes: gives the rows of a block."""


@dataclass(frozen=True)
class Predict:
    """Classes of pictures."""

    model: Path
    task: ClassVar[str] = "classify"
    verb: ClassVar[str] = "predict"
    columns: ClassVar[Mapping[str, str]] = {
        "path": "string",
        "label": "string",
        "probability": "float64",
        "typicality": "float64",
        "abstain": "bool",
        ERROR: "string",
    }

    def options(self) -> Row:
        """Nothing: the model decides."""
        return {}

    def opened(self, threads: int | None) -> RowsOf:
        """Opens the classifier."""
        model = open_model(self.model, self.task, threads)

        def rows(block: Block) -> Iterator[Row]:
            if block.last:  # a row group of a table
                for names, pictures in pictures_of(block.items[0], block.first, TOGETHER):
                    yield from self._answers(model, names, pictures)
                return
            names = list(block.names or block.items)
            for start in range(0, len(names), TOGETHER):
                part = slice(start, start + TOGETHER)
                yield from self._answers(model, names[part], [_fetched(item) for item in block.items[part]])

        return rows

    def _answers(self, model: Any, names: Sequence[str], pictures: Sequence[Path | bytes | DataError]) -> Iterator[Row]:
        """A row per picture, in their order; those that could not be fetched are among them."""
        there = [(name, each) for name, each in zip(names, pictures, strict=True) if not isinstance(each, DataError)]
        given, called = [each for _, each in there], [name for name, _ in there]
        answers = iter(model.predict_stream(given, names=called) if given else ())
        for name, each in zip(names, pictures, strict=True):
            answer = None if isinstance(each, DataError) else next(answers)
            error = str(each) if answer is None else answer.error
            known = {} if error else {column: getattr(answer, column) for column in self.columns}
            yield {**dict.fromkeys(self.columns), **known, "path": name, ERROR: error}


@dataclass(frozen=True)
class Score:
    """Findings in logs, or among the sequences of tables; the files that rotation made of one log are one log."""

    model: Path
    everything: bool = False
    """Whether sequences that are not flagged get a row too."""
    task: ClassVar[str] = "detect"
    verb: ClassVar[str] = "score"
    columns: ClassVar[Mapping[str, str]] = {
        "file": "string",
        "name": "string",
        "p_value": "float64",
        "score": "float64",
        "flagged": "bool",
        "loudest": "string",
        "length": "int64",
        "entity": "string",
        "source": "string",
        "first_time": "string",
        "last_time": "string",
        "never_seen": "int64",
        ERROR: "string",
    }

    def options(self) -> Row:
        """Whether all sequences get a row."""
        return {"everything": self.everything}

    def opened(self, threads: int | None) -> RowsOf:
        """Opens the detector."""
        scorer = open_model(self.model, self.task, threads)

        def rows(block: Block) -> Iterator[Row]:
            for log in logs_of(block):
                yield from self._findings(scorer, *log)

        return rows

    def _findings(self, scorer: Any, called: str, log: list[str]) -> Iterator[Row]:
        """A row per finding of a log, the strangest first; of all its sequences in their order."""
        try:
            with brought(log) as paths:
                table = scorer.open_log(paths[0] if len(paths) == 1 else paths).table
            scores = scorer.scores(table) if len(table) else None
        except TrineError as problem:
            yield {**dict.fromkeys(self.columns), "file": called, ERROR: str(problem)}
            return
        if scores is None:
            return
        order = scores.strangest_first
        chosen = range(len(table)) if self.everything else order[scores.flagged[order]].tolist()
        for finding in scorer.findings(table, scores, chosen):
            known = {name: value for name, value in asdict(finding).items() if name in self.columns}
            yield {**dict.fromkeys(self.columns), **known, "file": called}


@dataclass(frozen=True)
class Sample:
    """New pictures, as PNG files in a column."""

    model: Path
    seed: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `sample_stream`."""
    task: ClassVar[str] = "generate"
    verb: ClassVar[str] = "sample"
    columns: ClassVar[Mapping[str, str]] = {"index": "int64", "picture": "binary", ERROR: "string"}

    def options(self) -> Row:
        """Seed, label, temperature and so on."""
        return {"seed": self.seed, **self.arguments}

    def opened(self, threads: int | None) -> RowsOf:
        """Opens the generator: with torch where an argument needs it."""
        exported = not OF_TORCH & self.arguments.keys()
        model = open_model(self.model, self.task, threads, exported)

        def rows(block: Block) -> Iterator[Row]:
            stream = model.sample_stream(block.last, seed=self.seed, first=block.first, **self.arguments)
            index = block.first
            for pictures in stream:
                for picture in pictures:
                    yield {"index": index, "picture": _png(picture), ERROR: None}
                    index += 1

        return rows


def open_model(path: Path, task: str, threads: int | None, exported: bool = True) -> Any:
    """The model at work without torch, where it has graphs and onnxruntime is installed; else with torch.

    threads   threads that compute; None: one per core
    Raises `BundleError`, `UsageError`.
    """
    manifest = bundle.read_manifest(bundle.locate(path), task)
    if exported and manifest.export and find_spec("onnxruntime"):
        from trine import runtime

        return runtime.load(path, threads=threads)
    from trine import machine

    if threads:
        machine.use_threads(threads)
    return TASKS[task].model_class().load(path)


def weights_of(path: Path, task: str) -> str:
    """The checksum of a model's weights. Raises `BundleError`."""
    return str(bundle.read_manifest(bundle.locate(path), task).files[WEIGHTS])


def logs_of(block: Block) -> list[tuple[str, list[str]]]:
    """The logs of a block by name: the files of each follow one another."""
    logs: dict[str, list[str]] = {}
    for item, name in zip(block.items, block.names, strict=True):
        logs.setdefault(name, []).append(item)
    return list(logs.items())


def _fetched(item: str) -> Path | bytes | DataError:
    try:
        return content(item)
    except DataError as problem:
        return problem


def _png(picture: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture).save(file, "PNG")
    return file.getvalue()
