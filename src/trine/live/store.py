"""`Store`: everything that a detector at work must not lose, in one SQLite file.

- Positions of sources, states of entities, findings and what is to be sent commit in one transaction per batch: after
  a crash, no event is missed and none counted twice.
- WAL and synchronous=FULL: what is committed survives `kill -9` and a power failure.
- One process owns the store (`Store.own`); others look into it and give feedback (`Store.look`).
- Tables with rowids: blobs in WITHOUT ROWID tables take three to seven times as long.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from filelock import FileLock, Timeout

from trine.datasets.lines import encodable
from trine.errors import DataError, DiskFullError, StoreError
from trine.files import explain
from trine.live.finding import LiveFinding, Status
from trine.live.realised import Realised
from trine.live.source import log

FORMAT: Final = 1
_MARK: Final = 0x5452494E
"""SQLite's application id: "TRIN"."""
_WAIT: Final = 10.0
"""Seconds to wait for another process that writes."""
_LONGEST_DELAY: Final = 3600.0
"""Seconds beyond which nothing is postponed: what seems to be due later was postponed before the clock was set back."""
FOUND: Final = "sessions_found"
"""Counter of the sessions that have ended and had a finding."""
BEGAN: Final = "began"
"""Counter that is none: the time of the first event, in whole seconds since 1970."""
_KEYS: Final = 500
"""Entities per query: SQLite limits the number of parameters."""

_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sources (name TEXT PRIMARY KEY, position TEXT NOT NULL);
CREATE TABLE entities (key TEXT PRIMARY KEY, state BLOB NOT NULL, last_time REAL);
CREATE TABLE findings (
  id TEXT PRIMARY KEY, entity TEXT NOT NULL, source TEXT NOT NULL, status TEXT NOT NULL,
  first_time REAL, last_time REAL, p_value REAL NOT NULL, document TEXT NOT NULL
);
CREATE INDEX findings_of_entity ON findings (entity);
CREATE TABLE feedback (finding TEXT PRIMARY KEY, verdict TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, finding TEXT NOT NULL, revision INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0, dead TEXT, UNIQUE (sink, finding)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE p_values (bin INTEGER PRIMARY KEY, sessions INTEGER NOT NULL);
"""

Verdict = Literal["benign", "breach"]


class EntityState(NamedTuple):
    """What is kept of an entity between two of its events."""

    state: bytes
    last_time: float | None
    """Time of its last event in the log, in seconds since 1970."""


@dataclass
class Changes:
    """What one batch changed. Committed as a whole or not at all."""

    positions: dict[str, Any] = field(default_factory=dict)
    """Position by the name of the source."""
    entities: dict[str, EntityState] = field(default_factory=dict)
    forgotten: Sequence[str] = ()
    """Entities whose session has ended."""
    findings: Sequence[LiveFinding] = ()
    """New findings and new states of earlier ones; every sink gets them."""
    counters: dict[str, int] = field(default_factory=dict)
    """What is added to counters."""
    p_values: dict[int, int] = field(default_factory=dict)
    """Sessions that ended, by the bin of their p-value."""
    target: float | None = None
    """Largest p-value of a finding, where it has changed."""


class Outgoing(NamedTuple):
    """A finding that a sink has not taken yet."""

    finding: LiveFinding
    attempts: int


class Store:
    """The state of one detector at work. Safe to use from many threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self.path = path
        self.sinks: tuple[str, ...] = ()
        """Names of the sinks that get every finding."""
        self.problem = ""
        """Why nothing is committed at present; empty: everything is well."""
        self._connection, self._lock = connection, lock
        self._turn = threading.RLock()

    @classmethod
    def own(cls, path: Path, model: str) -> Self:
        """Open the store of a model, or create it. No other process can own it until `close`.

        model   fingerprint of the model, whose states it holds

        Raises `StoreError` if it is damaged, of another model or a newer version, or in use.
        """
        if path.is_dir():
            raise StoreError(f"{path}: a folder; give a file in it, such as --store {path / 'store.db'}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{path}.lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{path}: another process works with this store; stop it, or give another --store"
            ) from None
        except OSError as problem:
            raise StoreError(explain(problem, path)) from None
        try:
            store = cls(path, _connect(path), lock)
            with store._said():
                store._prepare(model)
        except StoreError:
            lock.release()
            raise
        return store

    @classmethod
    def look(cls, path: Path) -> Self:
        """Open a store that exists, also while another process works with it. Raises `StoreError`."""
        if not path.is_file():
            raise StoreError(f"{path}: there is no such store; give the file that `trine detect watch --store` names")
        store = cls(path, _connect(path), None)
        with store._said():
            store._check_format()
        return store

    def close(self) -> None:
        """Close it; another process can own it then."""
        with self._turn:
            self._connection.close()
        if self._lock is not None:
            self._lock.release()

    # The way in: one transaction per batch

    def commit(self, changes: Changes) -> None:
        """Commit everything or nothing. Raises `DiskFullError`: the same can be tried again. Raises `StoreError`."""
        with self._transaction() as sql:
            sql.executemany(
                "INSERT INTO sources VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position",
                [(name, json.dumps(position)) for name, position in changes.positions.items()],
            )
            sql.executemany(
                "INSERT INTO entities VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE"
                " SET state = excluded.state, last_time = excluded.last_time",
                [(encodable(key), state, last) for key, (state, last) in changes.entities.items()],
            )
            sql.executemany("DELETE FROM entities WHERE key = ?", [(encodable(key),) for key in changes.forgotten])
            sql.executemany(
                "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(_row, changes.findings)
            )
            sql.executemany(
                "INSERT INTO outbox (sink, finding, revision) VALUES (?, ?, ?) ON CONFLICT (sink, finding) DO UPDATE"
                " SET revision = excluded.revision, attempts = iif(dead IS NULL, attempts, 0), dead = NULL",
                [(sink, finding.id, finding.revision) for finding in changes.findings for sink in self.sinks],
            )
            sql.executemany(
                "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                list(changes.counters.items()),
            )
            sql.executemany(
                "INSERT INTO p_values VALUES (?, ?)"
                " ON CONFLICT (bin) DO UPDATE SET sessions = sessions + excluded.sessions",
                list(changes.p_values.items()),
            )
            if changes.target is not None:
                sql.execute("INSERT OR REPLACE INTO meta VALUES ('target', ?)", (repr(changes.target),))

    def commit_or_wait(self, changes: Changes, is_stopping: Callable[[], bool], pause: float = 1.0) -> bool:
        """Commit, and wait as long as the disk is full: whoever reads waits with it, so that nothing is lost.

        Returns whether it was committed; False only if the process is to stop.
        """
        while True:
            try:
                self.commit(changes)
            except DiskFullError as problem:
                if not self.problem:
                    log.error("%s; nothing is read until then", problem)
                self.problem = str(problem)
                if is_stopping():
                    return False
                time.sleep(pause)
            else:
                if self.problem:
                    log.warning("%s: there is space again, reading goes on", self.path)
                self.problem = ""
                return True

    # What is known

    def positions(self) -> dict[str, Any]:
        """Position by the name of the source."""
        return {name: json.loads(position) for name, position in self._rows("SELECT name, position FROM sources")}

    def entities(self, keys: Sequence[str]) -> dict[str, EntityState]:
        """The states of those of these entities that have one."""
        states: dict[str, EntityState] = {}
        for start in range(0, len(keys), _KEYS):
            names = {encodable(key): key for key in keys[start : start + _KEYS]}
            query = f"SELECT key, state, last_time FROM entities WHERE key IN ({','.join('?' * len(names))})"
            states |= {names[name]: EntityState(state, last) for name, state, last in self._rows(query, tuple(names))}
        return states

    def some_entities(self, most: int) -> list[str]:
        """Some of the entities that have a state."""
        return [key for (key,) in self._rows("SELECT key FROM entities LIMIT ?", (most,))]

    def quiet_entities(self, before: float, most: int) -> list[str]:
        """Entities without an event since a time in the log."""
        return [key for (key,) in self._rows("SELECT key FROM entities WHERE last_time < ? LIMIT ?", (before, most))]

    def counters(self) -> dict[str, int]:
        """Counter by name."""
        return dict(self._rows("SELECT name, value FROM counters"))

    def p_values(self) -> dict[int, int]:
        """Number of sessions that have ended, by the bin of their p-value."""
        return dict(self._rows("SELECT bin, sessions FROM p_values"))

    def aim(self, target: float, calibrated_on: int) -> None:
        """Say what findings are raised by: the largest p-value, and the number of sessions of the calibration."""
        with self._transaction() as sql:
            values = [("target", repr(target)), ("calibrated on", str(calibrated_on))]
            sql.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)

    def realised(self) -> Realised | None:
        """What the sessions that have ended say of the calibration; None as long as none has."""
        bins = self.p_values()
        aimed = dict(self._rows("SELECT name, value FROM meta"))
        if not bins or "target" not in aimed:
            return None
        found = self.counters().get(FOUND, 0)
        return Realised.of(bins, found, float(aimed["target"]), int(aimed["calibrated on"]))

    def finding(self, start: str) -> LiveFinding:
        """The finding whose id begins like this. Raises `StoreError` if there is none, or more than one."""
        found = self.beginning_with(start)
        if len(found) != 1 or not start:
            what = "no finding" if not found else "more than one finding"
            raise StoreError(f"{self.path}: {what} has an id that begins with {start!r}; list them with `findings`")
        return found[0]

    def beginning_with(self, start: str) -> list[LiveFinding]:
        """Findings whose id begins like this; two at the most."""
        rows = self._rows("SELECT document FROM findings WHERE substr(id, 1, ?) = ? LIMIT 2", (len(start), start))
        return [self._read(document) for (document,) in rows]

    def last_change(self) -> int:
        """Number of the latest change of a finding; 0 before the first."""
        return int(self._rows("SELECT coalesce(max(rowid), 0) FROM findings")[0][0])

    def changes(self, after: int, most: int) -> list[tuple[int, LiveFinding]]:
        """Findings that are new or have changed after a change of this number, each with the number of its change."""
        query = "SELECT rowid, document FROM findings WHERE rowid > ? ORDER BY rowid LIMIT ?"
        return [(number, self._read(document)) for number, document in self._rows(query, (after, most))]

    def findings(
        self, *, status: Status | None = None, entity: str | None = None, source: str | None = None,
        since: float | None = None, most: int = -1,
    ) -> list[LiveFinding]:  # fmt: skip
        """The findings that fit, those with the latest events first. `since`: with an event at this time or later."""
        wanted = {"status = ?": status, "entity = ?": entity, "source = ?": source, "last_time >= ?": since}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f" WHERE {' AND '.join(given)}" if given else ""
        query = f"SELECT document FROM findings{where} ORDER BY last_time DESC, rowid DESC LIMIT ?"
        return [self._read(document) for (document,) in self._rows(query, (*given.values(), most))]

    def give_feedback(self, finding: str, verdict: Verdict) -> None:
        """Say what a finding was; a later verdict replaces it."""
        with self._transaction() as sql:
            sql.execute("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", (finding, verdict, time.time()))

    def feedback(self) -> dict[str, Verdict]:
        """Verdict by the id of the finding."""
        return dict(self._rows("SELECT finding, verdict FROM feedback"))

    # The way out

    def due(self, sink: str, now: float, most: int = 100) -> list[Outgoing]:
        """Findings that this sink is to be sent now, in the order of their first state."""
        rows = self._rows(
            "SELECT document, attempts FROM outbox JOIN findings ON findings.id = outbox.finding"
            " WHERE sink = ? AND dead IS NULL AND (due <= ? OR due > ?) ORDER BY number LIMIT ?",
            (sink, now, now + _LONGEST_DELAY, most),
        )
        return [Outgoing(self._read(document), attempts) for document, attempts in rows]

    def sent(self, sink: str, findings: Sequence[LiveFinding]) -> None:
        """The sink has taken these findings; a later state of one is still to be sent."""
        with self._transaction() as sql:
            sql.executemany(
                "DELETE FROM outbox WHERE sink = ? AND finding = ? AND revision <= ?",
                [(sink, finding.id, finding.revision) for finding in findings],
            )

    def postpone(self, sink: str, finding: str, due: float) -> None:
        """The sink has not taken this finding: it is tried again at `due`, in seconds since 1970."""
        with self._transaction() as sql:
            sql.execute(
                "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE sink = ? AND finding = ?",
                (due, sink, finding),
            )

    def bury(self, sink: str, finding: str, reason: str) -> None:
        """The sink will not take this finding: it is a dead letter, until the finding changes."""
        with self._transaction() as sql:
            sql.execute("UPDATE outbox SET dead = ? WHERE sink = ? AND finding = ?", (reason, sink, finding))

    def dead_letters(self) -> list[tuple[str, str, str]]:
        """Sink, id of the finding, and why it was not taken."""
        return self._rows("SELECT sink, finding, dead FROM outbox WHERE dead IS NOT NULL ORDER BY number")

    def waiting(self) -> dict[str, int]:
        """Number of findings that are still to be sent, by sink."""
        return dict(self._rows("SELECT sink, count(*) FROM outbox WHERE dead IS NULL GROUP BY sink"))

    # SQLite

    def _prepare(self, model: str) -> None:
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {_MARK}; PRAGMA user_version = {FORMAT}; COMMIT;"
            )
            with self._transaction() as sql:
                sql.execute("INSERT INTO meta VALUES ('model', ?)", (model,))
            return
        self._check_format()
        problem = " ".join(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0].split())
        if problem != "ok":
            raise StoreError(
                f"{self.path}: the store is damaged ({' '.join(problem.split())}); restore a copy, or begin a new one"
            )
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'model'").fetchone()
        if row is None or row[0] != model:
            raise StoreError(f"{self.path}: the store of another model; give each model a --store of its own")

    def _check_format(self) -> None:
        mark = self._connection.execute("PRAGMA application_id").fetchone()[0]
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if mark != _MARK:
            raise StoreError(f"{self.path}: not the store of a detector; give the file that --store names")
        if version > FORMAT:
            raise StoreError(f"{self.path}: written by a newer Trine (format {version}); update Trine")

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._turn, self._said():
            return self._connection.execute(query, values).fetchall()

    def _read(self, document: str) -> LiveFinding:
        try:
            return LiveFinding.from_json(json.loads(document))
        except (ValueError, DataError) as problem:
            raise StoreError(f"{self.path}: {problem}") from None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn, self._said():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """SQLite's errors as one line for people."""
        try:
            yield
        except sqlite3.Error as error:
            raise _explained(self.path, error) from None


def _row(finding: LiveFinding) -> tuple[str | float | None, ...]:
    """A finding as a row of its table."""
    document = json.dumps(finding.as_json(), ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    named = (finding.id, encodable(finding.entity), encodable(finding.source), finding.status)
    return (*named, finding.first_time, finding.last_time, finding.p_value, document)


_REASONS: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another process writes to this store; try again, or stop it",
    sqlite3.SQLITE_CORRUPT: "the store is damaged; restore a copy, or begin a new one with another --store",
    sqlite3.SQLITE_NOTADB: "damaged, or no store; restore a copy, or begin a new one with another --store",
    sqlite3.SQLITE_READONLY: "no permission to write; change it, or give another --store",
    sqlite3.SQLITE_PERM: "no permission; change it, or give another --store",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; give a --store in a folder that can be written",
}


def _explained(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return DiskFullError(f"{path}: the disk is full; free some space")
    return StoreError(f"{path}: {_REASONS.get(code & 0xFF, f'the store cannot be used ({error}); look at the disk')}")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except sqlite3.Error as error:
        raise _explained(path, error) from None
    return connection
