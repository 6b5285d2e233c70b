"""Copies among the files of a log: of equal files, one is read."""

from collections.abc import Sequence
from hashlib import sha256

from trine.datasets.lines import Skips
from trine.log_formats.log_event import Line
from trine.log_formats.registry import FORMATS, guess_format
from trine.logs.compression import Damaged
from trine.logs.encodings import first_lines
from trine.logs.sources import LogInput

_FIRST_LINES = 20
"""Lines from which the format of a file is guessed that has the content of another one."""


def different(sources: Sequence[LogInput], skips: Skips) -> list[LogInput]:
    """The sources without copies, such as a log and its copy among those that rotation made.

    Files are no copies if their names say that their lines belong to different entities, as those of `strace -ff` do:
    two processes can do the same.
    """
    sizes: dict[int, int] = {}
    for source in sources:
        if source.size:
            sizes[source.size] = sizes.get(source.size, 0) + 1
    first: dict[str, LogInput] = {}
    named: dict[tuple[str, str], str] = {}
    chosen = []
    for source in sources:
        content = _content(source) if source.size and sizes[source.size] > 1 else None
        if content is None:
            chosen.append(source)
            continue
        original = first.setdefault(content, source)
        if original is source:
            chosen.append(source)
            continue
        named.setdefault((content, _entity(original)), original.name)
        of = named.setdefault((content, _entity(source)), source.name)
        if of == source.name:
            chosen.append(source)
        else:
            skips.add("a copy of another file, read once", f"{source.name} of {of}")
    return chosen


def _entity(source: LogInput) -> str:
    """The entity that the name of a file gives its lines; "" if the name says nothing about it."""
    try:
        head = first_lines(source.chunks(), _FIRST_LINES)
    except Damaged:
        return ""
    guess = guess_format([Line(0, number, text) for number, text in enumerate(head, 1)])
    return FORMATS[guess.name].entity_of_file(source.name, head)


def _content(source: LogInput) -> str | None:
    digest = sha256()
    try:
        for chunk in source.raw():
            digest.update(chunk)
    except Damaged:
        return None
    return digest.hexdigest()
