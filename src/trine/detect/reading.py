"""What a detector reads: sequence tables and folders as they are, raw logs by the recipe's settings."""

from dataclasses import dataclass
from pathlib import Path

from trine.datasets.tables import is_table
from trine.detect.recipe import DetectRecipe
from trine.sequences.readers import open_sequences, read_log
from trine.sequences.table import SequenceTable
from trine.sequences.templates import TemplateMiner


@dataclass(frozen=True, eq=False)
class Read:
    """What was read, and what to tell the user; of a raw log also its format and the templates of its free texts."""

    table: SequenceTable
    said: tuple[str, ...]
    format: str | None = None
    miner: TemplateMiner | None = None


def read_sequences(
    data: str | Path, data_dir: Path | None, recipe: DetectRecipe, miner: TemplateMiner | None = None
) -> Read:
    """The sequences of a named set, a table, a folder or a raw log.

    A `miner` of a fitted detector knows its templates again and learns no new ones. Raises `DataError`, `UsageError`.
    """
    path = Path(data)
    if not path.is_file() or is_table(path):
        table = open_sequences(data, data_dir=data_dir)
        return Read(table, table.skipped)
    reading = read_log(
        path,
        format=recipe.log_format,
        pattern=recipe.log_pattern,
        entity=recipe.entity,
        gap_seconds=recipe.gap_seconds,
        miner=miner,
        learn=miner is None,
    )
    how = "read as" if not reading.guessed else "looks like"
    split = f"a session is one {reading.entity}" if reading.entity else "one session"
    said = f"{path.name}: {how} {reading.format}; {split}; {len(reading.table):,} sessions"
    return Read(reading.table, (said, *reading.table.skipped), reading.format, reading.miner)
