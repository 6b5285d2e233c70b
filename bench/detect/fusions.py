"""Which fusion: synthetic deviations of held-out normal sequences, and left-out kinds of normal ones. Cost: 3 minutes.

Of the normal training sequences of each set, half teach the members, a quarter calibrates them, a quarter is new. Each
kind of deviation changes the new ones. Left out: the sequences are clustered by their runs of three events; each
cluster in turn is left out of the training and counts as abnormal. No attack of any set is read, and no test split:
what is chosen here is chosen without them. Without networks: the n-grams stand for the surprisal of events.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch

from bench.support import record
from trine.detect.recipe import COUNTING_MEMBERS
from trine.detect.scoring import Panel, Weights, harmonic, stouffer
from trine.detect.scoring import weights as own_weights
from trine.measures.conformal import MemberScores
from trine.measures.roc import auc, roc
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, UNKNOWN, EncodedTable, Vocabulary

SETS = ("hostlab", "hdfs", "adfa-ld")
CLUSTERS, SMALLEST = 8, 1_000
"""Number of clusters, and smallest number of sequences per length bucket."""
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


def smallest(p: MemberScores, weights: Weights) -> np.ndarray:
    return -np.log(p.min(1))


def fisher(p: MemberScores, weights: Weights) -> np.ndarray:
    return -np.log(p).sum(1)


def beyond(p: MemberScores, weights: Weights) -> np.ndarray:
    """The first member's quantile; of the others, what exceeds that of p = 0.1."""
    quantiles = -torch.special.ndtri(torch.from_numpy(np.minimum(p, 0.995))).numpy()
    above = np.maximum(0, quantiles[:, 1:] - 1.28).sum(1)
    return np.where(above > 0, np.maximum(quantiles[:, 0], 1.28) + above, quantiles[:, 0])


RULES: dict[str, tuple[Callable[[MemberScores, Weights], np.ndarray], Weights | None]] = {
    "in use": (harmonic, None),
    "harmonic, equal weights": (harmonic, (1.0,) * 7),
    "harmonic, 0.3 for shares and sums": (harmonic, (1.0, 1.0, 0.3, 0.3, 0.3, 0.3, 0.3)),
    "harmonic, 0.1 for shares and sums": (harmonic, (1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.1)),
    "harmonic, 0.05 for sums": (harmonic, (1.0, 1.0, 0.3, 0.05, 0.05, 0.05, 0.05)),
    "Stouffer's sum": (stouffer, (1.0,) * 7),
    "Fisher's sum": (fisher, (1.0,) * 7),
    "smallest p-value": (smallest, (1.0,) * 7),
    "first member, others beyond p = 0.1": (beyond, (1.0,) * 7),
}
"""Rules, and weights of the members in their order; none: their own."""


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


def p_values(panel: Panel, table: EncodedTable) -> MemberScores:
    raw = panel.raw(panel.evidence(table, {}))
    return panel.reference.p_values(raw, table.lengths)


def compared(panel: Panel, new: EncodedTable, abnormal: EncodedTable) -> dict[str, dict[str, float]]:
    """AUC and share found at 1 % of each fusion and of each member."""
    normal_p, p = p_values(panel, new), p_values(panel, abnormal)
    scores = {f"member {m.name}": (-normal_p[:, i], -p[:, i]) for i, m in enumerate(panel.members)}
    for name, (rule, weights) in RULES.items():
        given = weights or own_weights(panel.members)
        scores[name] = (rule(normal_p, given), rule(p, given))
    return {name: separation(*pair) for name, pair in scores.items()}


def deviations(name: str) -> dict[str, dict[str, dict[str, float]]]:
    (train, held_out, new), kinds = parts(name)
    panel = Panel.fitted(COUNTING_MEMBERS, SMALLEST, train, held_out, {})
    made = {key: table_of(make(new.codes, np.random.default_rng(1), kinds)) for key, make in DEVIATIONS.items()}
    return {key: compared(panel, new, abnormal) for key, abnormal in made.items()}


def left_out(name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Figures by cluster; clusters of fewer than ten sequences are not left out."""
    tables, _ = parts(name)
    codes = [sequence for table in tables for sequence in table.codes]
    clusters, draw, figures = clustered(codes), np.random.default_rng(0), {}
    for cluster in range(CLUSTERS):
        abnormal, rest = np.flatnonzero(clusters == cluster), draw.permutation(np.flatnonzero(clusters != cluster))
        if len(abnormal) < 10:
            continue
        train, held_out, new = np.split(rest, [len(rest) // 2, 3 * len(rest) // 4])
        known = np.unique(np.concatenate([codes[i] for i in train]))
        read = [
            table_of([np.where(np.isin(codes[i], known), codes[i], UNKNOWN) for i in part])
            for part in (train, held_out, new, abnormal)
        ]
        panel = Panel.fitted(COUNTING_MEMBERS, SMALLEST, read[0], read[1], {})
        figures[f"cluster {cluster}"] = compared(panel, read[2], read[3])
    return figures


def clustered(sequences: list[Codes]) -> np.ndarray:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    runs = [[tuple(codes[i : i + 3].tolist()) for i in range(max(1, len(codes) - 2))] for codes in sequences]
    shares = TfidfVectorizer(analyzer=lambda run: run, binary=True, max_features=5_000).fit_transform(runs)
    mixes = TruncatedSVD(20, random_state=0).fit_transform(shares)
    return KMeans(CLUSTERS, n_init=3, random_state=1).fit_predict(mixes)


def separation(normal: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    scores = np.concatenate([normal, abnormal])
    labels = np.repeat([False, True], [len(normal), len(abnormal)])
    return {"auc": auc(scores, labels), "tpr_at_0.01": roc(scores, labels).tpr_at(0.01)}


def summary(cases: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Of each rule, over all cases: mean AUC, mean share found, mean and largest distance to the best member's AUC."""
    best = [max(v["auc"] for k, v in case.items() if k.startswith("member ")) for case in cases]
    figures = {}
    for name in cases[0]:
        own = np.array([case[name]["auc"] for case in cases])
        found = float(np.mean([case[name]["tpr_at_0.01"] for case in cases]))
        below = np.array(best) - own
        figures[name] = {"auc": float(own.mean()), "tpr_at_0.01": found}
        figures[name] |= {"below_best": float(below.mean()), "most_below_best": float(below.max())}
    return figures


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    groups = {group.__name__: {name: group(name) for name in SETS} for group in (deviations, left_out)}
    record.keep(
        "detect-fusions",
        "python -m bench.detect.fusions",
        {
            "members": list(COUNTING_MEMBERS),
            "summary": {
                group: summary([case for cases in sets.values() for case in cases.values()])
                for group, sets in groups.items()
            },
        },
    )
