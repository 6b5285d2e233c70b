"""`FileSource`: log files that are written while they are read, through every kind of rotation.

- A file is known by its bytes (`identity.py`), not by its name: renamed, copied and compressed parts are read on where
  they are, and never twice.
- Files that match a pattern are read. Other parts of the same log, such as `app.log.1` beside `app.log`, are read only
  if rotation made them after the first start, from where reading had come to.
- What is removed is read to its end as long as it is open, and named.
"""

import resource
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from trine.datasets.lines import Skips, printable
from trine.errors import DataError
from trine.live.identity import COPYING, NEAR, Candidate, Identity, Status
from trine.live.parts import Looks, log_of, matches, oldest_first, parts_of, statuses
from trine.live.source import HEAD, MOST_BYTES, Batch, Notes, log
from trine.live.tail import Tail
from trine.log_formats.log_event import Line
from trine.logs.compression import CHUNK

POLL: Final = 0.05
"""Seconds between two looks at the files."""
SEARCH: Final = 1.0
"""Seconds between two searches for new files."""
PAUSE: Final = 5.0
"""Seconds without growth after which the last line of a rotated file is taken for whole, and a file that cannot be
found again is given up."""
KEPT: Final = 600.0
"""Seconds without growth after which a rotated file is closed."""
REMEMBERED: Final = 20
"""Parts of a log that are remembered as read even if they are not found: one may be about to be compressed."""
REMOVED = "removed or overwritten; what was written after the last line that was read is lost"


class Finished(NamedTuple):
    """A file that is not read any further."""

    name: str
    identity: Identity
    lines: int
    status: Status | None
    """When it was last seen: as long as that does not change, its bytes need not be compared."""


class FileSource:
    """Files and patterns, followed.

    patterns   paths and patterns such as `/var/log/*.log`; a folder stands for all files below it. Files may be
               missing, and come later
    follow     whether files are read on at their end; else the source ends once all that is there is read
    """

    def __init__(self, patterns: Sequence[str], *, follow: bool = True) -> None:
        self.name = ",".join(patterns)
        self.files: list[str] = []
        self.skips = Skips(printable(self.name))
        self._patterns, self._follow = list(patterns), follow
        self._notes = Notes(self.skips)
        self._looks = Looks(self._notes)
        self._tails: list[Tail] = []
        """The files that are read, the oldest first."""
        self._finished: dict[str, list[Finished]] = {}
        """By log: parts that are read, or were there before the first start and were not asked for."""
        self._heads: dict[int, list[str]] = {}
        """First lines of the last files that were read to their end."""
        self._next_look = self._next_search = 0.0
        self._there: set[Status] = set()
        """All files that the last search saw."""
        self._unclear: set[str] = set()
        """Logs with a file that may be a copy which is being written: they are searched again."""
        self._changed = False
        """Whether the position changed, even if no line was read."""
        self._closed = False
        _allow_many_files()

    @property
    def ended(self) -> bool:
        """Whether everything was read; files that are followed never end."""
        return self._closed

    def resume(self, position: Any | None) -> None:
        """Find the files again; None: everything that the patterns match is read from its beginning.

        Raises `DataError` if there is nothing to read, and files are not followed.
        """
        self._changed = position is None
        if position is None:
            self._remember_parts()
        else:
            for log_name, finished in position["finished"].items():
                self._finished[log_name] = [
                    Finished(name, Identity(*of), lines, status and (status[0], status[1], status[2]))
                    for name, of, lines, status in finished
                ]
            for record in position["files"]:
                self._new_tail(record["name"]).resume(record)
        found = {path for path, _ in matches(self._patterns)}
        self._search({log_of(path) for path in found} if position is not None else set())
        if not found and self._follow:
            log.warning("%s: no such file yet; it is read once it appears", self.skips.source)
        elif not found and not self._tails:
            raise DataError(f"{self.skips.source}: no such file; give a log, or wait for it without --once")

    def poll(self, most: int) -> list[Batch]:
        """The whole lines that were written, oldest file first."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + POLL
            moved = self._look()
            if moved or now >= self._next_search:
                self._next_search = now
                if self._search(moved):
                    took = time.monotonic() - now  # of very many files, a search takes its time: at most 5 % of it
                    self._next_search = now + SEARCH * max(1.0, 20 * took)
        lines = self._read(most) + self._finish(now)
        if not self._follow and not lines and not any(tail.backlog for tail in self._tails):
            for tail in self._tails:
                lines += tail.finish()
            self._closed = True
        if not lines and not self._changed:
            return []
        self._changed = False
        return [Batch(lines, self._position())]

    def head(self, file: int) -> list[str]:
        """The first lines of a file that is read, or was the last to be read to its end."""
        return next((tail.head(HEAD) for tail in self._tails if tail.index == file), self._heads.get(file, []))

    def close(self) -> None:
        """Close all files."""
        for tail in self._tails:
            tail.close()
        self._closed = True

    def _position(self) -> dict[str, Any]:
        return {
            "files": [tail.position() for tail in self._tails],
            "finished": {name: [list(each) for each in finished] for name, finished in self._finished.items()},
        }

    def _new_tail(self, name: str) -> Tail:
        tail = Tail(len(self.files), name, self._notes)
        self.files.append(printable(name))
        self._tails.append(tail)
        return tail

    # Reading

    def _read(self, most: int) -> list[Line]:
        lines: list[Line] = []
        left = MOST_BYTES
        for tail in self._tails:
            while len(lines) < most and left > 0 and tail.backlog:
                try:
                    read = tail.read(min(CHUNK, max(4096, 64 * (most - len(lines)))), lines)
                except OSError as error:
                    self._notes.add(f"cannot be read ({error.strerror})", tail.name)
                    break
                if not read:
                    break
                left -= read
        return lines

    def _finish(self, now: float) -> list[Line]:
        """The last lines of rotated files without a line break, once nothing more comes; these files are let go."""
        lines: list[Line] = []
        for tail in [tail for tail in self._tails if tail.is_open and (tail.rotated or tail.done)]:
            quiet = now - tail.grown
            if tail.done or (quiet >= PAUSE and not tail.backlog):
                lines += tail.finish()
                if tail.done or quiet >= KEPT or tail.is_removed:
                    self._let_go(tail)
        return lines

    def _let_go(self, tail: Tail) -> None:
        if tail.is_removed:
            log.info("%s: removed; all of it was read, to line %d", tail.name, tail.lines)
        finished = Finished(tail.name, tail.identity, tail.lines, tail.status)
        self._finished.setdefault(tail.log, []).append(finished)
        self._heads = {**dict(list(self._heads.items())[-REMEMBERED:]), tail.index: tail.head(HEAD)}
        tail.close()
        self._tails.remove(tail)
        self._changed = True

    def _look(self) -> set[str]:
        """The logs of which a file is no longer where it was, or was written anew in place."""
        moved = set()
        for tail in self._tails:
            if tail.path is not None and not tail.is_in_place():
                tail.rotated, tail.grown = True, time.monotonic()
                moved.add(tail.log)
        return moved

    # Finding

    def _remember_parts(self) -> None:
        """The parts of the logs that are there before the first start and are not asked for."""
        asked_for = dict(matches(self._patterns))
        for log_name, path in parts_of(self._logs(asked_for)):
            if path not in asked_for and (candidate := self._looks.candidate(path, is_given=False)):
                finished = Finished(str(path), candidate.identity, 0, candidate.status)
                self._finished.setdefault(log_name, []).append(finished)
                candidate.close()

    def _logs(self, asked_for: Iterable[Path]) -> set[str]:
        return {log_of(path) for path in asked_for} | {log_of(pattern) for pattern in self._patterns}

    def _search(self, moved: set[str]) -> bool:
        """Find new files, and the files that rotation moved, among all parts of the logs that `moved` names.

        Returns False if rotation was renaming files, and nothing was done.
        """
        moved = moved | self._unclear | {tail.log for tail in self._tails if not tail.is_open}
        self._unclear = set()
        asked_for = dict(matches(self._patterns))
        candidates = self._candidates(asked_for, moved)
        if candidates is None:  # rotation is renaming files at this moment: later
            self._unclear = moved
            return False
        by_name = {str(each.path): each for each in candidates}
        for tail in self._tails:
            self._find_again(tail, by_name)
        for candidate in oldest_first([candidate for candidate in candidates if self._is_new(candidate)]):
            if any(tail.inode == candidate.inode for tail in self._tails):
                continue  # another name of the same file
            tail = self._new_tail(str(candidate.path))
            tail.attach(candidate)
            tail.rotated = candidate.packed or candidate.path not in asked_for
            log.info("%s: read from its beginning", tail.name)
        self._give_up(moved)
        for candidate in candidates:
            candidate.close()
        return True

    def _candidates(self, asked_for: dict[Path, bool], moved: set[str]) -> list[Candidate] | None:
        """The files that are asked for, and parts of logs, where no tail reads them; None if they are being renamed."""
        read = {tail.log for tail in self._tails if tail.path is not None and not tail.rotated}
        logs = moved | (self._logs(asked_for) - read)
        paths = list(dict.fromkeys([*asked_for, *(path for _, path in parts_of(logs))]))
        places = statuses(paths)
        self._there = set(places.values())
        taken = {tail.path for tail in self._tails}
        looks = (
            self._looks.candidate(path, is_given=asked_for.get(path, False)) for path in paths if path not in taken
        )
        candidates = [each for each in looks if each is not None]
        again = statuses([*dict(matches(self._patterns)), *(path for _, path in parts_of(logs))])
        if {path: status[0] for path, status in again.items()} == {path: of[0] for path, of in places.items()}:
            return candidates
        for candidate in candidates:
            candidate.close()
        return None

    def _find_again(self, tail: Tail, candidates: dict[str, Candidate]) -> None:
        """Find the file that is no longer where it was; a plain file is preferred to a compressed one."""
        if tail.path is not None or (tail.is_open and not tail.is_removed):
            return
        own = candidates.get(tail.name)
        if own is not None and own.is_file(tail.identity):
            self._read_on(tail, own)
        elif not tail.is_open:
            parts = [each for each in candidates.values() if log_of(each.path) == tail.log or tail.offset >= NEAR]
            for candidate in sorted(parts, key=lambda each: each.packed):
                is_free = all(candidate.inode != other.inode for other in self._tails)
                if is_free and candidate is not own and candidate.is_file(tail.identity):
                    tail.rotated = True
                    self._read_on(tail, candidate)
                    return

    def _read_on(self, tail: Tail, candidate: Candidate) -> None:
        tail.attach(candidate)
        log.debug("%s: read on in %s, from line %d", tail.name, candidate.path, tail.lines + 1)

    def _is_new(self, candidate: Candidate) -> bool:
        """Whether nothing has read this file, and it is no copy of one that is read."""
        name, log_name = str(candidate.path), log_of(candidate.path)
        if self._is_finished(candidate, log_name):
            return False
        for tail in self._tails:
            if tail.is_open and tail.inode == candidate.inode:
                return False
            if tail.log == log_name and name != tail.name and tail.is_copied_in(candidate):
                if candidate.age < COPYING:
                    self._unclear.add(log_name)
                return False
        return True

    def _is_finished(self, candidate: Candidate, log_name: str) -> bool:
        """Whether this file was read before, or may become one that was: it is being compressed."""
        finished = self._finished.get(log_name, [])
        for number, each in enumerate(finished):
            is_next = str(candidate.path) == each.name == log_name and not candidate.packed
            if not is_next and (candidate.status == each.status or candidate.is_file(each.identity)):
                if each.lines and not candidate.packed and candidate.size > each.identity.offset:
                    self._revive(each, candidate)
                else:
                    finished[number] = each._replace(status=candidate.status)
                    self._looks.leave(candidate)
                return True
        if (
            candidate.packed
            and candidate.age < COPYING
            and any(candidate.may_begin_like(of.identity) for of in finished)
        ):
            self._unclear.add(log_name)
            return True
        return False

    def _revive(self, finished: Finished, candidate: Candidate) -> None:
        """A file that was read goes on, under whatever name."""
        self._finished[log_of(candidate.path)].remove(finished)
        tail = self._new_tail(finished.name)
        tail.go_on(finished.identity, finished.lines)
        tail.attach(candidate)
        tail.rotated = True

    def _give_up(self, moved: set[str]) -> None:
        """Forget what is no longer there: files that cannot be found again, and parts that were read."""
        for tail in [tail for tail in self._tails if not tail.is_open]:
            if time.monotonic() - tail.grown >= PAUSE or not tail.offset:
                if tail.offset:
                    self._notes.add(REMOVED, f"{tail.name} line {tail.lines}")
                self._tails.remove(tail)
                self._changed = True
        for log_name in moved & set(self._finished):
            finished = self._finished[log_name]
            there = [each for each in finished[:-REMEMBERED] if each.status in self._there]
            self._finished[log_name] = there + finished[-REMEMBERED:]


def _allow_many_files() -> None:
    """As many open files as the system allows: each file that is followed is one."""
    with suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
