"""Records of the Linux audit daemon: their heads, their decoded fields, and a joiner for the records of one event.

- raw: `type=SYSCALL msg=audit(1714557600.123:456): arch=c000003e syscall=59 ... comm="nc"`
- enriched: the same, then a group separator (\\x1d) and names in capitals: `ARCH=x86_64 SYSCALL=execve AUID="ann"`
- interpreted, by `ausearch -i`: `type=SYSCALL msg=audit(05/01/2024 10:00:00.123:456) : arch=x86_64 ... comm=nc`
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from trine.log_formats.log_event import Line

LATER_EVENTS, OLDER_SECONDS = 64, 2.0
"""An event is complete when so many events of its host began after it, or when one of them is so much younger."""
MOST_LINES, MOST_CHARACTERS, MOST_HOSTS = 1000, 1 << 22, 256
"""Bounds of the joiner's memory: lines and characters of one event, and hosts with incomplete events."""

_HEAD = re.compile(
    r"\s*+(?:node=(?P<node>\S{1,255}+) )?+type=(?P<type>[\w\[\]]{1,64}+) msg=audit\("
    r"(?P<time>[\d./,: \-APMapm]{1,40}):(?P<serial>\d{1,20}+)\)(?P<interpreted> :|:) ?+"
)
_SEPARATOR = re.compile(r"----++\s*+$|time->|<no matches>|\s*+$")
_ALONE = re.compile(
    r"USER|CRED_|SERVICE_|SYSTEM_|DAEMON_|ADD_|DEL_|GRP_|CHGRP_|CHUSER_|ACCT_|CRYPTO_|VIRT_|LABEL_|RESP_|ROLE_|"
    r"SOFTWARE_|FS_|TRUSTED_|DEV_|USYS_|ANOM_(?!PROMISCUOUS|ABEND|LINK|CREAT)|TEST$|EOE$"
)
"""Types of records that programs send: each is an event of its own."""
_FIELD = re.compile(r"(?<![\w\-\]])([\w\-]++(?:\[\d++\])?+)=(?:\"([^\"]*+)\"|'|([^\s'\"\x1d]*+))")
_NAME = re.compile(r"(?:^|(?<=[\s'\x1d]))([\w\-]++)=")
_ARGUMENT = re.compile(r"(?:^|(?<=\s))(a\d++(?:\[\d++\])?+|argc)=")
_ENCODED = frozenset(
    (
        *("name", "comm", "exe", "proctitle", "acct", "cmd", "data", "cwd", "key", "path", "grp", "new_group"),
        *("device", "unit", "vm", "ocomm", "file"),
    )
)
"""Fields whose unquoted value is hexadecimal: texts with blanks, quotes or control characters are encoded."""
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})++")
_NOTHING = frozenset(("", "?", "(null)", "(none)", "(unknown)", "unset", "4294967295"))


class Record(NamedTuple):
    """One record of an event."""

    node: str
    type: str
    time: str
    """Seconds since 1970, or date and time."""
    fields: Mapping[str, str]
    """Values by name, without those that say that there is none. If a name comes twice, its first value: what a user
    chose stands further behind, and replaces nothing."""
    text: str
    """What follows the head."""

    def value(self, *names: str) -> str:
        """The first of these fields that has a value; empty if there is none."""
        for name in names:
            value = self.fields.get(name)
            if value:
                return value
        return ""


def read_records(text: str) -> list[Record] | None:
    """The records of an event, joined by line breaks; None if one of them is no audit record."""
    records = []
    for line in text.split("\n"):
        head = _HEAD.match(line)
        if not head:
            return None
        rest = line[head.end() :]
        read = _interpreted if head["interpreted"] == " :" else _raw
        records.append(Record(head["node"] or "", head["type"], head["time"], read(head["type"], rest), rest))
    return records


def is_separator(text: str) -> bool:
    """Whether `ausearch` writes this line between events."""
    return _SEPARATOR.match(text) is not None


def decode(text: str) -> str:
    """The text that a hexadecimal value stands for; any other value as it is."""
    if not _HEXADECIMAL.fullmatch(text):
        return text
    return bytes.fromhex(text).decode("utf-8", "backslashreplace").rstrip("\0")


def _raw(kind: str, rest: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    command = kind == "EXECVE"
    for name, quoted, bare in _FIELD.findall(rest):
        if command and name[0] == "a" and name[-1] in "0123456789]":
            fields.setdefault(name, decode(bare) if bare else quoted)
        elif bare and name in _ENCODED:
            value = decode(bare)
            if value not in _NOTHING:
                fields.setdefault(name, value)
        elif bare not in _NOTHING or quoted not in _NOTHING:
            if name == "res":
                fields[name] = bare or quoted
            else:
                fields.setdefault(name, bare or quoted)
    return fields


def _interpreted(kind: str, rest: str) -> Mapping[str, str]:
    """Values are neither quoted nor encoded: each reaches to the next name."""
    if kind == "PROCTITLE":
        title = rest.partition("=")[2].strip()
        return {"proctitle": decode(title) if len(title) >= 8 and title.isupper() else title}
    names = list((_ARGUMENT if kind == "EXECVE" else _NAME).finditer(rest))
    ends = [following.start() for following in names[1:]] + [len(rest)]
    fields: dict[str, str] = {}
    for name, end in zip(names, ends, strict=False):  # no name: no value
        value = rest[name.end() : end].strip(" '\"\x1d")
        if (name[1] not in fields or name[1] == "res") and (kind == "EXECVE" or value not in _NOTHING):
            fields[name[1]] = value
    return fields


class Socket(NamedTuple):
    """What a socket was connected or bound to."""

    family: str
    """inet, inet6, local, netlink, packet, or the number of another family."""
    address: str = ""
    port: int | None = None
    path: str = ""


_FAMILIES = {0: "unspec", 1: "local", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet", 38: "alg", 40: "vsock"}


def socket_of(record: Record) -> Socket:
    """The address of a SOCKADDR record, raw or interpreted."""
    encoded = record.value("saddr")
    if _HEXADECIMAL.fullmatch(encoded):
        return _decoded_socket(bytes.fromhex(encoded[:512]))
    old = re.match(r"(\w{1,20}) host:(\S{1,64}) serv:(\d{1,5})", encoded)  # of ausearch before version 2.8
    if old:
        return Socket(old[1], old[2], int(old[3]))
    family = record.value("saddr_fam", "fam").strip(" }") or "unknown"
    port = record.value("lport", "port").strip(" }")[:5]
    path = record.value("path").removesuffix("}").strip()
    return Socket(family, record.value("laddr").strip(" }"), int(port) if port.isdecimal() else None, path)


def _decoded_socket(saddr: bytes) -> Socket:
    number = int.from_bytes(saddr[:2], "big" if saddr[:1] == b"\0" and saddr[1:2] != b"\0" else "little")
    family, port = _FAMILIES.get(number, f"family:{number}"), int.from_bytes(saddr[2:4], "big")
    if family == "inet" and len(saddr) >= 8:
        return Socket(family, str(IPv4Address(saddr[4:8])), port)
    if family == "inet6" and len(saddr) >= 24:
        address = IPv6Address(saddr[8:24])
        return Socket(family, str(address.ipv4_mapped or address), port)
    if family == "local":
        return Socket(family, path=saddr[2:].rstrip(b"\0").replace(b"\0", b"@", 1).decode("utf-8", "backslashreplace"))
    return Socket(family)


@dataclass
class _Event:
    """Lines of an event that still waits: for further lines, or for an event that began before it."""

    number: int
    time: float | None
    first: Line
    first_type: str
    texts: list[str] = field(default_factory=list)
    characters: int = 0
    complete: bool = False

    def joined(self) -> Line:
        return self.first._replace(text="\n".join(self.texts))


@dataclass
class _Host:
    """Waiting events of one host by time and serial, the oldest first, and the number of events so far."""

    events: dict[tuple[str, ...], _Event] = field(default_factory=dict)
    count: int = 0


class AuditJoiner:
    """Joins the records of one event: those with the same time, serial and host, also if others stand between them.

    The events of a host come in the order in which they began. The daemon writes PROCTITLE last, and `ausearch` writes
    it first: only a later one completes an event.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}

    def feed(self, line: Line) -> list[Line]:
        """The events that this line completes; a line that is no audit record comes back at once."""
        head = _HEAD.match(line.text)
        if not head:
            return [*(self.finish() if is_separator(line.text) else ()), line]
        ready: list[Line] = []
        host = self._host(head["node"] or "", ready)
        key: tuple[str, ...] = (head["time"], head["serial"])
        kind, time = head["type"], _number(head["time"])
        event = host.events.get(key)
        if event is None or event.complete:
            host.count += 1
            key = key if event is None else (*key, str(host.count))
            event = host.events[key] = _Event(host.count, time, line, kind)
        event.texts.append(line.text)
        event.characters += len(line.text)
        last = kind == "EOE" or (kind == "PROCTITLE" and event.first_type != "PROCTITLE")
        full = len(event.texts) >= MOST_LINES or event.characters >= MOST_CHARACTERS
        event.complete = last or full or (len(event.texts) == 1 and _ALONE.match(kind) is not None)
        ready += self._ready(host, event)
        return ready

    def finish(self) -> list[Line]:
        """All events that still wait."""
        rest = [event for host in self._hosts.values() for event in host.events.values()]
        self._hosts.clear()
        return [event.joined() for event in sorted(rest, key=lambda event: (event.first.source, event.first.number))]

    def _host(self, node: str, complete: list[Line]) -> _Host:
        if node not in self._hosts and len(self._hosts) >= MOST_HOSTS:
            oldest = self._hosts.pop(next(iter(self._hosts)))
            complete += [event.joined() for event in oldest.events.values()]
        return self._hosts.setdefault(node, _Host())

    def _ready(self, host: _Host, newest: _Event) -> Iterator[Line]:
        """The first events that are complete, or have to be as another one is so much newer."""
        while host.events:
            key, oldest = next(iter(host.events.items()))
            late = (
                newest.time is not None and oldest.time is not None and abs(newest.time - oldest.time) > OLDER_SECONDS
            )
            in_order_of_ausearch = oldest.first_type == "PROCTITLE" and newest is not oldest
            many = host.count - oldest.number >= LATER_EVENTS
            if not (oldest.complete or late or in_order_of_ausearch or many):
                return
            yield host.events.pop(key).joined()


def _number(time: str) -> float | None:
    """Seconds since 1970; None if the time is a date."""
    try:
        return float(time)
    except ValueError:
        return None
