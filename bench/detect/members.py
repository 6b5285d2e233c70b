"""The fused detector beside its members and beside counting, on five public sets. Cost on two cores: 15 minutes.

Counting: `trine detect fit --members counting`, which trains no network; n-grams of seven events with Witten and Bell's
smoothing, as published; a one-class SVM on tf-idf. The test split of each set is read once. Nothing was chosen on it.
unm and openstack are made by bench.detect.public_sets.
"""

import argparse
import json
import shutil
import time
from typing import Any

import numpy as np

from bench.detect.hdfs import natural
from bench.detect.public_sets import FOLDER
from bench.support import record
from bench.support.claim import Cells, Claim
from trine.detect.detector import Detector
from trine.detect.evaluation import metrics
from trine.detect.ngrams import NGramCounts, NGrams
from trine.detect.padding import sequence_means
from trine.measures.roc import auc, roc
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EncodedTable, Vocabulary

SETS = {
    "hostlab": "hostlab",
    "hdfs": "hdfs",
    "unm": str(FOLDER / "unm.tsv"),
    "openstack": str(FOLDER / "openstack.tsv"),
    "adfa-ld": "adfa-ld",
}
"""Name, and what `trine detect fit` reads."""

CLAIMS = [
    Claim(
        f"{name}: AUC fused, by counting alone; best single member",
        "detect-members",
        lambda f, name=name: Cells(line(f["sets"][name])),
        "Best of the members that are fused, chosen on the test split. Counting trains no network.",
    )
    for name in SETS
]


def line(figures: dict[str, Any]) -> str:
    best = max((v["auc"], k) for k, v in figures["network"]["members"].items() if k in figures["fused_members"])
    fused, counting = (figures[which]["fused"]["auc"] for which in ("network", "counting"))
    return f"{fused:.3f}, {counting:.3f}; {best[0]:.3f} ({best[1]})"


class SevenGrams(NGrams):
    """n-grams of up to seven events; each distinct event counts once, as Witten and Bell have it."""

    @classmethod
    def of(cls, grams: NGrams) -> "SevenGrams":
        return cls(grams.single, tuple(Published(c.keys, c.counts, c.width) for c in grams.longer[:6]))


class Published(NGramCounts):
    @property
    def types(self) -> np.ndarray:  # type: ignore[override]
        from trine.detect.ngrams import NOVELTY

        return super().types / NOVELTY


def separation(scores: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    return {"auc": auc(scores, abnormal), "tpr_at_0.01": roc(scores, abnormal).tpr_at(0.01)}


def baselines(train: SequenceTable, test: SequenceTable) -> dict[str, Any]:
    """Figures of the published counting methods, with all normal training sequences."""
    vocabulary = Vocabulary.of(train, ())
    known, new = EncodedTable.of(train, vocabulary), EncodedTable.of(test, vocabulary)
    seven = SevenGrams.of(NGrams.counted(known)).surprisal(new)
    return {
        "7-grams": separation(sequence_means(seven, new.offsets), test.labels == 1),
        "one-class SVM on tf-idf": separation(support_vectors(train, test), test.labels == 1),
    }


def support_vectors(train: SequenceTable, test: SequenceTable) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import OneClassSVM

    weights = TfidfVectorizer(analyzer=lambda codes: codes, sublinear_tf=True)
    known = weights.fit_transform([train.sequence(i).tolist() for i in range(len(train))])
    machine = OneClassSVM(nu=0.05, gamma="scale").fit(known)
    return -machine.decision_function(weights.transform([test.sequence(i).tolist() for i in range(len(test))]))


def measure(data: str, test: SequenceTable, folder: str, *words: object) -> dict[str, Any]:
    """Figures of a detector: fused, and of each member."""
    place = record.RUNS / folder
    shutil.rmtree(place, ignore_errors=True)
    begin = time.perf_counter()
    record.fit("detect", data, place, "--no-test", *words)
    seconds = time.perf_counter() - begin
    model = Detector.load(place)
    scores = model.scores(test)
    figures = metrics(test, scores, model.ensemble.names, model.share)
    members = {
        name: {"auc": own["auc"], "tpr_at_0.01": own["tpr_at_fpr"]["0.01"]}
        for name, own in figures["per_member"].items()
    }
    return {
        "fused": {"auc": figures["auc"], "tpr_at_0.01": figures["tpr_at_fpr"]["0.01"]},
        "at_threshold": {name: figures[name] for name in ("recall", "precision", "fpr_realised", "fpr_interval")},
        "members": members,
        "fused_members": list(model.ensemble.names),
        "seconds": seconds,
    }


def of_set(name: str, minutes: float | None) -> dict[str, Any]:
    data = SETS[name]
    table = open_sequences(data)
    test = natural(table) if name == "hdfs" else table.split("test")
    normal = table.rows((table.splits == "train") & (table.labels != 1))
    network = measure(data, test, f"members-{name}", *(("--minutes", minutes) if minutes else ()))
    return {
        "network": network,
        "counting": measure(data, test, f"counting-{name}", "--members", "counting"),
        "baselines": baselines(normal, test),
        "fused_members": network["fused_members"],
        "minutes": minutes,
        "normal": int((test.labels != 1).sum()),
        "abnormal": int((test.labels == 1).sum()),
        "learned_from": len(normal),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--minutes", type=float, help="budget of each network, in place of the recipe's length")
    options = parser.parse_args()
    path = record.RESULTS / "detect-members.json"
    figures = json.loads(path.read_text())["figures"] if path.is_file() else {"sets": {}}
    for name in options.sets:
        figures["sets"][name] = of_set(name, options.minutes)
        record.keep("detect-members", "python -m bench.detect.members", figures)
