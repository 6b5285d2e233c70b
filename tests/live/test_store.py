"""The store: a batch is committed as a whole or not at all, and every way to misuse it is said in a line."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.findings import finding
from trine.errors import DiskFullError, StoreError
from trine.live.finding import LiveFinding
from trine.live.store import Changes, EntityState, Store


@pytest.fixture
def store(tmp_path):
    opened = Store.own(tmp_path / "store.db", "model")
    yield opened
    opened.close()


def test_what_is_committed_is_there_after_a_restart(tmp_path):
    first = Store.own(tmp_path / "deep" / "store.db", "model")
    changes = Changes(
        positions={"a.log": {"files": [1, None, "é"]}},
        entities={"alice": EntityState(b"\x00\xff", 5.0), "bob": EntityState(b"", None)},
        findings=[finding()],
        counters={"events": 3},
    )
    first.commit(changes)
    first.commit(Changes(counters={"events": 4}, forgotten=["bob"]))
    first.close()
    again = Store.own(tmp_path / "deep" / "store.db", "model")
    assert again.positions() == {"a.log": {"files": [1, None, "é"]}}
    assert again.entities(["alice", "bob", "carol"]) == {"alice": EntityState(b"\x00\xff", 5.0)}
    assert again.findings() == [finding()]
    assert again.counters() == {"events": 7}
    again.close()


def test_ten_thousand_entities_are_found_by_name_and_by_time(store):
    states = {f"entity {i}": EntityState(str(i).encode(), float(i)) for i in range(10_000)}
    store.commit(Changes(entities=states))
    assert store.entities(list(states)) == states
    assert len(store.some_entities(2)) == 2
    assert sorted(store.quiet_entities(3.0, 10)) == ["entity 0", "entity 1", "entity 2"]


KILLED = """
import os, sys
from pathlib import Path
from trine.live.store import Changes, EntityState, Store
store = Store.own(Path(sys.argv[1]), "model")
number = store.positions().get("source", 0)
while True:
    number += 1
    entities = {f"e{i}": EntityState(b"%d" % number, float(number)) for i in range(200)}
    store.commit(Changes(positions={"source": number}, entities=entities, counters={"batches": 1}))
    if number % 10 == 0: print(number, flush=True)
"""


def test_kill_9_at_any_moment_leaves_whole_batches(tmp_path):
    path = tmp_path / "store.db"
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = int(process.stdout.readline())
        time.sleep(0.05)
        process.kill()
        process.wait()
        process.stdout.close()
        store = Store.own(path, "model")
        number = store.positions()["source"]
        assert number >= said
        assert store.counters() == {"batches": number}
        assert set(store.entities([f"e{i}" for i in range(200)]).values()) == {
            EntityState(str(number).encode(), float(number))
        }
        store.close()


def test_a_store_in_use_is_not_opened_twice_but_can_be_looked_into(store, tmp_path):
    with pytest.raises(StoreError, match="another process works with this store"):
        Store.own(store.path, "model")
    store.commit(Changes(findings=[finding()]))
    other = Store.look(store.path)
    other.give_feedback(other.finding(finding().id[:6]).id, "benign")
    other.close()
    assert store.feedback() == {finding().id: "benign"}


def test_the_store_of_another_model_is_refused(store):
    store.close()
    with pytest.raises(StoreError, match="another model"):
        Store.own(store.path, "another")


def test_a_newer_store_is_refused(store):
    store.close()
    with sqlite3.connect(store.path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreError, match="newer Trine"):
        Store.own(store.path, "model")


def test_a_database_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as raw:
        raw.execute("CREATE TABLE t (a)")
    raw.close()
    for opened in (lambda: Store.own(tmp_path / "other.db", "model"), lambda: Store.look(tmp_path / "other.db")):
        with pytest.raises(StoreError, match="not the store of a detector"):
            opened()


@pytest.mark.parametrize("where", [0, 20, 30_000, 60_000])
def test_a_damaged_store_is_said_in_a_line(store, where):
    store.commit(Changes(entities={f"e{i}": EntityState(b"x" * 500, 1.0) for i in range(200)}))
    store.close()
    with store.path.open("r+b") as file:
        file.seek(where)
        file.write(os.urandom(20_000))
    with pytest.raises(StoreError, match=r"store.db: .*(damaged|no store|not the store|newer)") as said:
        Store.own(store.path, "model")
    assert "\n" not in str(said.value)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="a file has the name of a needed folder"):
        Store.own(tmp_path / "file" / "store.db", "model")
    with pytest.raises(StoreError, match="no such store"):
        Store.look(tmp_path / "absent.db")
    with pytest.raises(StoreError, match=r"a folder; give a file in it, such as --store .*store\.db"):
        Store.own(tmp_path, "model")
    assert not Path(f"{tmp_path}.lock").exists()


def test_a_full_disk_takes_nothing_and_the_same_batch_is_taken_later(small_disk, caplog):
    disk = small_disk("1m")
    store = Store.own(disk / "store.db", "model")
    store.commit(Changes(positions={"s": 0}))
    number, problem = 0, ""
    while not problem and number < 1000:
        number += 1
        changes = Changes(positions={"s": number}, entities={f"e{number}": EntityState(os.urandom(9000), 1.0)})
        try:
            store.commit(changes)
        except DiskFullError as error:
            problem = str(error)
    assert problem == f"{store.path}: the disk is full; free some space"
    assert store.positions() == {"s": number - 1}
    threading.Timer(0.3, lambda: subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)).start()
    said = set()

    def is_stopping() -> bool:
        said.add(store.problem)
        return False

    assert store.commit_or_wait(changes, is_stopping, pause=0.05)
    assert said == {problem}
    assert store.problem == ""
    assert store.positions() == {"s": number}
    assert "nothing is read until then" in caplog.text
    assert "space again" in caplog.text
    store.close()


def test_waiting_for_space_ends_when_the_process_is_to_stop(small_disk):
    disk = small_disk("400k")
    store = Store.own(disk / "store.db", "model")
    changes = Changes(entities={"big": EntityState(os.urandom(500_000), 1.0)})
    assert not store.commit_or_wait(changes, lambda: True)
    assert store.entities(["big"]) == {}
    store.close()


def test_findings_are_listed_latest_first_and_filtered(store):
    old = finding("alice", last_time=10.0, status="closed")
    new = finding("bob", last_time=20.0, source="10.0.0.1")
    store.commit(Changes(findings=[new, old]))
    assert store.findings() == [new, old]
    assert store.findings(status="open") == [new]
    assert store.findings(entity="alice") == [old]
    assert store.findings(source="10.0.0.1", since=15) == [new]
    assert store.findings(most=1) == [new]
    store.commit(Changes(findings=[replace(old, status="open", revision=2, events=99)]))
    assert store.finding(old.id).events == 99
    with pytest.raises(StoreError, match="no finding has an id that begins with 'zz'"):
        store.finding("zz")


def test_every_sink_gets_the_latest_state_of_every_finding(store):
    store.sinks = ("file", "webhook")
    first = finding()
    store.commit(Changes(findings=[first]))
    second = replace(first, revision=2, events=50)
    assert [each.finding for each in store.due("file", 0)] == [first]
    store.commit(Changes(findings=[second]))
    store.sent("file", [first])  # sent while the second state was committed
    assert [each.finding for each in store.due("file", 0)] == [second]
    store.sent("file", [second])
    assert store.due("file", 0) == []
    assert store.waiting() == {"webhook": 1}


def test_what_a_sink_did_not_take_is_tried_again_and_in_the_end_buried(store):
    store.sinks = ("webhook",)
    store.commit(Changes(findings=[finding()]))
    store.postpone("webhook", finding().id, 100.0)
    assert store.due("webhook", 99) == []
    assert store.due("webhook", 100)[0].attempts == 1
    store.bury("webhook", finding().id, "404")
    assert store.due("webhook", 1000) == []
    assert store.dead_letters() == [("webhook", finding().id, "404")]
    store.commit(Changes(findings=[finding(revision=2)]))
    assert store.due("webhook", 1000)[0].attempts == 0


def test_what_is_due_is_sent_although_the_clock_was_set_back(store):
    store.sinks = ("webhook",)
    store.commit(Changes(findings=[finding()]))
    store.postpone("webhook", finding().id, 1_000_000.0)
    assert store.due("webhook", 999_990) == []
    assert len(store.due("webhook", 900_000)) == 1


def test_two_threads_commit_and_send_at_once(store):
    store.sinks = ("file",)
    problems = []

    def send() -> None:
        try:
            while len(taken) < 200:
                outgoing = store.due("file", 0)
                store.sent("file", [each.finding for each in outgoing])
                taken.extend(each.finding.id for each in outgoing)
        except Exception as problem:  # noqa: BLE001  (handed to the test)
            problems.append(problem)

    taken: list[str] = []
    thread = threading.Thread(target=send)
    thread.start()
    for i in range(200):
        store.commit(Changes(findings=[finding(event=i)]))
    thread.join(30)
    assert not problems
    assert len(set(taken)) == 200


@given(text=st.text(), entity=st.text(min_size=1))
def test_any_text_of_a_finding_comes_back(tmp_path_factory, text, entity):
    store = Store.own(tmp_path_factory.mktemp("s") / "store.db", "model")
    line = replace(finding().lines[0], text=text)
    made = finding(lines=(line,), source=entity.encode("utf-8", "replace").decode())
    store.commit(Changes(findings=[made]))
    assert store.findings() == [made]
    store.close()


def test_names_that_are_no_unicode_are_kept(store):
    store.commit(Changes(entities={"lone \ud800": EntityState(b"x", 1.0)}, findings=[finding("lone \ud800")]))
    assert store.entities(["lone \ud800"]) == {"lone \ud800": EntityState(b"x", 1.0)}
    assert store.findings()[0].entity == "lone \ud800"


def test_a_finding_is_a_json_document_and_back():
    assert LiveFinding.from_json(finding().as_json()) == finding()
    assert finding("alice", 1).id != finding("alice", 2).id != finding("bob", 2).id
    assert finding("alice", 1).id == finding("alice", 1).id


def test_a_process_that_is_stopped_frees_the_store(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "s.db"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(StoreError, match="another process"):
        Store.own(tmp_path / "s.db", "model")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    Store.own(Path(tmp_path / "s.db"), "model").close()
