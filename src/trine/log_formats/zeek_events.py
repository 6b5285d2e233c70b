"""Events of the logs of Zeek, as tables and as JSON: which fields name the event of which log."""

import re
from collections.abc import Callable, Mapping

from trine.log_formats.json_fields import Record, text_at
from trine.log_formats.log_event import LogEvent, known
from trine.log_formats.request_marks import request_marks
from trine.log_formats.times import Clock
from trine.log_formats.values import agent_class, marks, size_class

NAMES: Mapping[str, tuple[str, ...]] = {
    "conn": ("proto", "service", "conn_state"),
    "dns": ("proto", "qtype_name", "rcode_name"),
    "http": ("method", "status_code"),
    "ssh": ("auth_success", "direction"),
    "ssl": ("version", "established", "validation_status"),
    "files": ("source", "mime_type"),
    "notice": ("note",),
    "weird": ("name",),
    "kerberos": ("request_type", "success", "error_msg"),
    "ntlm": ("success",),
    "smb_files": ("action",),
    "smb_mapping": ("share_type",),
    "dce_rpc": ("endpoint", "operation"),
    "ftp": ("command", "reply_code"),
    "smtp": ("last_reply",),
    "rdp": ("result", "security_protocol"),
    "dhcp": ("msg_types",),
    "sip": ("method", "status_code"),
    "snmp": ("version",),
    "mysql": ("cmd", "success"),
    "intel": ("seen.indicator_type", "seen.where"),
    "x509": ("certificate.key_type", "certificate.key_length"),
    "software": ("software_type", "name"),
    "tunnel": ("tunnel_type", "action"),
    "pe": ("machine", "os"),
}
"""The fields that name the event, by log."""

_KINDS = frozenset(
    ("proto", "service", "action", "status", "version", "method", "operation", "command", "result", "success")
) | {"name", "type", "state", "severity", "facility", "direction", "mime_type", "analyzer_kind", "note"}
"""Fields of few values, which name the event of a log that `NAMES` does not hold."""

_MARKS_OF_LOGS = (
    ("conn", "conn_state"),
    ("dns", "qtype_name"),
    ("dns", "rcode_name"),
    ("http", "status_code"),
    ("http", "uri"),
    ("ssh", "auth_attempts"),
    ("ssh", "auth_success"),
    ("ssl", "cipher"),
    ("ssl", "server_name"),
    ("files", "fuid"),
    ("notice", "note"),
    ("x509", "certificate.key_type"),
    ("dns", "query"),
)
"""Which log has a field, for records that do not say it."""

_ADDRESS = re.compile(r"[\d.:]*+$|\[?[\da-fA-F:]++\]?(?::\d++)?$")


def zeek_record(record: Record, clock: Clock) -> LogEvent | None:
    """The event of a record in JSON. The log is its `_path`, or the one that has such fields."""
    path = text_at(record, "_path") or next((log for log, name in _MARKS_OF_LOGS if text_at(record, name)), "zeek")
    return zeek_event(path, lambda name: text_at(record, name), clock, tuple(record))


def zeek_event(path: str, value: Callable[[str], str], clock: Clock, names: tuple[str, ...]) -> LogEvent:
    """The event of a log `path`. `value` gives the text of a field, "" if it is not set."""
    fields = NAMES.get(path) or tuple(name for name in names if name in _KINDS)
    unusual = request_marks(agent=value("user_agent"), referer=value("referrer")) if path == "http" else ()
    return LogEvent(
        (path, *(f" {value(name) or '-'}" for name in fields), *unusual),
        time=clock.seconds(value("ts")) if value("ts") else None,
        entities=known(
            address=value("id.orig_h") or value("src") or value("tx_hosts").partition(",")[0],
            session=value("uid") or value("conn_uids").partition(",")[0],
            user=value("user") or value("username") or value("client"),
            host=value("id.resp_h"),
        ),
        attributes=known(
            requested=("address" if _ADDRESS.match(value("host")) else "name") if value("host") else "",
            target=marks(value("uri") or value("query")),
            agent=agent_class(value("user_agent")) if value("user_agent") else "",
            sent=_size(value("orig_bytes") or value("request_body_len")),
            received=_size(value("resp_bytes") or value("response_body_len")),
        ),
    )


def _size(text: str) -> str:
    return size_class(float(text)) if text.isdecimal() and len(text) < 20 else ""
