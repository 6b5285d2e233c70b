"""What there is to follow: files that patterns match, and the parts that rotation made of a log."""

import glob
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from trine.datasets.lines import MAX_LINE
from trine.errors import UsageError
from trine.live.identity import Candidate, Status, status_of
from trine.live.source import Notes
from trine.logs.encodings import LineBlocks, encoding_of, in_utf8, looks_like_text, texts_of
from trine.logs.rotation import Head, order, rotated
from trine.logs.sources import is_tar, is_zip


@lru_cache(maxsize=1 << 16)
def log_of(path: str | Path) -> str:
    """The log that a file is a part of: its name without what rotation adds."""
    return rotated(str(path)).base


def parts_of(logs: Collection[str]) -> list[tuple[str, Path]]:
    """The files beside logs that rotation made of them, each with its log.

    `app.log.1`, `app.log-20240501.gz` and `app-2024-05-01.log` are parts of `app.log`. `app-1.log` is not: it can be
    the log of another process.
    """
    parts = []
    for folder in sorted({Path(log).parent for log in logs}):
        for name in _names(folder):
            path = folder / name
            log = log_of(path)
            if log in logs and log != str(path) and (name.startswith(Path(log).name) or rotated(name).date):
                parts.append((log, path))
    return parts


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  (names are enough, of many files)
    except OSError:
        return []


def matches(patterns: Sequence[str]) -> Iterator[tuple[Path, bool]]:
    """The regular files that patterns match, each once, and whether a file was given by its name."""
    seen: set[Path] = set()
    for pattern in patterns:
        given = Path(pattern)
        if given.is_dir():
            found = [path for path in sorted(given.rglob("*")) if not _is_hidden(path.relative_to(given))]
        elif glob.has_magic(pattern) and not given.exists():
            found = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
        else:
            found = [given]
        for path in found:
            if path not in seen and path.is_file():
                seen.add(path)
                yield path, path == given


class Looks:
    """Looks into files, at each only once as long as it does not change."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._left: set[Status] = set()

    def candidate(self, path: Path, *, is_given: bool) -> Candidate | None:
        """The file, if it holds text and was not left since it last changed."""
        status = _status(path)
        if status is None or status in self._left or not status[1]:
            return None
        try:
            candidate = Candidate(path)
        except FileNotFoundError:
            return None
        except (OSError, UsageError) as problem:  # or compressed in a way that nothing here unpacks
            reason = problem.strerror if isinstance(problem, OSError) else problem
            self._notes.add(f"cannot be read ({reason}), left out", str(path))
            self._left.add(status)  # tried again when it changes
            return None
        is_archive = is_zip(candidate.first) or is_tar(candidate.first)
        if candidate.first and not is_archive and (is_given or looks_like_text(candidate.first)):
            return candidate
        if candidate.first:
            self._notes.add("an archive, left out" if is_archive else "no text, left out", str(path))
            self.leave(candidate)
        candidate.close()
        return None

    def leave(self, candidate: Candidate) -> None:
        """This file is not to be read unless it changes."""
        self._left.add(candidate.status)


def statuses(paths: Iterable[Path]) -> dict[Path, Status]:
    """Which file is where: rotation renames many files, one after the other."""
    return {path: status for path in paths if (status := _status(path)) is not None}


def oldest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Parts of logs in the order in which they were written."""
    if len(candidates) < 2:
        return list(candidates)
    heads = [Head(str(each.path), _first_texts(each), each.modified) for each in candidates]
    return [candidates[place] for place in order(heads)]


def _first_texts(candidate: Candidate) -> list[str]:
    """The first whole lines among the first bytes."""
    encoding, mark = encoding_of(candidate.first)
    data = candidate.first[mark:]
    if encoding != "utf-8":
        data = in_utf8(encoding, data, False, lambda reason: None)[0]
    blocks = LineBlocks().feed(data[:MAX_LINE])
    return [text for block, _ in blocks for text in texts_of(block, 1, lambda reason, number: None)]


def _status(path: Path) -> Status | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status_of(status) if stat.S_ISREG(status.st_mode) else None


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
