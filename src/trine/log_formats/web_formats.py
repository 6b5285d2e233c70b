"""Access logs and error logs of web servers: Apache, nginx and those that write like them.

A request becomes the parts of its event, such as `("GET ", "/blog", "/<*>", "/may", ".html", "?", " 200")`, so that
places that take many values can be found; what is unusual in its path, query, user agent or referer is a part too.
"""

import re
from functools import lru_cache
from typing import ClassVar, NamedTuple, TypeVar

from trine.log_formats.log_event import Entity, Format, FormatSettings, LogEvent, known
from trine.log_formats.request_marks import agent_part, break_part, referer_part, rest_part, unescaped
from trine.log_formats.values import (
    STRONG,
    VALUE,
    agent_class,
    digits_class,
    marks,
    masked,
    only,
    strong_marks,
)

_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "PROPPATCH", "MKCOL"}
    | {"COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE", "TRACK", "DEBUG", "PRI", "SSTP_DUPLEX_POST"}
)
_MAX_SEGMENTS = 8
"""Segments of a path that are parts of their own: what lies deeper is one part, `/…`."""

_MAX_CACHED, _MAX_CACHED_TEXT = 1 << 16, 1024
"""Entries of a cache, after which it is emptied, and characters of the longest text in it."""

_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}\Z")
_PARAMETER = re.compile(r";([\w.\-]++)=[^/]*+")
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,15}+://([^/?#]*+)")


def request_parts(request: str, status: str) -> tuple[str, ...]:
    """The parts of the event of a request line, such as `GET /blog/?page=2 HTTP/1.1`, and a status."""
    words = request.split(" ")
    method, protocol = words[0], words[-1]
    if not method.isalpha() or not method.isupper() or len(words) < 2 or len(method) > 20:
        return (*_no_request(request), f" {status}")
    has_protocol = protocol.startswith("HTTP/") and len(words) > 2
    target = " ".join(words[1:-1] if has_protocol else words[1:])
    kind = method if method in _METHODS else "OTHER"
    return (f"{kind} ", *target_parts(target), *(() if has_protocol else (" no protocol",)), f" {status}")


def named_parts(method: str, target: str, status: str) -> tuple[str, ...]:
    """The parts of the event of a request whose method, target and status are fields of their own."""
    method = method.upper()
    return (f"{method if method in _METHODS else 'OTHER'} ", *target_parts(target), f" {status or '-'}")


def target_parts(target: str) -> tuple[str, ...]:
    """The parts of a path with its query, or of another target of a request (`*`, `http://host/path`, `host:443`)."""
    parts: list[str] = []
    absolute = _TARGET.match(target)
    if absolute:
        parts.append(f"{target[: absolute.start(1)].lower()}{VALUE}")
        target = target[absolute.end() :]
    path, has_query, query = target.partition("?")
    parts.extend(_cached_path_parts(path) if len(path) <= _MAX_CACHED_TEXT else _path_parts(path))
    if has_query:
        unusual = marks(query)
        parts.append(f"?{{{unusual}}}" if unusual else "?")
    return tuple(parts)


def _path_parts(path: str) -> tuple[str, ...]:
    parts = _segments(path) if path.startswith("/") else [_bare_target(path)] if path else []
    unusual = marks(_PARAMETER.sub("", path))
    return (*parts, f"{{{unusual}}}") if unusual else tuple(parts)


_cached_path_parts = lru_cache(_MAX_CACHED)(_path_parts)


def _segments(path: str) -> list[str]:
    segments = path.split("/", _MAX_SEGMENTS + 1)[1:]
    deeper = len(segments) > _MAX_SEGMENTS
    if deeper:
        segments.pop()
        last = path[path.rindex("/") + 1 :]
    else:
        last = segments.pop()
    parts = [f"/{_segment(segment)}" for segment in segments]
    ending = _ENDING.search(last, max(0, len(last) - 7))
    stem = last[: ending.start()] if ending and ending.start() else last
    parts.append("/…" if deeper else f"/{_segment(stem)}")
    if len(stem) < len(last):
        parts.append(last[len(stem) :])
    return parts


def _segment(segment: str) -> str:
    """A segment without values and without those of its parameters: `cart;jsessionid=<*>`."""
    if ";" in segment:
        segment, *parameters = _PARAMETER.sub(r";\1=", segment).split(";")
        return masked(segment) + "".join(f";{name}{VALUE}" if name.endswith("=") else ";" for name in parameters[:4])
    return masked(segment)


def _bare_target(target: str) -> str:
    """A target that is no path: `*`, or host and port, of which the port stays."""
    host, _, port = target.rpartition(":")
    if target == "*" or len(target) > _MAX_CACHED_TEXT:
        return target[:1]
    return f"{VALUE}:{port}" if host and port.isdigit() and len(port) < 6 else VALUE


def _no_request(text: str) -> tuple[str, ...]:
    """The parts for what a client sent instead of a request."""
    if text in {"", "-"}:
        return ("empty request",)
    if text.startswith("\x16\x03"):
        return ("TLS request",)
    unusual = marks(text)
    return ("no HTTP", f"{{{unusual}}}") if unusual else ("no HTTP",)


Key = TypeVar("Key", str, tuple[str, str])
Found = TypeVar("Found")


class Visitor(NamedTuple):
    """What a request says of its sender: referer, user agent and what follows them."""

    family: str
    """Class of the user agent."""
    host: str
    """Host of the referer; "" without one."""
    odd: tuple[str, ...]
    """Parts of the event for what is unusual."""
    ordinary: bool
    """Whether nothing about the user agent is unusual."""
    rest: str
    """What follows the user agent."""


_NOBODY = Visitor("none", "", (), True, "")


_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_NUMBER = r"(\d{1,19}|-)"


class Access(Format):
    """Access logs in the common and the combined format, also with the virtual host first and with further fields.

    The entity of a request is the address of the client; a session with the entity `user` holds only those logged in.
    """

    name: ClassVar[str] = "web"
    default_entity: ClassVar[Entity | None] = "address"
    _line = re.compile(
        r"(?:(?P<server>\S++) (?=[^\s\-]\S*+ - [^\[]))?"
        r"(?P<address>[^\s\"\[]++|\[[0-9a-fA-F:.]++\]) (?P<ident>[^\s\"\[]++) "
        rf"(?P<user>[^\[]*+(?:\[(?!\d\d/)[^\[]*+)*+)(?<= )\[(?P<time>\d\d/[^\]]{{15,25}})\] "
        rf"{_QUOTED} (\d{{3}}|-) {_NUMBER}(?: {_QUOTED}(?: {_QUOTED})?)?(?= |,|\Z)"
    )
    _unescaped_line = re.compile(
        _line.pattern[: _line.pattern.index(_QUOTED)] + rf'"([A-Z]{{1,20}} .*?)" (\d{{3}}) {_NUMBER}(?= |\Z) ?(.*)',
        re.DOTALL,
    )
    """For servers that write a quote within a request as it is."""

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._requests: dict[tuple[str, str], tuple[tuple[str, ...], str, bool]] = {}
        """Parts of the event, method, and whether it is for a file of a page, by request line and status."""
        self._numbers: dict[str, tuple[str, str, str]] = {}
        """Status, class of the size and what follows, by the text between request and referer."""
        self._visitors: dict[str, Visitor] = {}
        """By the text from the referer on."""
        self._rests: dict[str, str] = {}
        """Part of the event for what follows the user agent."""
        self._agents: dict[str, tuple[str, str]] = {}
        """Class and marks of a user agent."""
        self._referers: dict[str, tuple[str, str]] = {}
        """Host and marks of a referer."""
        self._own: set[str] = set()
        """Hosts whose pages load style sheets and scripts from this server: its own names."""

    def parse(self, text: str) -> LogEvent | None:
        """The event is made of method, path, query and status; the rest of the line only if something is unusual.

        A line with blanks or invisible characters before it is none, and a line break within it is a part of its own.
        """
        if text.isprintable():
            return self._parse(text)
        if not text[:1].isprintable():
            return None
        event = self._parse(text)
        if event is None or not event.entities["address"].isprintable():
            return None
        broken = break_part(text)
        return event._replace(event=(*event.event, broken)) if broken else event

    def _parse(self, text: str) -> LogEvent | None:
        pieces = text.split('"', 3)
        if len(pieces) < 3 or "\\" in text:
            return self._parse_escaped(text)
        address, _, rest = pieces[0].partition(" ")
        if len(rest) == _ANONYMOUS and rest[:5] == "- - [" and rest[31:] == "] " and rest[7] == "/":
            user, time = "-", rest[5:31]
        else:
            _, _, rest = rest.partition(" ")
            user, _, rest = rest.partition(" ")
            time = rest[1:-2]
            if rest[:1] != "[" or rest[-2:] != "] " or " [" in time:
                return self._parse_escaped(text)
        numbers = self._numbers.get(pieces[2]) or self._status_and_size(pieces[2])
        if numbers is None:
            return self._parse_escaped(text)
        visitor = _NOBODY
        if len(pieces) > 3:
            tail = pieces[3]
            found = self._visitors.get(tail) or self._visitor_of(tail)
            if found is None:
                return self._parse_escaped(text)
            visitor = found
        event = self._event(address, user, time, pieces[1], numbers, visitor)
        rest = f"{numbers[2]} {visitor.rest}" if visitor.rest else numbers[2]
        return self._with_rest(event, rest) if rest else event

    def _visitor_of(self, tail: str) -> Visitor | None:
        """The visitor by what follows the quote before the referer; None if no user agent follows."""
        pieces = tail.split('"', 3)
        if len(pieces) < 4 or pieces[1] != " ":
            return None
        return _kept(self._visitors, tail, self._visitor(pieces[0], pieces[2], pieces[3]))

    def _visitor(self, referer: str, agent: str, rest: str = "") -> Visitor:
        family, odd_agent = self._agents.get(agent) or self._agent(agent)
        host, odd_referer = self._referers.get(referer) or self._referer(referer)
        return Visitor(family, host, tuple(filter(None, (odd_agent, odd_referer))), not odd_agent, rest)

    def _status_and_size(self, text: str) -> tuple[str, str, str] | None:
        """Status, class of the size and what follows, behind the request; None if the text has another form."""
        before, status, size, rest, *_ = *text.split(" ", 3), "", "", ""
        if before or len(status) != 3 or not status.isdigit() or not (size.isdigit() or size == "-"):
            return None
        return _kept(self._numbers, text, (status, digits_class(size) or "-", rest.strip()))

    def _parse_escaped(self, text: str) -> LogEvent | None:
        line = self._line.match(text)
        if line:
            server, address, _, user, time, request, status, size, referer, agent = line.groups()
            rest = text[line.end() :]
        else:
            line = self._unescaped_line.match(text)
            if not line:
                return None
            server, address, _, user, time, request, status, size, agent = line.groups()
            referer = rest = ""
        request, referer, agent = (unescaped(field or "") for field in (request, referer, agent))
        if server:
            self._own_name(server)
        numbers = status, digits_class(size) or "-", ""
        event = self._event(address.strip("[]"), user.strip(), time, request, numbers, self._visitor(referer, agent))
        return self._with_rest(event, rest) if rest else event

    def _event(
        self, address: str, user: str, time: str, request: str, numbers: tuple[str, str, str], visitor: Visitor
    ) -> LogEvent:
        status, size, _ = numbers
        parts, method, of_page = self._requests.get((request, status)) or self._request(request, status)
        family, host, odd, ordinary, _ = visitor
        if of_page and host and ordinary:
            self._own_name(host)
        if odd:
            parts += odd
        attributes = {
            "method": method,
            "status": status,
            "size": size,
            "agent": family,
            "referer": "own" if host in self._own else "other" if host else "none",
        }
        entities = {"address": address}
        if user != "-" and user:
            attributes["user"] = "known"
            entities["user"] = user
        return _NEW(LogEvent, (parts, False, self.clock.seconds(time), entities, attributes))

    def _with_rest(self, event: LogEvent, rest: str) -> LogEvent:
        """The event with what is unusual behind the known fields."""
        part = self._rests.get(rest)
        if part is None:
            part = _kept(self._rests, rest, rest_part(rest))
        return event._replace(event=(*event.event, part)) if part else event

    def _request(self, request: str, status: str) -> tuple[tuple[str, ...], str, bool]:
        parts = request_parts(request, status)
        method = parts[0][:-1] if parts[0][-1] == " " else "none"
        return _kept(self._requests, (request, status), (parts, method, parts[-2] in _PAGE_FILES))

    def _agent(self, agent: str) -> tuple[str, str]:
        return _kept(self._agents, agent, (agent_class(agent), agent_part(agent)))

    def _referer(self, referer: str) -> tuple[str, str]:
        absolute = _TARGET.match(referer)
        host = absolute[1].rpartition("@")[2].lower()[:_MAX_CACHED_TEXT] if absolute else ""
        return _kept(self._referers, referer, (host, referer_part(referer)))

    def _own_name(self, host: str) -> None:
        if len(self._own) < 100:
            self._own.add(host)
            self._own.add(host.partition(":")[0])


def _kept(cache: dict[Key, Found], key: Key, found: Found) -> Found:
    """Puts what was found into the cache; a full one is emptied before."""
    if len(cache) >= _MAX_CACHED:
        cache.clear()
    if (len(key) if isinstance(key, str) else sum(map(len, key))) <= _MAX_CACHED_TEXT:
        cache[key] = found
    return found


_NEW = tuple.__new__
"""Makes a named tuple in half the time."""
_ANONYMOUS = len("- - [01/May/2024:10:00:00 +0000] ")
"""Characters between the address and the request, if no user is logged in."""

_PAGE_FILES = frozenset({".css", ".js", ".woff", ".woff2"})


class WebError(Format):
    """Error logs of Apache (2.2 and 2.4) and nginx."""

    name: ClassVar[str] = "web-error"
    continues: ClassVar[bool] = True
    default_entity: ClassVar[Entity | None] = "address"
    _apache = re.compile(
        r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \d{4})\] "
        r"(?:\[(?:(?P<module>[\w.\-]*):)?(?P<level>[a-z]+\d?)\] )?(?:\[pid (?P<pid>\d+)(?::tid \d+)?\] )?"
        r"(?P<reason>\(\w+\)[^\[\]]{1,200}?: )?"
        r"(?:\[(?:client|remote) (?P<address>\[[0-9a-fA-F:.]++\](?::\d++)?|[^\s\]]++)\] )?"
    )
    _nginx = re.compile(r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>[a-z]+)\] (?P<pid>\d+)#\d+: (?:\*\d+ )?")
    _rule = re.compile(r'\[msg "([^"]*+)"')

    def parse(self, text: str) -> LogEvent | None:
        """The event is the template of level, module and message; the address that of the client, if there is one."""
        head = self._apache.match(text)
        if head:
            return self._apache_event(head, text[head.end() :])
        head = self._nginx.match(text)
        return self._nginx_event(head, text[head.end() :]) if head else None

    def _apache_event(self, head: re.Match[str], message: str) -> LogEvent:
        fields = head.groupdict()
        address, module = fields["address"], fields["module"] or ""
        if address and (fields["pid"] or module):  # 2.4 writes the port, also after an address of version 6
            address = address.rpartition(":")[0] or address
        message, _, referer = message.partition(", referer: ")
        return self._of(fields, f"{fields['reason'] or ''}{message}", referer, address, module)

    def _nginx_event(self, head: re.Match[str], message: str) -> LogEvent:
        before = message.rfind(', request: "')
        start = message.rfind(", client: ", 0, before if before >= 0 else len(message))  # a client can write the first
        if start < 0:
            return self._of(head.groupdict(), message, "", None, "")
        address = message[start + len(", client: ") :].partition(",")[0]
        return self._of(head.groupdict(), message[:start], unescaped(message[before:]), address, "")

    def _of(self, fields: dict[str, str | None], message: str, sent: str, address: str | None, module: str) -> LogEvent:
        level = fields["level"] or ""
        rule = self._rule.search(message) if "ModSecurity" in message else None
        if rule:
            message = f"{message[:_MAX_CACHED_TEXT].partition('. ')[0]}: {rule[1]}"
        unusual = only(f"{strong_marks(message)},{strong_marks(sent)}", STRONG)
        unusual = ",".join(sorted(set(unusual.split(",")) - {""}))
        name = f"{module}:{level}" if module else level
        event = f"{name}: {message}" if name else message
        return LogEvent(
            f"{event} {{{unusual}}}" if unusual else event or "empty",
            mined=True,
            time=self.clock.seconds(fields["time"] or ""),
            entities=known(address=address and address.strip("[]"), process=fields["pid"]),
            attributes=known(level=level, module=module, marks=unusual),
        )
