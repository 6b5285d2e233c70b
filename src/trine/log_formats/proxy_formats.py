"""Access logs with forms of their own: Squid's, and those of load balancers and of S3 at AWS.

The event of a request is made of parts, as in the access log of a web server (`web_formats.py`); so is what is unusual
in the rest of the line (`request_marks.py`).
"""

import re
from typing import ClassVar

from trine.log_formats.log_event import Entity, Format, LogEvent, known
from trine.log_formats.request_marks import request_marks, unescaped
from trine.log_formats.values import STRONG, agent_class, digits_class, marks, masked, only
from trine.log_formats.web_formats import named_parts, request_parts

_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_UNQUOTED = r'"([^"]*+)"'


class Squid(Format):
    """Squid's own access log: `1714557600.123 812 192.0.2.1 TCP_MISS/200 543 GET http://a/ ann HIER_DIRECT/… -`."""

    name: ClassVar[str] = "squid"
    default_entity: ClassVar[Entity | None] = "address"
    _line = re.compile(
        r"(\d{9,10}\.\d{3}) ++-?\d+ (\S++) ([A-Z_]+)/(\d{3}) (-?\d+) (\S++) (\S++) (\S++) "
        r"([A-Z_]+)/\S++ (\S++)(?=\s|\Z)"
    )

    def parse(self, text: str) -> LogEvent | None:
        """The event is made of method, target and status; of the cache's result only counts that it is an attribute."""
        line = self._line.match(text)
        if line is None:
            return None
        time, address, result, status, size, method, target, user, hierarchy, kind = line.groups()
        if target.startswith("error:"):
            parts: tuple[str, ...] = (f"{method if method == 'NONE' else 'OTHER'} ", masked(target), f" {status}")
        else:
            parts = named_parts(method, target, status)
        return LogEvent(
            (*parts, *request_marks(text, rest=text[line.end() :])),
            False,
            self.clock.seconds(time),
            known(address=address, user="" if user == "-" else user),
            known(
                method=parts[0][:-1],
                status=status,
                result=result,
                route=hierarchy,
                type=kind.partition("/")[0],
                size=digits_class(size) or "-",
            ),
        )


class Elb(Format):
    """Access logs of AWS' load balancers for HTTP, of both generations."""

    name: ClassVar[str] = "elb"
    default_entity: ClassVar[Entity | None] = "address"
    _line = re.compile(
        r"(?:(?P<kind>https?|h2|grpcs?|wss?) )?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z) (?P<balancer>\S++) "
        r"(?P<address>[0-9.]++|\[?[0-9a-fA-F:.]++\]?):\d{1,5} (?P<target>\S++) (?:-?[\d.]++ ){3}"
        rf"(?P<status>\d{{3}}|-) (?P<own>\d{{3}}|-) (?P<received>\d+) (?P<size>\d+) {_QUOTED}(?: {_QUOTED})?(?=\s|\Z)"
    )

    def parse(self, text: str) -> LogEvent | None:
        """The event is made of the request and the status that the client got."""
        line = self._line.match(text)
        if line is None:
            return None
        status, own = line["status"], line["own"]
        request, agent = unescaped(line[10]), unescaped(line[11] or "")
        parts = request_parts(request, status)
        return LogEvent(
            (*parts, *request_marks(text, agent=agent, rest=text[line.end() :])),
            False,
            self.clock.seconds(line["time"]),
            {"address": line["address"].strip("[]")},
            known(
                method=parts[0][:-1] if parts[0][-1] == " " else "none",
                status=status,
                target="none" if line["target"] == "-" else own,
                kind=line["kind"],
                balancer=line["balancer"],
                size=digits_class(line["size"]),
                agent=agent_class(agent),
            ),
        )


class S3(Format):
    """Access logs of buckets in AWS' S3."""

    name: ClassVar[str] = "s3"
    default_entity: ClassVar[Entity | None] = "address"
    _line = re.compile(
        r"[0-9a-f]{64} (?P<bucket>[\w.\-]++) \[(?P<time>\d\d/[^\]]{15,25})\] (?P<address>\S++) (?P<user>\S++) \S++ "
        rf"(?P<operation>[A-Z0-9_]+\.[\w.\-]++) (?P<key>\S++) (?:{_QUOTED}|-) (?P<status>\d{{3}}|-) (?P<error>\S++) "
        rf"(?P<size>\d+|-) \S++ \S++ \S++ (?:{_UNQUOTED}|-) (?:{_UNQUOTED}|-)(?=\s|\Z)"
    )

    def parse(self, text: str) -> LogEvent | None:
        """The event is the operation, its status and error, and what is unusual about the request."""
        line = self._line.match(text)
        if line is None:
            return None
        request, referer, agent = unescaped(line[7] or ""), line[11] or "", line[12] or ""
        unusual = only(marks(request), STRONG)
        status, error = line["status"], line["error"]
        parts = [line["operation"], f" {status}"]
        parts += [f" {error}"] if error != "-" else []
        parts += [f" {{{unusual}}}"] if unusual else []
        parts += request_marks(text, agent=agent, referer=referer, rest=text[line.end() :])
        return LogEvent(
            tuple(parts),
            False,
            self.clock.seconds(line["time"]),
            known(**{kind: "" if line[kind] == "-" else line[kind] for kind in ("address", "user")}),
            known(
                bucket=line["bucket"],
                status=status,
                size=digits_class(line["size"]) or "-",
                agent=agent_class(agent),
            ),
        )
