import numpy as np
import pytest

from tests.detect.conftest import encoded
from trine.detect.evidence import Evidence
from trine.detect.members import MEMBERS
from trine.detect.ngrams import NGrams
from trine.detect.running import CHECKPOINTS, Cuts, Running, RunningPanel
from trine.detect.scoring import Panel
from trine.sequences.vocabulary import EncodedTable

COUNTING = ("ngrams", "counts", "unseen", "ngram_excess", "pairs", "rare", "size")


def sequences(count, seed, low=3, high=120):
    """Walks over a ring of events that sometimes jump."""
    draw = np.random.default_rng(seed)
    made = []
    for length in draw.integers(low, high, count):
        steps = np.where(draw.random(length) < 0.9, 1, draw.integers(0, 8, length))
        made.append((2 + np.cumsum(steps) % 8).tolist())
    return encoded(*made)


def prefixes(table, length):
    """The first events of the sequences that are long enough."""
    return encoded(*[codes[:length].tolist() for codes in table.codes if len(codes) >= length])


@pytest.fixture(scope="module")
def panel():
    return Panel.fitted(COUNTING, 1_000, sequences(400, 0), sequences(400, 1), {})


@pytest.fixture(scope="module")
def running(panel):
    return Running((RunningPanel.fitted(panel, panel.evidence(sequences(400, 1), {})),))


@pytest.mark.parametrize("length", [1, 2, 7, 20, 64])
def test_a_cut_sequence_has_the_scores_of_a_sequence_that_is_as_short(panel, length):
    table = sequences(50, 2)
    assert length in CHECKPOINTS
    cuts, short = Cuts.of(table), prefixes(table, length)
    scores = cuts.scores(panel.members, panel.evidence(table, {}))[cuts.lengths == length]
    assert scores == pytest.approx(panel.raw(panel.evidence(short, {})), abs=1e-5)


def test_a_sequence_is_cut_at_the_checkpoints_that_it_reaches():
    cuts = Cuts.of(encoded([2] * 3, [2] * 25))
    assert cuts.lengths[cuts.rows == 0].tolist() == [1, 2, 3]
    assert cuts.lengths[cuts.rows == 1].max() <= 25
    assert (cuts.rows == 1).sum() == (CHECKPOINTS <= 25).sum()


@pytest.mark.long
def test_of_new_normal_sequences_no_more_than_the_threshold_are_ever_flagged(panel, running):
    ever, at_last = [], []
    for seed in range(10):
        evidence = [panel.evidence(sequences(400, 10 + seed), {})]
        ever.append((running.judged(evidence) <= 0.05).mean())
        at_last.append((running.judged(evidence, ended=False) <= 0.05).mean())
    assert 0.02 < np.mean(ever) < 0.08
    assert np.mean(at_last) <= np.mean(ever)


def test_a_sequence_never_becomes_less_strange(panel, running):
    table = sequences(100, 3, low=60)
    p = [running.judged([panel.evidence(prefixes(table, length), {})], ended=False) for length in (1, 5, 20, 40, 60)]
    assert (np.diff(np.stack(p), axis=0) <= 0).all()
    whole = running.judged([panel.evidence(prefixes(table, 60), {})])
    assert (whole <= p[-1]).all()


def test_a_deviation_is_found_before_its_sequence_ends(panel, running):
    table = sequences(100, 4, low=60)
    foreign = encoded(*[[*codes[:30].tolist(), *[99] * 5, *codes[30:].tolist()] for codes in table.codes])
    begun = running.judged([panel.evidence(prefixes(foreign, 35), {})], ended=False)
    assert (begun <= 0.01).mean() > 0.9


def test_running_panels_are_the_same_after_saving(panel, running):
    evidence = [panel.evidence(sequences(50, 5), {})]
    kept = RunningPanel(panel, **{name[2:]: array for name, array in running.arrays().items()})
    assert (Running((kept,)).judged(evidence) == running.judged(evidence)).all()


def test_no_sequences_have_no_p_values(panel, running):
    nothing = EncodedTable({"event": np.zeros(0, np.int64)}, np.zeros(1, np.int64))
    assert not len(Cuts.of(nothing).scores([MEMBERS["size"]()], Evidence(nothing)))


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_n_grams_of_pieces_of_sequences_are_those_of_whole_ones(pieces):
    grams, table = NGrams.counted(sequences(200, 0)), sequences(20, 6, low=20)
    contexts, parts = grams.begun(len(table)), []
    for piece in zip(*(np.array_split(codes, pieces) for codes in table.codes), strict=True):
        nats, _, contexts = grams.advance(contexts, encoded(*(part.tolist() for part in piece)))
        parts.append(np.split(nats, np.cumsum([len(part) for part in piece])[:-1]))
    joined = np.concatenate([np.concatenate(of_one) for of_one in zip(*parts, strict=True)])
    assert joined == pytest.approx(grams.surprisal(table))
