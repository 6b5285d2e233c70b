"""The format of the Linux audit daemon: what was done by which program, with what, and how it ended."""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from functools import lru_cache
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.arguments import MOST_FOLDERS, classes_of, folder, program, subcommand
from trine.log_formats.audit_records import AuditJoiner, Record, Socket, is_separator, read_records, socket_of
from trine.log_formats.log_event import HEADER, Entity, Format, FormatSettings, Header, LogEvent, known
from trine.log_formats.system_calls import call_name, error_name
from trine.log_formats.values import marks

EXECUTE = frozenset({"execve", "execveat"})
MOST_PROCESSES = 1 << 13
"""Number of processes whose session is remembered for their children."""
KNOWN_PORTS = frozenset({1433, 1521, 2049, 3306, 3389, 5432, 5672, 6379, 8080, 8443, 9090, 9200, 11211, 27017})
"""Ports of common services above 1023."""
_USUAL = frozenset(
    {"SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "EOE", "SOCKADDR", "SOCKETCALL", "FD_PAIR", "MMAP"}
)
"""Types of records that explain a system call; another type in the same event is part of the event's name."""
_FAILED = frozenset({"no", "failed", "0"})
_ARGUMENT = re.compile(r"a(\d{1,9})(?:\[(\d{1,9})\])?")
_ACCOUNTS = {"root": "root", "0": "root", "(unknown user)": "unknown", "(invalid user)": "unknown"}
_VARYING = re.compile(r"\d{2,}+|\b[0-9a-f]{8,}+\b|(?<=@)[^.\s]++")
_DENIED = re.compile(r"avc: ++(denied|granted) ++\{ ([\w ]{1,80}) \}")
_PRIVATE = re.compile(
    r"10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe80:"
)
_DETAILS = frozenset(
    (
        *("apparmor", "operation", "profile", "tclass", "kind", "unit", "sig", "dev", "prom", "audit_enabled"),
        *("audit_pid", "audit_failure", "audit_backlog_limit", "ocomm", "list"),
    )
)
"""Fields, each of few values, that say what happened; with `op` before them."""


class Audit(Format):
    """Records of the Linux audit daemon, joined to events.

    The session is the daemon's own (`ses`), and `HOST:SES` if the records name their host. Daemons have none, and never
    end: what a program does in an hour is a session, such as `unset:sshd@2024-05-01T10`. What a daemon's
    process starts belongs to the session of this process.
    """

    name: ClassVar[str] = "audit"
    default_entity: ClassVar[Entity | None] = "session"

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner = AuditJoiner()
        self._sessions: OrderedDict[tuple[str, str], str] = OrderedDict()

    @override
    def parse(self, text: str) -> LogEvent | Header | None:
        """The event, such as `execve nc {address flag:-e path:/bin}`, `openat cat {path:/etc} EACCES key:etc`."""
        if is_separator(text):
            return HEADER
        records = read_records(text)
        if records is None:
            return None
        if all(record.type == "EOE" for record in records):
            return HEADER
        main = next((record for record in records if record.type == "SYSCALL"), records[0])
        records = [main, *(record for record in records if record is not main)]
        whole = main._replace(fields=_merged(records))
        arguments = _arguments(records, whole)
        classes = classes_of(arguments[1:], program(arguments[0])) if arguments else ""
        time = self._time(main.time)
        return LogEvent(
            " ".join(_words(records, whole, arguments, classes)),
            time=time,
            entities=self._entities(records, whole, time),
            attributes=known(
                command=program(whole.value("comm")),
                outcome="no" if _failed(main) else "yes",
                arguments=classes,
                key=_key(whole),
                account=_account(whole),
                rights=_rights(whole),
                terminal=_VARYING.sub("", whole.value("terminal", "tty").removeprefix("/dev/")).rstrip("0123456789/"),
            ),
        )

    def _time(self, text: str) -> float | None:
        if ":" not in text and re.fullmatch(r"\d{1,12}(?:\.\d{1,9})?", text):
            return float(text)
        return self.clock.seconds(text.strip())

    def _entities(self, records: list[Record], whole: Record, time: float | None) -> dict[str, str]:
        sockets = [socket_of(record) for record in records if record.type == "SOCKADDR"]
        remote = next((each.address for each in sockets if each.address), "")
        return known(
            host=whole.node,
            user=whole.value("AUID") or whole.value("auid").removeprefix("-1") or whole.value("acct", "UID", "uid"),
            process=whole.value("pid"),
            address=whole.value("addr") or remote,
            session=self._session(whole, time),
        )

    def _session(self, whole: Record, time: float | None) -> str:
        """The session of the event, which is remembered for the children of its process."""
        node, session, pid = whole.node, whole.value("ses").removeprefix("-1"), whole.value("pid")
        if not session:
            session = self._parents_session(node, pid, whole.value("ppid")) or f"unset:{_program(whole) or 'kernel'}"
            self._sessions[node, pid] = session
            self._sessions.move_to_end((node, pid))
            if len(self._sessions) > MOST_PROCESSES:
                self._sessions.popitem(last=False)
            session = f"{session}@{_hour(int(time // 3600))}" if time is not None else session
        return f"{node}:{session}" if node else session

    def _parents_session(self, node: str, pid: str, parent: str) -> str:
        """The parent's, else the process's own from before; empty for children of the first process."""
        if not pid or parent in {"1", "2"}:
            return ""
        return self._sessions.get((node, parent)) or self._sessions.get((node, pid), "")


@lru_cache(1 << 10)
def _hour(hours: int) -> str:
    """The hour, in UTC, that begins so many hours after 1970."""
    try:
        return f"{datetime.fromtimestamp(3600 * hours, UTC):%Y-%m-%dT%H}"
    except (OverflowError, ValueError, OSError):
        return "?"


def _merged(records: list[Record]) -> dict[str, str]:
    """Fields of all records; those of the first record, which user-chosen values cannot replace, go first."""
    if len(records) == 1:
        return dict(records[0].fields)
    fields: dict[str, str] = {}
    for record in reversed(records):
        if record.type not in {"EXECVE", "PATH"}:
            fields.update(record.fields)
    return fields


def _program(whole: Record) -> str:
    return program(whole.value("exe") or whole.value("comm"))


def _failed(main: Record) -> bool:
    return main.value("success", "res", "result").lower() in _FAILED


def _key(whole: Record) -> str:
    """Keys of the audit rules that wrote the event: several stand in one field, between control characters."""
    return ",".join(sorted(re.split("[\x01\\s]+", whole.value("key"))))[:80]


def _account(whole: Record) -> str:
    account = whole.value("acct", "id")
    return _ACCOUNTS.get(account) or marks(account) or ("other" if account else "")


def _rights(whole: Record) -> str:
    """The rights of the process: those of root, of a user, or of a service."""
    user = whole.value("euid") or whole.value("uid")
    if not user.isdecimal():
        return "root" if user == "root" else "other" * bool(user)
    return "root" if user == "0" else "service" if len(user) < 4 else "user"


def _arguments(records: list[Record], whole: Record) -> list[str]:
    """The words of a command, its name first; of an EXECVE record, else of the command of sudo, else of the title."""
    parts: dict[tuple[int, int], str] = {}
    for record in records:
        if record.type == "EXECVE":
            for name, value in record.fields.items():
                place = _ARGUMENT.fullmatch(name)
                if place:
                    parts[int(place[1]), int(place[2] or 0)] = value
    if parts:
        words: dict[int, str] = {}
        for (argument, _), value in sorted(parts.items()):
            words[argument] = words.get(argument, "") + value
        return list(words.values())
    command = whole.value("cmd")
    if command:
        return command.split() or [command]
    title = whole.value("proctitle") if _call(records[0]) in {*EXECUTE, ""} else ""
    return title.split("\0") if "\0" in title else title.split()


def _call(main: Record) -> str:
    """Name of the system call; empty if the record is of none."""
    if main.type != "SYSCALL":
        return ""
    name = call_name(main.value("arch"), main.value("syscall"))
    return main.value("SYSCALL") or name if name.startswith("call:") else name


def _words(records: list[Record], whole: Record, arguments: list[str], classes: str) -> list[str]:
    """The words of the event's name."""
    main, call, name = records[0], _call(records[0]), _program(whole)
    objects = _objects(records, whole)
    words = [call or ("execve" if main.type == "EXECVE" else main.type)]
    if not call:
        words += _details(main)
    command = program(arguments[0]) if arguments else ""
    words.append(name or command)
    alias = program(main.value("comm"))
    if call in EXECUTE and not name.startswith(alias):
        words.append(f"as:{alias}")
    if main.type == "USER_CMD" and name:
        words.append(command)
    if arguments:
        words += [subcommand(arguments), f"{{{classes}}}"]
    if objects and (call not in EXECUTE or not arguments):
        words.append(f"{{{objects}}}")
    if call and _failed(main):
        words.append(error_name(main.value("exit")) or "failed")
    elif _failed(main):
        words.append("failed")
    for kind in sorted({record.type for record in records[1:]} - _USUAL):
        words += [kind, *(word for record in records if record.type == kind for word in _details(record))][:8]
    key = _key(whole)
    if key and call not in EXECUTE:
        words.append(f"key:{key}")
    return [word for word in words if word]


def _details(record: Record) -> list[str]:
    """What a record that is of no system call says."""
    denied = _DENIED.search(record.text[:400]) if "AVC" in record.type else None
    words = [*denied.groups()] if denied else []
    operation = record.value("op")
    if operation:
        words.append(_VARYING.sub("*", operation.removeprefix("PAM:"))[:40])
    for field, value in record.fields.items():
        if field in _DETAILS:
            words.append(f"{field}:{value if value.isdecimal() else _VARYING.sub('*', value)}"[:50])
    if record.type == "KERN_MODULE":
        words.append(record.value("name")[:40])
    account = record.value("acct", "id")
    words.append(_ACCOUNTS.get(account, ""))
    return words


def _objects(records: list[Record], whole: Record) -> str:
    """Folders and sockets of a system call, each once: `create:/etc/cron.d`, `inet:private:22`."""
    where = whole.value("cwd")
    named = [record for record in records if record.type in {"PATH", "CWD"} and record.value("name")]
    chosen = [record for record in named if record.value("nametype") != "PARENT"] or named
    found = set()
    for record in chosen:
        path, use = record.value("name"), record.value("nametype").lower()
        place = folder(path if path.startswith("/") or not where else f"{where}/{path}")
        found.add(f"{use if use in {'create', 'delete'} else 'path'}:{place}")
    if len(found) > MOST_FOLDERS:
        found = {"path:many"}
    sockets = (socket_of(record) for record in records if record.type == "SOCKADDR")
    return " ".join(sorted(found | {_place(socket) for socket in sockets}))


def _place(socket: Socket) -> str:
    """Coarse class of a socket's address and port."""
    words = [socket.family]
    if socket.path:
        words.append(folder(socket.path))
    if socket.address:
        words.append(_scope(socket.address))
    if socket.port is not None:
        words.append(str(socket.port) if socket.port < 1024 or socket.port in KNOWN_PORTS else "high")
    return ":".join(words)


def _scope(address: str) -> str:
    """Whether an address is of the host itself, of private networks, or of others."""
    if address.startswith("127.") or address == "::1":
        return "loopback"
    if address in {"0.0.0.0", "::"}:
        return "any"
    return "private" if _PRIVATE.match(address) else "public"
