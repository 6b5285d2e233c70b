"""What is unusual about a request beside its target, as parts of its event: one rule for all formats of requests.

Ordinary user agents, referers and further fields are no part of an event, an attack in one of them is: ` agent{sql}`,
` referer{tag}`, ` rest{quotes}`; so is a line break within a line.
"""

import re
from collections.abc import Iterator

from trine.log_formats.values import STRONG, agent_marks, marks, only

_MAX_UNESCAPED = 1 << 16
"""Characters of the longest field whose escapes are read: eight times the longest request that servers accept."""

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "v": "\v", "f": "\f"}
_FIELD = re.compile(r'"((?:[^"\\]|\\.)*+)"|([^\s"]++)', re.DOTALL)
_FIELDS = re.compile(
    r'(?:[\s,;|]*+(?:[\w.\-]++=(?=\S))?+(?:"(?:[^"\\]|\\.)*+"|[^\s"]++)(?=[\s,;|]|\Z))*+\s*+', re.DOTALL
)
_BREAK = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Where other programs end a line: the text behind it may be made to look like another line."""


def request_marks(line: str = "", *, agent: str = "", referer: str = "", rest: str = "") -> Iterator[str]:
    """The parts for what is unusual.

    line   the whole line; "" where records are no lines
    rest   what follows the known fields of the line
    """
    parts = (agent_part(agent), referer_part(referer), rest_part(rest), break_part(line))
    return (part for part in parts if part)


def agent_part(agent: str) -> str:
    """The part for a user agent; "" if it is ordinary."""
    unusual = agent_marks(agent)
    return f" agent{{{unusual}}}" if unusual else ""


def referer_part(referer: str) -> str:
    """The part for a referer; "" if it is ordinary: a search for a text with quotes is."""
    unusual = only(marks(referer), STRONG)
    return f" referer{{{unusual}}}" if unusual else ""


def rest_part(rest: str) -> str:
    """The part for further fields, such as addresses of proxies, cookies and names of hosts; "" if all are ordinary.

    A quote within a field is unusual, those around it are not.
    """
    if not rest or rest.isspace():
        return ""
    fields = " ".join(unescaped(quoted or bare) for quoted, bare in _FIELD.findall(rest[:_MAX_UNESCAPED]))
    found = {*agent_marks(fields).split(","), *only(marks(fields), STRONG).split(",")} - {""}
    if len(rest) <= _MAX_UNESCAPED and not _FIELDS.fullmatch(rest):
        found.add("quotes")
    return f" rest{{{','.join(sorted(found))}}}" if found else ""


def break_part(line: str) -> str:
    """The part for a line break within a line; "" if there is none before the end."""
    return "" if line.isprintable() or not _BREAK.search(line.rstrip()) else " {line break}"


def unescaped(field: str) -> str:
    """A quoted field as the client sent it: servers write `\\"` and `\\x16` for a quote and a byte."""
    return _ESCAPE.sub(_character, field) if "\\" in field and len(field) <= _MAX_UNESCAPED else field


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _ESCAPES.get(escape[2], escape[2])
