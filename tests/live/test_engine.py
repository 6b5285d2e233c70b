"""Lines in, findings out: in any batches, after any restart, with few sessions in memory."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from tests.detect.conftest import SMALL, WITH_NETWORK
from tests.live.ssh_log import STRANGE, USUAL, log_lines
from trine.datasets.lines import Skips
from trine.detect.detector import Detector
from trine.live import engine as engine_module
from trine.live.engine import Engine, Limits
from trine.live.source import Batch
from trine.live.store import Store
from trine.log_formats.log_event import Line

LIMITS = Limits(0.02)


class Lines:
    """A source whose position is the number of lines that were read."""

    def __init__(self, lines):
        self.name, self.files, self.skips = "test", ["auth.log"], Skips("test")
        self.lines, self.at = [Line(0, number, text) for number, text in enumerate(lines, 1)], 0

    def resume(self, position):
        self.at = position or 0

    def head(self, file):
        return [line.text for line in self.lines[:10]]

    def poll(self, most):
        return [self.take(most)]

    def take(self, count):
        first, self.at = self.at, min(self.at + count, len(self.lines))
        return Batch(self.lines[first : self.at], self.at)

    @property
    def ended(self):
        return self.at >= len(self.lines)

    def close(self):
        pass


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    log = folder / "auth.log"
    log.write_text("\n".join(log_lines(400, 0)) + "\n")
    return Detector(seed=0, members=WITH_NETWORK, entity="process", **SMALL).fit(log, out=folder / "run", test=False)


@pytest.fixture(scope="module")
def lines():
    return log_lines(60, 1, attacks={7, 20, 41})


def replayed(detector, lines, path, seed=None, limits=LIMITS, restarts=False):
    """The findings of a replay in random batches, by their ids; with restarts, a new engine after every batch."""
    draw = np.random.default_rng(seed)
    store = Store.own(path, "model")
    source = Lines(lines)
    engine = Engine(detector, store, [source], limits, "model")
    while not source.ended:
        batch = source.take(int(draw.integers(1, 60)) if seed is not None else len(lines))
        store.commit(engine.batch(engine.formats[0], [batch]))
        if restarts:
            store.close()
            source, store = Lines(lines), Store.own(path, "model")
            engine = Engine(detector, store, [source], limits, "model")
    while (changes := engine.end_some()) is not None:
        store.commit(changes)
    found = {finding.id: finding for finding in store.findings()}
    counters = store.counters()
    assert not store.some_entities(1)
    store.close()
    return found, counters


@pytest.fixture(scope="module")
def uninterrupted(detector, lines, tmp_path_factory):
    return replayed(detector, lines, tmp_path_factory.mktemp("whole") / "store.db", seed=0)


def test_attacks_are_found_while_they_go_on_with_their_lines(uninterrupted):
    found, _ = uninterrupted
    attackers = {finding.entity for finding in found.values()}
    assert {"sshd[107]", "sshd[120]", "sshd[141]"} <= attackers
    assert len(attackers) <= 6
    attack = next(finding for finding in found.values() if finding.entity == "sshd[107]")
    assert any(text in attack.lines[0].text for text in STRANGE)
    assert attack.lines[0].file == "auth.log"
    assert attack.first_time is not None
    word, p = attack.lines[0].expected[0]
    assert any(word in usual or usual in word for usual in (*USUAL, "(end)"))
    assert 0.1 < p <= 1


def test_every_line_is_counted_once(uninterrupted, lines):
    assert uninterrupted[1]["lines"] == uninterrupted[1]["events"] == len(lines)


@pytest.mark.parametrize("many", [20, 200])
def test_a_log_of_another_format_is_said_once(detector, lines, tmp_path, caplog, many):
    store, source = Store.own(tmp_path / "store.db", "model"), Lines(["GET /index.html 200"] * many)
    with closing(store):
        engine = Engine(detector, store, [source], LIMITS, "model")
        while not source.ended:
            store.commit(engine.batch(engine.formats[0], [source.take(60)]))
        store.commit(engine.finish(engine.formats[0]))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith(
        f"test: 100 % of the first {min(many, 120)} lines do not have the format syslog, in training"
    )
    caplog.clear()
    replayed(detector, lines, tmp_path / "other.db")
    assert not caplog.records


def test_the_store_is_asked_once_per_batch(detector, lines, tmp_path, monkeypatch):
    store, asked, entities = Store.own(tmp_path / "store.db", "model"), [], Store.entities
    monkeypatch.setattr(Store, "entities", lambda self, keys: asked.append(len(keys)) or entities(self, keys))
    engine = Engine(detector, store, [Lines(lines)], LIMITS, "model")
    for batch in (engine.formats[0].source.take(len(lines) // 2), engine.formats[0].source.take(len(lines))):
        store.commit(engine.batch(engine.formats[0], [batch]))
    store.close()
    assert len(asked) == 2
    assert sum(asked) == 60


def compared(finding):
    return replace(finding, members=None, revision=0)


@pytest.mark.parametrize("seed", range(3))
def test_other_batches_give_the_same_sessions(detector, lines, tmp_path, seed, uninterrupted):
    found, counters = replayed(detector, lines, tmp_path / "store.db", seed=seed + 1)
    assert found.keys() == uninterrupted[0].keys()
    assert counters == uninterrupted[1]


def test_a_restart_after_every_batch_changes_nothing(detector, lines, tmp_path, uninterrupted):
    found, counters = replayed(detector, lines, tmp_path / "store.db", seed=0, restarts=True)
    assert {id_: compared(finding) for id_, finding in found.items()} == {
        id_: compared(finding) for id_, finding in uninterrupted[0].items()
    }
    assert counters == uninterrupted[1]


def test_no_more_lines_are_taken_at_once_than_there_is_room_for_their_sessions(detector, lines, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "FEWEST_LINES", 5)
    with closing(Store.own(tmp_path / "store.db", "model")) as store:
        source = Lines(lines)
        engine = Engine(detector, store, [source], replace(LIMITS, most_sessions=40), "model")
        assert engine.lines_at_once == 40
        while not source.ended:
            before, taken = len(engine.going), engine.lines_at_once
            assert taken == max(5, 40 - before)
            store.commit(engine.batch(engine.formats[0], [source.take(taken)]))
            assert len(engine.going) <= 40


def test_few_sessions_in_memory_change_nothing(detector, lines, tmp_path, uninterrupted):
    limits = replace(LIMITS, most_sessions=2)
    found, counters = replayed(detector, lines, tmp_path / "store.db", seed=0, limits=limits)
    assert {id_: compared(finding) for id_, finding in found.items()} == {
        id_: compared(finding) for id_, finding in uninterrupted[0].items()
    }
    assert counters == uninterrupted[1]
