"""What the names of fields and columns mean, for records of which nothing else is known.

Names count without their style: `event_time`, `eventTime` and `Event-Time` are the same.
"""

import re
from collections.abc import Mapping

from trine.log_formats.json_fields import Record, plain_name, text_at
from trine.log_formats.json_presets import Part, Preset


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TIMES = _names(
    "@timestamp timestamp eventtime time ts t @t datetime dateandtime asctime timecreated creationtime createdat "
    "created eventtimestamp receivedtimestamp receivetimestamp timegenerated published logtime timelocal timeiso8601 "
    "startutc starttime utctime unixtime timestampinms msec date instant when"
)
_EVENTS = _names(
    "event eventname eventtype eventaction action actionname operation operationname activity activityname syscall "
    "rule rulename"
)
_IDS = _names("eventid messageid msgid")
"""Name an event if they are words, such as `cowrie.login.failed`, and not numbers of records."""
_WEAK_EVENTS = _names("type kind category subject name status result code")
_TEMPLATES = _names("@mt messagetemplate")
_TEXTS = _names(
    "message msg shortmessage log text textpayload body @m renderedmessage formatted line fullmessage rawmessage "
    "description content details summary error err exception reason output"
)
_ATTRIBUTES = {
    "level": _names("level levelname severity severitytext loglevel lvl @l priority"),
    "logger": _names("logger loggername sourcecontext channel module component"),
    "status": _names("status statuscode result outcome success"),
}
_ENTITIES: Mapping[str, tuple[str, ...]] = {
    "user": _names(
        "user username userid useremail email actor login account accountname principal userprincipalname upn "
        "authuser remoteuser sourceuser srcuser uid csusername owner"
    ),
    "host": _names(
        "host hostname hostidentifier node nodename computer computername machine machinename devicename server "
        "instance pod podname agent"
    ),
    "process": _names(
        "pid processid process processname program programname procname app appname application service servicename "
        "container containername containerid"
    ),
    "address": _names(
        "srcip sourceip sourceipaddress sourceaddress srcaddr src clientip clientaddr clientaddress clienthost "
        "remoteip remoteaddr remoteaddress remotehost xforwardedfor ip ipaddress ipaddr address addrremote peer client "
        "cip actorip"
    ),
    "session": _names(
        "sessionid session sid requestid reqid traceid correlationid transactionid connectionid connid conversationid"
    ),
}
_INNER = frozenset(_names("name id username login email ip address hostname pid uid"))
_METHODS = _names("requestmethod method httpmethod httprequestmethod csmethod verb")
_TARGETS = _names(
    "requesturi uri requestpath path url urloriginal urlpath httptarget httpurl requesturl originalurl csuristem "
    "httppath target"
)
_STATUSES = _names(
    "status statuscode downstreamstatus originstatus responsestatus responsestatuscode httpstatus httpstatuscode "
    "httpresponsestatuscode responsecode scstatus code"
)
_AGENTS = _names("useragent httpuseragent requestuseragent csuseragent useragentoriginal agentstring")
_REFERERS = _names("referer referrer httpreferer httpreferrer requestreferer csreferer httprequestreferrer")
_REQUESTS = _names("request requestline httprequest")


def guessed(record: Record, *, has_event: bool = False) -> Preset | None:
    """How records with such fields are read, by the names of the fields; None if none names an event.

    `has_event` says that the settings name it.

    Records with a time and a level are of a log, also those that lack a message.
    """
    own, names = _named(record)
    web = _web(names, record)
    texts = _first(own, _TEXTS) or _object(record) or _first(names, _TEXTS)
    event = _first(names, _TEMPLATES) or _word(names, record) or _first(own, _EVENTS) or _first(names, _EVENTS)
    if not (event or texts or web):
        event = _first(own, _WEAK_EVENTS)
    time = _paths(names, _TIMES)
    if not (has_event or event or texts or web or (time and _has_level(own, record))):
        return None
    day = _first(names, ("date",))
    return Preset(
        event=(Part(event),) if event else (),
        may_be_text=plain_name(event) not in _TEMPLATES if event else False,
        text=texts,
        web=web,
        time="|".join(path for path in time.split("|") if path != day) or time,
        day=day if day != time else "",
        entities={kind: paths for kind, keys in _ENTITIES.items() if (paths := _entity(names, record, keys))},
        attributes={
            name: path for name, keys in _ATTRIBUTES.items() if (path := _first(names, keys)) and path != event
        },
        arguments={"referer": referer} if (referer := _first(names, _REFERERS)) else {},
        agent=_first(names, _AGENTS),
    )


def _named(record: Record) -> tuple[dict[str, str], dict[str, str]]:
    """The paths of fields by their plain names: of the record's own fields, and also of those one level below."""
    own: dict[str, str] = {}
    below: dict[str, str] = {}
    for key, value in record.items():
        if not isinstance(value, dict):
            own.setdefault(plain_name(key), key)
            continue
        for inner in list(value)[:100]:
            below.setdefault(plain_name(f"{key}{inner}"), f"{key}.{inner}")
            below.setdefault(plain_name(inner), f"{key}.{inner}")
    return own, {**below, **own}


def _object(record: Record) -> str:
    """The message, where it is an object in place of a text; "" if it is none."""
    return next((key for key in ("message", "msg", "Message") if isinstance(record.get(key), dict)), "")


def _has_level(own: Mapping[str, str], record: Record) -> bool:
    """Whether a record names its level: a word or a small number, and no measured value."""
    level = _first(own, _ATTRIBUTES["level"])
    return bool(level and re.fullmatch(r"[A-Za-z]{1,20}|\d{1,2}", text_at(record, level)))


def _first(names: Mapping[str, str], wanted: tuple[str, ...]) -> str:
    return next((names[name] for name in wanted if name in names), "")


def _word(names: Mapping[str, str], record: Record) -> str:
    """The id of an event, if it is a word."""
    path = _first(names, _IDS)
    text = text_at(record, path) if path else ""
    return path if re.fullmatch(r"[A-Za-z][A-Za-z._\-]{2,60}", text) else ""


def _paths(names: Mapping[str, str], wanted: tuple[str, ...]) -> str:
    return "|".join(dict.fromkeys(names[name] for name in wanted if name in names))


def _entity(names: Mapping[str, str], record: Record, wanted: tuple[str, ...]) -> str:
    """Where an entity is named: a field of such a name, or a name in an object of such a name."""
    own = [names[name] for name in wanted if name in names]
    inner = [
        f"{key}.{name}"
        for key, value in record.items()
        if isinstance(value, dict) and plain_name(key) in wanted
        for name in value
        if plain_name(name) in _INNER
    ]
    top = [path for path in own if path in record]
    return "|".join(dict.fromkeys((*top, *inner, *own)))


def _web(names: Mapping[str, str], record: Record) -> tuple[str, str, str] | None:
    """Method, target and status of a web request; method and target are "" and the request line if that is all."""
    status = _first(names, _STATUSES)
    if not status:
        return None
    method, target = _first(names, _METHODS), _first(names, _TARGETS)
    line = _first(names, _REQUESTS)
    if method and target:
        return method, target, status
    return ("", line, status) if line and not isinstance(record.get(line), dict) else None
