"""Options of bulk work: Parquet files in place of lines, in several processes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.options import Cluster
from trine.errors import UsageError

if TYPE_CHECKING:
    from trine.cluster.bulk import Part
    from trine.cluster.jobs import Block, Job

INTO = (
    "Write the answers as Parquet files into this folder, also s3://… or gs://…, in the order of the input. The same "
    "command goes on where it was stopped. [default: they are printed]"
)
LINE_SECONDS = 5.0
"""Seconds between two lines about the course."""


@Parameter(name="*")
@dataclass
class BulkOptions:
    """Where bulk work is computed, and where its results go."""

    into: Annotated[str | None, Parameter(help=INTO)] = None
    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    "Processes that compute, with --into. [default: 1; with --cluster one per processor]"
    cluster: Cluster = None

    def wanted(self, **others: object) -> bool:
        """Whether there is bulk work to do. Raises `UsageError` for options that it does not have."""
        if self.into is None:
            if self.workers is not None or self.cluster is not None:
                given = "--workers" if self.workers is not None else "--cluster"
                raise UsageError(f"{given}: several processes write Parquet files: name a folder for them with --into")
            return False
        if named := [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]:
            raise UsageError(f"{named[0]} and --into exclude each other: give one of them")
        return True

    def refuse_archives(self, words: Sequence[str]) -> None:
        """Raise `UsageError` for archives on a cluster: they are unpacked on this machine."""
        from trine.datasets.archives import is_archive

        if self.cluster and (archives := [word for word in words if is_archive(Path(word))]):
            raise UsageError(f"{archives[0]}: an archive is read on one machine: unpack it, or leave out --cluster")

    def run(self, job: "Job", blocks: Sequence["Block"], json: bool) -> int:
        """Do the work, and print what was done; 1 if there are errors among the rows."""
        from trine.cluster.actors import engine_for
        from trine.cluster.bulk import run
        from trine.cluster.places import absolute

        assert self.into
        with engine_for(self.cluster, self.workers) as engine:
            summary = run(job, blocks, absolute(self.into), engine, _Course())
        if json:
            output.print_json(summary.as_json())
        else:
            output.note(summary.line())
        return int(summary.failed > 0)


class _Course:
    """Says every few seconds how far the work is."""

    def __init__(self) -> None:
        self._parts = self._rows = 0
        self._next = time.monotonic() + LINE_SECONDS

    def __call__(self, part: "Part", total: int) -> None:
        self._parts, self._rows = self._parts + 1, self._rows + part.rows
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            output.note(f"{self._parts:,} of {total:,} files, {self._rows:,} rows")
