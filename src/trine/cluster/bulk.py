"""Bulk work: a job's blocks, computed by processes, each block one Parquet file in the order of the input.

- `plan.json` says what is computed from what; `part-000000.parquet` and so on hold the rows.
- A part is complete or absent. The same command goes on where an earlier one was stopped: parts that are there stay.
- One process, a pool of processes on this machine, or actors of Ray Data on several machines run the same `Worker`.
"""

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from trine import files
from trine.cluster.jobs import ERROR, Block, Job, weights_of
from trine.cluster.places import Folder, shown
from trine.errors import ClusterError, RunError, UsageError
from trine.plurals import quantity
from trine.processors import threads_each

PLAN = "plan.json"
FAILED = b"trine.failed"
"""Entry of a part's metadata: number of rows that are errors."""
ROWS_TOGETHER = 4096
"""Rows that are put into columns together."""


@dataclass(frozen=True)
class Part:
    """What became of a block."""

    number: int
    rows: int
    failed: int
    """Rows that are errors."""
    seconds: float = 0.0
    """Time of the computation; 0 for a part that was there already."""


@dataclass(frozen=True)
class Summary:
    """What a whole call has done."""

    into: str
    parts: int
    kept: int
    """Parts that were there already."""
    rows: int
    failed: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """A JSON object."""
        return files.rounded(vars(self))  # type: ignore[no-any-return]

    def line(self) -> str:
        """A line for a person."""
        failed = f", {quantity(self.failed, 'error')} among them" if self.failed else ""
        kept = f", {self.kept:,} of them from an earlier call" if self.kept else ""
        rows = quantity(self.rows, "row")
        return f"{self.into}: {rows}{failed}, in {quantity(self.parts, 'file')}{kept}; {self.seconds:.1f} s"


class Worker:
    """A process that computes blocks: the model, opened once."""

    def __init__(self, job: Job, into: str, threads: int | None) -> None:
        self._job, self._folder = job, Folder(into)
        self._rows = job.opened(threads)

    def compute(self, block: Block) -> Part:
        """Compute a block and write its file. Raises `RunError`."""
        begin = time.perf_counter()
        content, rows, failed = _encoded(self._job, self._rows(block))
        self._folder.write(part_name(block.number), content)
        return Part(block.number, rows, failed, time.perf_counter() - begin)


Engine = Callable[[Job, Sequence[Block], str], Iterable[Part]]
"""Runs workers on blocks, and gives the parts as they are done."""


def run(
    job: Job, blocks: Sequence[Block], into: str, engine: Engine, done: Callable[[Part, int], None] = lambda *_: None
) -> Summary:
    """Compute all blocks that have no file yet.

    into   folder of the results: a path, or an address in an object store
    done   told of each part that is there, and of the number of parts
    Raises `RunError` where the folder holds the results of other work, `ClusterError`, `UsageError`.
    """
    begin = time.perf_counter()
    _require_parquet()
    folder = Folder(into)
    folder.prepare()
    there = folder.names()
    _begin(folder, there, job, blocks)
    kept = [_kept(folder, block.number) for block in blocks if part_name(block.number) in there]
    known = {part.number for part in kept if part is not None}
    parts = [part for part in kept if part is not None]
    for part in parts:
        done(part, len(blocks))
    todo = [block for block in blocks if block.number not in known]
    for part in engine(job, todo, into) if todo else ():
        parts.append(part)
        done(part, len(blocks))
    rows, failed = sum(part.rows for part in parts), sum(part.failed for part in parts)
    return Summary(shown(into), len(parts), len(known), rows, failed, time.perf_counter() - begin)


def pool(workers: int, threads: int | None = None) -> Engine:
    """Processes on this machine; with one, this process alone.

    threads   per process; without, the processors are shared out among the processes
    """

    def compute(job: Job, blocks: Sequence[Block], into: str) -> Iterator[Part]:
        count = min(workers, len(blocks))
        each = threads or (None if count == 1 else threads_each(count))
        if count == 1:
            worker = Worker(job, into, each)
            yield from map(worker.compute, blocks)
            return
        executor = ProcessPoolExecutor(count, get_context("spawn"), _open, (job, into, each))
        try:
            for future in as_completed([executor.submit(_compute, block) for block in blocks]):
                yield future.result()
        except BrokenProcessPool:
            raise ClusterError(
                f"{shown(into)}: a process of the pool was killed, as the system does when memory is short: the same "
                "command goes on with what is missing; give fewer --workers"
            ) from None
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    return compute


def part_name(number: int) -> str:
    """Name of the file of a block."""
    return f"part-{number:06d}.parquet"


_worker: list[Worker] = []
"""The worker of a process of the pool."""


def _open(job: Job, into: str, threads: int | None) -> None:
    _worker.append(Worker(job, into, threads))


def _compute(block: Block) -> Part:
    return _worker[0].compute(block)


def _begin(folder: Folder, there: set[str], job: Job, blocks: Sequence[Block]) -> None:
    """Write the plan, or compare it with that of an earlier call. Raises `RunError` for another one."""
    plan = {
        "command": f"{job.task} {job.verb}",
        "model": weights_of(job.model, job.task),
        "options": job.options(),
        "input": files.digest([block.key() for block in blocks]),
        "parts": len(blocks),
    }
    if not there - {PLAN}:  # a plan of which nothing was computed is as good as none
        folder.write(PLAN, json.dumps(plan, indent=2).encode())
        return
    if PLAN not in there:
        raise RunError(f"{shown(folder.where)}: holds {min(there)!r}, no result of this command: choose another --into")
    try:
        before = json.loads(folder.read(PLAN))
    except ValueError:
        before = {}
    for name, value in plan.items():
        if before.get(name) != value:
            what = {"input": "other files", "parts": "other files", "model": "another model"}.get(name, f"other {name}")
            raise RunError(
                f"{shown(folder.where)}: holds results of {what}: choose another --into, or remove the folder"
            )


def _kept(folder: Folder, number: int) -> Part | None:
    """The part that an earlier call has written; None for a damaged one, which is computed again."""
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.read_metadata(io.BytesIO(folder.read(part_name(number))))
        return Part(number, found.num_rows, int((found.metadata or {})[FAILED]))
    except (pyarrow.ArrowException, OSError, ValueError, KeyError):
        return None


def _encoded(job: Job, rows: Iterator[dict[str, Any]]) -> tuple[bytes, int, int]:
    """A Parquet file of rows, their number, and the number of errors among them."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in job.columns.items()])
    count = failed = 0
    batches, waiting = [], list[dict[str, Any]]()
    for row in rows:
        count, failed = count + 1, failed + bool(row[ERROR])
        waiting.append({name: _printable(value) for name, value in row.items()})
        if len(waiting) == ROWS_TOGETHER:
            batches.append(pyarrow.RecordBatch.from_pylist(waiting, schema))
            waiting = []
    batches.append(pyarrow.RecordBatch.from_pylist(waiting, schema))
    table = pyarrow.Table.from_batches(batches, schema).replace_schema_metadata({FAILED: str(failed)})
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd")
    return file.getvalue(), count, failed


def _printable(value: Any) -> Any:
    """Names of files can hold bytes that are no text: they are escaped."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _require_parquet() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError("--into writes Parquet, which needs pyarrow: pip install 'trine[parquet]'") from None
