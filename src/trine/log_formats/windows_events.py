"""Events of Windows, from whatever they were exported as: the same names, entities and attributes."""

import re
from collections.abc import Mapping

from trine.log_formats.json_fields import Record, text_of
from trine.log_formats.log_event import LogEvent, known
from trine.log_formats.times import Clock
from trine.log_formats.values import marks

_SAME = {
    "id": "EventID",
    "eventid": "EventID",
    "eventcode": "EventID",
    "eventidentifier": "EventID",
    "channel": "Channel",
    "logname": "Channel",
    "providername": "Provider",
    "provider": "Provider",
    "sourcename": "Provider",
    "source": "Provider",
    "computer": "Computer",
    "computername": "Computer",
    "machinename": "Computer",
    "hostname": "Computer",
    "message": "Message",
    "description": "Message",
    "level": "Level",
    "leveldisplayname": "Level",
    "taskcategory": "Task",
    "taskdisplayname": "Task",
    "dateandtime": "TimeCreated",
    "timecreated": "TimeCreated",
}
"""Names of other exports, in small letters without blanks, and the name in the XML of the event log."""
_TIMES = (
    "TimeCreated",
    "SystemTime",
    "@timestamp",
    "EventTime",
    "UtcTime",
    "TimeGenerated",
    "timestamp",
)
_SECTIONS = ("System", "EventData", "UserData", "Event", "winlog", "event_data", "data", "win", "system", "eventdata")
_ATTRIBUTES = ("#attributes", "@attributes", "attributes")
_WORDS = re.compile(r"[^A-Za-z0-9]++")
_SHORT = re.compile(r"^Microsoft-Windows-|/Operational$|-Auditing$")
_LABELS = {
    "LogonType": re.compile(r"Logon Type:\s*+(\d{1,3})"),
    "IpAddress": re.compile(r"Source Network Address:\s*+([\w.:%]++)"),
    "NewProcessName": re.compile(r"New Process Name:\s*+([^\r\n\t]++)"),
    "CommandLine": re.compile(r"(?:Process Command Line|CommandLine):\s*+([^\r\n]++)"),
    "Image": re.compile(r"\bImage:\s*+([^\r\n]++)"),
    "User": re.compile(r"\bUser:\s*+([^\r\n\t]++)"),
    "ServiceName": re.compile(r"Service Name:\s*+([^\r\n\t]++)"),
    "Status": re.compile(r"\bStatus:\s*+(0x[0-9A-Fa-f]++)"),
}
"""Fields that the text of a message names."""
_ACCOUNT = re.compile(r"Account Name:\s*+([^\s]++)")
_LOGON_ID = re.compile(r"Logon ID:\s*+(0x[0-9A-Fa-f]++)")
_DATE = re.compile(r"/Date\((-?\d{1,16})")
_NONE = frozenset(("", "-", "N/A", "%%1793"))
_PROCESS_EVENTS = frozenset(("4688", "4689", "1", "5"))
_OUTCOMES = {
    "4624": ("LogonType",),
    "4634": ("LogonType",),
    "4625": ("LogonType", "SubStatus|Status"),
    "4768": ("Status",),
    "4769": ("Status", "TicketEncryptionType"),
    "4771": ("Status",),
    "4776": ("Status",),
    "4648": (),
}
"""Fields that are part of the event, by its number."""
_MOST_FIELDS = 300


def windows_record(record: Record, clock: Clock) -> LogEvent | None:
    """The event of a record in JSON; None if it has no number of an event."""
    return windows_event(flat(record), clock)


def flat(record: Record) -> dict[str, str]:
    """The fields of an event by their names in the XML of the event log, whatever their place and style."""
    fields: dict[str, str] = {}
    _flatten(record, fields, 0)
    return fields


def _flatten(record: Record, fields: dict[str, str], depth: int) -> None:
    for key, value in list(record.items())[:_MOST_FIELDS]:
        if isinstance(value, dict):
            attributes = next((value[name] for name in _ATTRIBUTES if isinstance(value.get(name), dict)), None)
            if key in _SECTIONS or (depth == 0 and key == "host" and "winlog" not in record):
                if depth < 4:
                    _flatten(value if key != "host" else {"hostname": value.get("name")}, fields, depth + 1)
            elif attributes is not None:
                name = "Provider" if key == "Provider" else key
                for inner, text in attributes.items():
                    fields.setdefault(name if inner in ("Name", "SystemTime") else inner, text_of(text))
                fields.setdefault(_same(key), text_of(value.get("#text") or value.get("Value")))
            elif "value" in value or "DateTime" in value or "Name" in value:
                found = value.get("value") or value.get("DateTime") or value.get("Name")
                fields.setdefault(_same(key), text_of(found))
            elif depth < 4 and "Data" not in value:
                _flatten(value, fields, depth + 1)
            else:
                _data(value.get("Data"), fields)
        elif key == "Data" and isinstance(value, list):
            _data(value, fields)
        else:
            name = _same(key)
            if fields.get(name, "") in _NONE:
                fields[name] = text_of(value)


def _data(value: object, fields: dict[str, str]) -> None:
    """The fields of a list of `Data` elements, each with its name."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            inner = next((item[name] for name in _ATTRIBUTES if isinstance(item.get(name), dict)), item)
            name = text_of(inner.get("Name") or inner.get("@Name"))
            text = item.get("#text") or item.get("Value") or item.get("text")
            if name:
                fields.setdefault(name, text_of(text))


def _same(name: str) -> str:
    return _SAME.get(_WORDS.sub("", name[:80]).lower(), name[:1].upper() + name[1:] if name[:1].islower() else name)


def windows_event(fields: Mapping[str, str], clock: Clock) -> LogEvent | None:
    """The event of the fields of one record; None if they have no number of an event."""
    number = fields.get("EventID", "").strip()
    if not number.isdecimal() or len(number) > 10:
        return None
    fields = {
        **_from_message(fields.get("Message", "")),
        **{name: value for name, value in fields.items() if value not in _NONE},
    }
    image = fields.get("NewProcessName") or fields.get("Image") or fields.get("ProcessName") or ""
    return LogEvent(
        _parts(fields, number, image),
        time=_time(fields, clock),
        entities=known(
            host=fields.get("Computer"),
            user=_user(fields, number),
            address=_address(fields),
            process=fields.get("NewProcessId") or fields.get("ProcessId"),
            session=fields.get("TargetLogonId") if number in ("4624", "4634", "4647") else _logon(fields),
        ),
        attributes=known(
            level=fields.get("Level"),
            program=base_name(image) if image else None,
            parent=base_name(fields.get("ParentImage") or fields.get("ParentProcessName") or ""),
        ),
    )


def _parts(fields: Mapping[str, str], number: str, image: str) -> tuple[str, ...]:
    """The log and the number; of some events their outcome, their program, and what is unusual about its arguments."""
    where = fields.get("Channel") or fields.get("Provider") or ""
    parts = [_SHORT.sub("", _SHORT.sub("", where)) or "Windows", f" {number}"]
    outcomes = _OUTCOMES.get(number, ()) if "Sysmon" not in where else ()
    texts = (next((fields[name] for name in paths.split("|") if name in fields), "-") for paths in outcomes)
    parts.extend(f" {text.lower()}" for text in texts)
    if image and number in _PROCESS_EVENTS:
        parts.append(f" {base_name(image)}")
    command = fields.get("CommandLine") or fields.get("ProcessCommandLine") or fields.get("ScriptBlockText") or ""
    if command and (unusual := marks(command)):
        parts.append(f" {unusual}")
    return tuple(parts)


def base_name(path: str) -> str:
    """The name of a program in small letters, without its folder: `cmd.exe`."""
    return re.split(r"[\\/]", path.strip().strip('"')[-300:])[-1].lower()


def _user(fields: Mapping[str, str], number: str) -> str | None:
    subject = fields.get("SubjectUserName")
    if number in ("4688", "4672", "4698", "4720", "4732", "4728", "1102", "4697") and subject:
        return subject
    names = ("TargetUserName", "SubjectUserName", "User", "UserName", "AccountName", "UserID", "UserId")
    return next((fields[name] for name in names if name in fields), None)


def _address(fields: Mapping[str, str]) -> str | None:
    names = ("IpAddress", "SourceIp", "ClientAddress", "SourceAddress", "SourceNetworkAddress")
    found = next((fields[name] for name in names if name in fields), None)
    return found.removeprefix("::ffff:") if found else None


def _logon(fields: Mapping[str, str]) -> str | None:
    return next((fields[name] for name in ("SubjectLogonId", "LogonId", "TargetLogonId") if name in fields), None)


def _time(fields: Mapping[str, str], clock: Clock) -> float | None:
    text = next((fields[name] for name in _TIMES if fields.get(name)), "")
    milliseconds = _DATE.search(text)
    if milliseconds:
        return int(milliseconds[1]) / 1000
    return clock.seconds(text) if text else None


def _from_message(message: str) -> dict[str, str]:
    """The fields that the text of a message names: the first account is the subject, the last one the target."""
    if ":" not in message:
        return {}
    found = {name: match[1].strip() for name, label in _LABELS.items() if (match := label.search(message))}
    for label, subject, target in (
        (_ACCOUNT, "SubjectUserName", "TargetUserName"),
        (_LOGON_ID, "SubjectLogonId", "TargetLogonId"),
    ):
        values = label.findall(message[:20_000])
        if values:
            found[subject] = values[0]
        if len(values) > 1:
            found[target] = values[-1]
    return {name: value for name, value in found.items() if value not in _NONE}
