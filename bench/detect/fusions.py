"""Which members and which fusion: synthetic deviations of held-out normal sequences. Cost: 3 minutes.

Of the normal training sequences of each set, half teach the members, a quarter calibrates them, a quarter is new. Each
kind of deviation changes the new ones. No attack of any set is read, and no test split: what is chosen here is chosen
without them. Without networks: the n-grams stand for the surprisal of events.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.support import record
from trine.detect.members import sources
from trine.detect.recipe import COUNTING_MEMBERS
from trine.detect.scoring import FUSIONS, Panel
from trine.measures.roc import auc, roc
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, UNKNOWN, EncodedTable, Vocabulary

SETS = ("hostlab", "hdfs", "adfa-ld", "hadoop")
MOST = 3_000
"""Largest number of normal sequences of a set."""
Codes = np.ndarray
Deviation = Callable[[list[Codes], np.random.Generator, int], list[Codes]]


def scans(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """Nothing but events that were never seen: one to ten thousand."""
    return [np.full(int(10 ** draw.uniform(0, 4)), UNKNOWN) for _ in normal]


def long_scans(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """Hundreds to thousands of never-seen events after a normal beginning."""
    return [np.concatenate([codes, np.full(int(10 ** draw.uniform(2, 4)), UNKNOWN)]) for codes in normal]


def single(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """One to three never-seen events within a normal sequence."""
    return [inserted(codes, np.full(int(draw.integers(1, 4)), UNKNOWN), draw) for codes in normal]


def floods(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """One known event, repeated a hundred to five thousand times."""
    return [np.full(int(10 ** draw.uniform(2, 3.7)), draw.choice(codes)) for codes in normal]


def shuffled(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """The same events in random order."""
    return [draw.permutation(codes) for codes in normal]


def spliced(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """A third of another normal sequence within one."""
    others = [normal[i] for i in draw.permutation(len(normal))]
    return [inserted(a, b[: max(2, len(b) // 3)], draw) for a, b in zip(normal, others, strict=True)]


def foreign(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """Five to twenty known events in random order within a normal sequence."""
    return [inserted(codes, draw.integers(2, kinds, int(draw.integers(5, 21))), draw) for codes in normal]


def repeated(normal: list[Codes], draw: np.random.Generator, kinds: int) -> list[Codes]:
    """A normal sequence, twenty times over."""
    return [np.tile(codes, 20) for codes in normal]


def inserted(codes: Codes, others: Codes, draw: np.random.Generator) -> Codes:
    return np.insert(codes, int(draw.integers(len(codes) + 1)), others)


DEVIATIONS: dict[str, Deviation] = {
    each.__name__: each for each in (scans, long_scans, single, floods, shuffled, spliced, foreign, repeated)
}


def table_of(sequences: list[Codes]) -> EncodedTable:
    lengths = [len(codes) for codes in sequences]
    return EncodedTable({EVENT: np.concatenate(sequences)}, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def parts(name: str) -> tuple[list[EncodedTable], int]:
    """Sequences to learn from, to calibrate on, and new ones; number of codes."""
    table: SequenceTable = open_sequences(name)
    train = table.splits == "train" if (table.splits == "train").any() else table.splits != "test"
    normal = table.rows(train & (table.labels != 1))
    order = np.random.default_rng(0).permutation(len(normal))[:MOST]
    pieces = [normal.rows(piece) for piece in np.split(order, [len(order) // 2, 3 * len(order) // 4])]
    vocabulary = Vocabulary.of(pieces[0], ())
    return [EncodedTable.of(piece, vocabulary) for piece in pieces], vocabulary.sizes[EVENT]


def p_values(panel: Panel, table: EncodedTable) -> tuple[np.ndarray, np.ndarray]:
    raw = panel.raw(panel.evidence(table, {}))
    return raw, panel.reference.p_values(raw, table.lengths)


def measure(name: str, members: tuple[str, ...], fusions: dict[str, Callable[[np.ndarray], np.ndarray]]) -> Any:
    """Figures by deviation: AUC and share found at 1 % of each fusion and of each member."""
    (train, held_out, new), kinds = parts(name)
    panel = Panel.fitted(members, 1_000, train, held_out, {})
    normal_raw, normal_p = p_values(panel, new)
    figures = {}
    for deviation, make in DEVIATIONS.items():
        raw, p = p_values(panel, table_of(make(new.codes, np.random.default_rng(1), kinds)))
        scores = {f"member {m}": (normal_raw[:, i], raw[:, i]) for i, m in enumerate(members)}
        scores |= {f"fusion {f}": (rule(normal_p), rule(p)) for f, rule in fusions.items()}
        figures[deviation] = {key: separation(*pair) for key, pair in scores.items()}
    return figures


def separation(normal: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    scores = np.concatenate([normal, abnormal])
    labels = np.repeat([False, True], [len(normal), len(abnormal)])
    return {"auc": auc(scores, labels), "tpr_at_0.01": roc(scores, labels).tpr_at(0.01)}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    assert sources(COUNTING_MEMBERS) == {"ngrams"}
    record.keep(
        "detect-fusions",
        "python -m bench.detect.fusions",
        {"members": list(COUNTING_MEMBERS), "sets": {name: measure(name, COUNTING_MEMBERS, FUSIONS) for name in SETS}},
    )
