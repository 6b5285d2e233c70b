"""The sessions of a log that are still open between two calls, kept in a file.

A log that is scored every hour is one log: its sessions go on in the next call, and lines that were read are not read
again. A session is scored whole, with the events of earlier calls.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from trine import files
from trine.errors import DataError, UsageError
from trine.extras import installed
from trine.logs.events import EventNames
from trine.logs.sessions import OpenSession, SessionEvent, Sessions
from trine.sequences.table import SequenceTable, source_and_line

VERSION = 1

MOST_EVENTS = 10_000
"""Largest number of events of a session that are kept; of a longer one, the last ones."""

MOST_ENDED = 20_000
"""Largest number of events of sessions that ended, in all: a file that comes late can go on with one of them."""

MOST_FILES = 1_000
"""Largest number of files that are remembered; beyond it, those of the oldest calls are forgotten."""


class Prefix:
    """The first lines of a file: their number, and a digest by which they are known again."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, text: str) -> None:
        """Take the next line."""
        self.count += 1
        self._hash.update(text.encode(errors="backslashreplace") + b"\n")

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the lines."""
        return self._hash.hexdigest()

    def copy(self) -> "Prefix":
        """The same lines, to go on from."""
        same = Prefix()
        same.count, same._hash = self.count, self._hash.copy()
        return same


@dataclass
class Carried:
    """What one call leaves for the next one."""

    owner: str
    """What the sessions were read for: the fingerprint of a model's training data."""
    read: dict[str, int] = field(default_factory=dict)
    """Digest of all lines of a file that were read, to their number. A file is known by what it holds, and not by its
    name, so that a rotated file is known and another file of the same name is not."""
    left: str = ""
    """Digest of a last line without a line break that was left for this call."""
    sessions: list[dict[str, Any]] = field(default_factory=list)
    """The open sessions, with their events."""
    counts: dict[str, int] = field(default_factory=dict)
    """Number of sessions of each entity before the open one."""
    latest: float = -math.inf
    """The latest time of all lines of earlier calls, in seconds."""
    resumed: list[int] = field(default_factory=list)
    """Number of earlier events of the sessions that were opened again: they are the first sessions of the call."""

    @classmethod
    def load(cls, path: Path, owner: str) -> "Carried":
        """What `save` wrote; nothing if there is no file. Raises `DataError` if it is damaged, `UsageError`."""
        if not path.exists():
            return cls(owner)
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if state["version"] != VERSION:
                raise UsageError(f"{path}: a state of version {state['version']}; use the Trine that wrote it")
            read = {str(digest): int(lines) for digest, lines in state["read"].items()}
            carried = cls(state["owner"], read, str(state["left"]), list(state["sessions"]), dict(state["counts"]))
            latest = state.get("latest")
            carried.latest = -math.inf if latest is None else float(latest)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); give a file that is readable") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError(f"{path}: damaged, or not the state of a scored log; delete it, or give another") from None
        if carried.owner != owner:
            raise UsageError(f"{path}: the state of another model; give each model a state file of its own")
        return carried

    def save(self, path: Path) -> None:
        """Write it in place of what was there."""
        state = {
            "version": VERSION,
            "owner": self.owner,
            "read": self.read,
            "left": self.left,
            "sessions": self.sessions,
            "counts": self.counts,
            "latest": self.latest if math.isfinite(self.latest) else None,
        }
        files.write_json(path, state)

    def known(self, texts: Iterator[str]) -> "Prefix":
        """The first lines of a file that were read in earlier calls; `texts` are all its lines."""
        counts, most = set(self.read.values()), max(self.read.values(), default=0)
        prefix, known = Prefix(), Prefix()
        for text in islice(texts, most):
            prefix.add(text)
            if prefix.count in counts and self.read.get(prefix.digest) == prefix.count:
                known = prefix.copy()
        return known

    def remember(self, prefix: "Prefix") -> None:
        """Note that these first lines of a file are read."""
        self.read.pop(prefix.digest, None)
        self.read[prefix.digest] = prefix.count
        while len(self.read) > MOST_FILES:
            del self.read[next(iter(self.read))]

    def leaves(self, unfinished: str) -> bool:
        """Whether a last line without a line break is left for the next call: unless it is still as it was left."""
        line = Prefix()
        line.add(unfinished)
        digest = line.digest
        again = digest == self.left
        self.left = "" if again else digest
        return not again

    def resume(self, sessions: Sessions, names: EventNames, sources: list[str]) -> Iterator[SessionEvent]:
        """Open the kept sessions again; yields their events. Files that are not read now are added to `sources`."""
        self.resumed = [len(kept["events"]) for kept in self.sessions]
        for kept in self.sessions:
            opened = OpenSession(sessions.next_number(), len(kept["events"]), *map(_number, kept["times"]))
            sessions.reopen((kept["kind"], kept["entity"]), opened)
            for i, (name, time, file, line, attributes, *record) in enumerate(kept["events"]):
                if file not in sources:
                    sources.append(file)
                yield SessionEvent(
                    source=sources.index(file),
                    line=line,
                    session=opened.number,
                    begins=i == 0,
                    entity=kept["entity"],
                    event=names.restored(name),
                    time=_number(time),
                    written=time,
                    entities=kept["entities"],
                    attributes=attributes,
                    record=record[0] if record else 1,
                )

    def keep(self, sessions: Sessions, table: SequenceTable) -> None:
        """Take over the sessions that can still go on, and those that ended last: see `MOST_ENDED`."""
        if table.times is not None:
            self.latest = max(self.latest, float(np.nanmax(table.times)))
        going_on = self._going_on(sessions, table)
        self.sessions = []
        for (kind, entity), session in sessions.open_sessions():
            if session.number not in going_on:
                continue
            times = [_text(value) for value in (session.raw, session.latest, session.previous)]
            entities = {name: str(of[session.number]) for name, of in table.entities.items() if of[session.number]}
            events = list(_events(table, session.number))[-MOST_EVENTS:]
            self.sessions.append(
                {"kind": kind, "entity": entity, "times": times, "entities": entities, "events": events}
            )
        self._count(sessions, table)

    def _going_on(self, sessions: Sessions, table: SequenceTable) -> set[int]:
        """Numbers of the sessions that are kept: those that paused for at most the gap, and the last ones that ended.

        A session of the entity `session`, whose ids the log gives, does not end by a pause.
        """
        gap = math.inf if sessions.cut.gap_seconds is None else sessions.cut.gap_seconds
        kept: set[int] = set()
        ended: list[tuple[float, int]] = []
        for (kind, _), session in sessions.open_sessions():
            if kind != "session" and self.latest - session.latest > gap:
                ended.append((session.latest, session.number))
            else:
                kept.add(session.number)
        lengths, events = table.lengths, 0
        for _, number in sorted(ended, reverse=True):
            events += min(int(lengths[number]), MOST_EVENTS)
            if events > MOST_ENDED:
                break
            kept.add(number)
        return kept

    def _count(self, sessions: Sessions, table: SequenceTable) -> None:
        """Numbers of the sessions so far, so that the next ones are named after them."""
        opened = {session.number for _, session in sessions.open_sessions()}
        kept = {(each["kind"], each["entity"]) for each in self.sessions}
        open_keys = {session.number: key for key, session in sessions.open_sessions()}
        if table.owners is None:
            return
        for number, owner in enumerate(table.owners.tolist()):
            if number not in opened or open_keys[number] not in kept:
                self.counts[owner] = self.counts.get(owner, 0) + 1


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep a state file for this call. Raises `DataError` if another call has it, or no file can be written there."""
    if path.is_dir():
        raise DataError(f"{path}: a folder; give a file for the state")
    with installed():
        from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(f"{path}: in use by another call of trine; wait until it ends") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); give a file in a folder of yours") from None
    try:
        yield
    finally:
        lock.release()


def _events(table: SequenceTable, row: int) -> Iterator[list[Any]]:
    """Name, time, file, line, attributes and record of each event of a session."""
    for i in range(int(table.offsets[row]), int(table.offsets[row + 1])):
        source, line = (0, 0) if table.positions is None else source_and_line(int(table.positions[i]))
        time = None if table.times is None else _text(float(table.times[i]))
        attributes = {name: of.values[of.codes[i]] for name, of in table.attributes.items()}
        record = 1 if table.records is None else int(table.records[i])
        yield [table.vocabulary[table.events[i]], time, table.sources[source], line, attributes, record]


def _text(value: float) -> float | None:
    return None if np.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else value
