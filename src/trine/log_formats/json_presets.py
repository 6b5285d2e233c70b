"""Presets: which fields of the records of well-known systems are the event, the time, the entities and attributes.

A preset says it in dotted paths (`json_fields.py`); `|` divides paths of which the first that is not empty counts. The
fields are those of the systems' own documentation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trine.log_formats.json_fields import Record, first_text, parts_of, text_at, value_at
from trine.log_formats.log_event import Entity, LogEvent
from trine.log_formats.times import Clock
from trine.log_formats.windows_events import windows_record
from trine.log_formats.zeek_events import zeek_record


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an event."""

    path: str
    before: str = ""
    """What stands before it in the event."""
    optional: bool = False
    """Whether it is left out where it is missing; else it is written as `-`."""
    change: Callable[[str], str] | None = None
    """What makes the part of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How the records of one system are read. All paths are dotted, with alternatives divided by `|`."""

    about: str = ""
    """What the records are, as the documentation says it."""
    fits: tuple[frozenset[str], ...] = ()
    """Paths that a record has; one set of several is enough."""
    event: tuple[Part, ...] | Callable[[Record], tuple[str, ...] | None] = ()
    """The parts of the event, of which the first must be there."""
    web: tuple[str, str, str] | None = None
    """Method, target and status of a web request, if the event is one."""
    text: str = ""
    """Free text whose template is the event of records that have no other."""
    program: str = ""
    """What wrote the text; part of its template, as in syslog."""
    may_be_text: bool = False
    """Whether the event can be free text; it is mined if its values look so."""
    time: str = ""
    day: str = ""
    """The day, for records whose time is a time of day."""
    default_entity: Entity | None = None
    entities: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Values that are few."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Attributes of which only counts what is unusual about the text."""
    agent: str = ""
    """The user agent, an attribute by its class."""
    stage: tuple[str, frozenset[str]] | None = None
    """Where a record names its stage, and the stages that end a request: the others are no events of their own."""
    read: Callable[[Record, Clock], LogEvent | None] | None = None
    """Reads a record instead of the paths."""


def _fits(*alternatives: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(paths.split()) for paths in alternatives)


def _first_label(value: str) -> str:
    """`iam` of `iam.amazonaws.com`."""
    return value.partition(".")[0]


def _suricata(record: Record) -> tuple[str, ...] | None:
    kind = text_at(record, "event_type")
    if not kind:
        return None
    if kind in ("alert", "drop"):
        return (kind, *_present(record, "alert.signature|alert.signature_id", "alert.action"))
    fields = _SURICATA.get(kind, ("proto", "app_proto"))
    return (kind, *_present(record, *fields))


def _present(record: Record, *paths: str) -> tuple[str, ...]:
    texts = (first_text(record, map(parts_of, path.split("|"))) for path in paths)
    return tuple(f" {text}" for text in texts if text)


_SURICATA = {
    "http": ("http.http_method", "http.status"),
    "dns": ("dns.type", "dns.rrtype|dns.queries.rrtype|dns.query.rrtype", "dns.rcode"),
    "tls": ("tls.version",),
    "ssh": ("ssh.client.software_version",),
    "flow": ("proto", "app_proto", "flow.state"),
    "anomaly": ("anomaly.type", "anomaly.event"),
    "smb": ("smb.command", "smb.status"),
    "ftp": ("ftp.command", "ftp.completion_code"),
    "fileinfo": ("app_proto", "fileinfo.state"),
    "stats": (),
}


def _entra(record: Record) -> tuple[str, ...] | None:
    if value_at(record, "status.errorCode") is None:
        return None
    return ("SignIn", *_present(record, "appDisplayName", "status.errorCode"))


PRESETS: dict[str, Preset] = {
    "windows": Preset(
        about="Events of Windows in JSON.",
        fits=_fits(
            "Event.System",
            "data.Event.System",
            "winlog",
            "EventID Channel",
            "EventID SourceName",
            "EventID Computer",
            "EventID Hostname",
            "EventID EventData",
            "Id ProviderName",
            "Id LogName",
            "System.EventID",
            "event_id event_data",
        ),
        default_entity="host",
        read=windows_record,
    ),
    "cloudtrail": Preset(
        about="AWS CloudTrail: `eventName`, its service, the error; the user is the ARN.",
        fits=_fits("eventName eventSource"),
        event=(
            Part("eventSource", change=_first_label),
            Part("eventName", ":"),
            Part("errorCode|responseElements.ConsoleLogin|errorMessage", " ", optional=True),
        ),
        time="eventTime",
        default_entity="user",
        entities={
            "user": "userIdentity.arn|userIdentity.userName|userIdentity.principalId|userIdentity.invokedBy",
            "address": "sourceIPAddress",
            "session": "userIdentity.accessKeyId",
        },
        attributes={
            "region": "awsRegion",
            "read_only": "readOnly",
            "identity": "userIdentity.type",
            "mfa": "additionalEventData.MFAUsed|userIdentity.sessionContext.attributes.mfaAuthenticated",
        },
        arguments={"arguments": "requestParameters"},
        agent="userAgent",
    ),
    "kubernetes": Preset(
        about="Audit log of Kubernetes: verb, resource and response code, one event per request.",
        fits=_fits("verb stage", "verb auditID"),
        event=(
            Part("verb"),
            Part("objectRef.resource", " ", optional=True),
            Part("objectRef.subresource", "/", optional=True),
            Part("responseStatus.code", " ", optional=True),
        ),
        time="requestReceivedTimestamp|stageTimestamp",
        default_entity="user",
        entities={"user": "user.username", "address": "sourceIPs.0"},
        attributes={
            "namespace": "objectRef.namespace",
            "decision": "annotations.authorization.k8s.io/decision",
            "group": "objectRef.apiGroup",
        },
        arguments={"target": "requestURI"},
        agent="userAgent",
        stage=("stage", frozenset(("ResponseComplete", "Panic"))),
    ),
    "journald": Preset(
        about="`journalctl -o json`, also with messages as byte arrays.",
        fits=_fits("MESSAGE __REALTIME_TIMESTAMP", "MESSAGE _HOSTNAME", "MESSAGE _PID", "MESSAGE SYSLOG_IDENTIFIER"),
        text="MESSAGE",
        program="SYSLOG_IDENTIFIER|_COMM|_TRANSPORT",
        time="__REALTIME_TIMESTAMP|_SOURCE_REALTIME_TIMESTAMP",
        default_entity="process",
        entities={"host": "_HOSTNAME", "session": "_SYSTEMD_SESSION|_AUDIT_SESSION", "user": "_UID"},
        attributes={"priority": "PRIORITY", "unit": "_SYSTEMD_UNIT"},
    ),
    "falco": Preset(
        about="Alerts of Falco: the rule and what its fields name.",
        fits=_fits("rule priority output_fields", "rule priority output"),
        event=(Part("rule"),),
        time="time|output_fields.evt.time",
        default_entity="host",
        entities={
            "host": "hostname|output_fields.container.id",
            "user": "output_fields.user.name|output_fields.ka.user.name",
            "process": "output_fields.proc.pid|output_fields.proc.name",
            "address": "output_fields.fd.cip|output_fields.fd.sip|output_fields.ka.sourceips",
            "session": "output_fields.container.id",
        },
        attributes={"priority": "priority", "source": "source", "program": "output_fields.proc.name"},
        arguments={"arguments": "output_fields.proc.cmdline"},
    ),
    "suricata": Preset(
        about="EVE log of Suricata: alerts, and the kinds of traffic.",
        fits=_fits("event_type src_ip", "event_type flow_id", "event_type stats"),
        event=_suricata,
        time="timestamp",
        default_entity="address",
        entities={"address": "src_ip", "session": "flow_id", "host": "host"},
        attributes={"protocol": "proto", "application": "app_proto", "severity": "alert.severity"},
        arguments={"target": "http.url|dns.rrname|tls.sni"},
        agent="http.http_user_agent",
    ),
    "osquery": Preset(
        about="Results of osquery: the query and the action.",
        fits=_fits("name hostIdentifier columns", "name hostIdentifier snapshot", "name hostIdentifier action"),
        event=(Part("name"), Part("action", " ", optional=True)),
        time="unixTime|calendarTime",
        default_entity="host",
        entities={
            "host": "hostIdentifier",
            "user": "columns.username|columns.user|columns.uid",
            "process": "columns.pid",
            "address": "columns.remote_address|columns.host",
        },
        arguments={"arguments": "columns.cmdline|columns.command", "path": "columns.path|columns.target_path"},
    ),
    "okta": Preset(
        about="System log of Okta: event type and outcome.",
        fits=_fits("eventType outcome", "eventType published", "eventType actor"),
        event=(Part("eventType"), Part("outcome.result", " ", optional=True)),
        time="published",
        default_entity="user",
        entities={
            "user": "actor.alternateId|actor.id",
            "address": "client.ipAddress|request.ipChain.ip",
            "session": "authenticationContext.externalSessionId",
        },
        attributes={
            "reason": "outcome.reason",
            "country": "client.geographicalContext.country",
            "severity": "severity",
            "proxy": "securityContext.isProxy",
        },
        agent="client.userAgent.rawUserAgent",
    ),
    "gcp-audit": Preset(
        about="Audit log of Google Cloud: the method and its status.",
        fits=_fits("protoPayload"),
        event=(
            Part("protoPayload.methodName"),
            Part("protoPayload.status.code", " ", optional=True),
        ),
        time="timestamp|receiveTimestamp",
        default_entity="user",
        entities={
            "user": "protoPayload.authenticationInfo.principalEmail|protoPayload.authenticationInfo.principalSubject",
            "address": "protoPayload.requestMetadata.callerIp",
        },
        attributes={
            "service": "protoPayload.serviceName",
            "severity": "severity",
            "granted": "protoPayload.authorizationInfo.granted",
            "resource": "resource.type",
        },
        arguments={"target": "protoPayload.resourceName"},
        agent="protoPayload.requestMetadata.callerSuppliedUserAgent",
    ),
    "entra": Preset(
        about="Sign-in and audit logs of Microsoft Entra ID.",
        fits=_fits("userPrincipalName createdDateTime", "userPrincipalName appDisplayName"),
        event=_entra,
        time="createdDateTime",
        default_entity="user",
        entities={"user": "userPrincipalName|userId", "address": "ipAddress", "session": "correlationId"},
        attributes={
            "client": "clientAppUsed",
            "country": "location.countryOrRegion",
            "access": "conditionalAccessStatus",
            "risk": "riskState",
        },
        agent="userAgent",
    ),
    "azure": Preset(
        about="Activity log of Azure: the operation and its result.",
        fits=_fits(
            "operationName category",
            "operationName resourceId",
            "operationName eventTimestamp",
            "operationName caller",
        ),
        event=(
            Part("operationName.value|operationName"),
            Part("resultType|status.value|status|properties.statusCode|resultSignature", " ", optional=True),
        ),
        time="time|eventTimestamp|createdDateTime",
        default_entity="user",
        entities={
            "user": "caller|properties.userPrincipalName|properties.initiatedBy.user.userPrincipalName|"
            "identity.claims.http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn|identity.claims.name|"
            "properties.userName|identity",
            "address": "callerIpAddress|properties.ipAddress|httpRequest.clientIpAddress|properties.clientIpAddress",
            "session": "correlationId",
        },
        attributes={"category": "category.value|category", "level": "level", "client": "properties.clientAppUsed"},
        agent="properties.userAgent",
    ),
    "github": Preset(
        about="Audit log of GitHub: the action.",
        fits=_fits("action actor @timestamp", "action actor created_at", "action actor actor_ip"),
        event=(Part("action"),),
        time="@timestamp|created_at",
        default_entity="user",
        entities={"user": "actor|user", "address": "actor_ip"},
        attributes={
            "country": "actor_location.country_code",
            "access": "programmatic_access_type",
            "transport": "transport_protocol_name",
        },
        agent="user_agent",
    ),
    "office365": Preset(
        about="Unified audit log of Microsoft 365: workload and operation.",
        fits=_fits("Operation UserId", "Operation Workload", "Operation RecordType"),
        event=(Part("Workload", optional=True), Part("Operation", " "), Part("ResultStatus", " ", optional=True)),
        time="CreationTime|CreationDate",
        default_entity="user",
        entities={
            "user": "UserId|UserKey",
            "address": "ClientIP|ClientIPAddress|ActorIpAddress",
            "session": "SessionId|AppAccessContext.AADSessionId|DeviceProperties.SessionId",
        },
        attributes={"kind": "UserType", "client": "ClientAppId", "managed": "IsManagedDevice"},
        agent="UserAgent|ExtendedProperties.UserAgent|ClientInfoString",
    ),
    "wazuh": Preset(
        about="Alerts of Wazuh: the rule and its groups.",
        fits=_fits("rule.id agent", "rule.id manager", "rule.id location"),
        event=(Part("rule.id"), Part("rule.groups", " ", optional=True)),
        time="timestamp|@timestamp",
        default_entity="host",
        entities={
            "host": "agent.name|predecoder.hostname|manager.name",
            "user": "data.dstuser|data.srcuser|data.win.eventdata.targetUserName|syscheck.uname_after",
            "address": "data.srcip|data.win.eventdata.ipAddress",
        },
        attributes={"level": "rule.level", "decoder": "decoder.name", "change": "syscheck.event"},
        arguments={"target": "data.url|syscheck.path"},
    ),
    "zeek-json": Preset(
        about="Logs of Zeek in JSON.",
        fits=_fits("ts uid id.orig_h", "ts uid id", "ts _path", "ts fuid"),
        default_entity="address",
        read=zeek_record,
    ),
    "teleport": Preset(
        about="Audit events of Teleport.",
        fits=_fits("event code uid", "event code cluster_name"),
        event=(Part("event"), Part("code", " ")),
        time="time",
        default_entity="user",
        entities={"user": "user", "address": "addr.remote", "session": "sid", "host": "server_hostname|server_id"},
        attributes={"success": "success", "login": "login", "method": "method"},
        agent="user_agent",
    ),
    "ecs": Preset(
        about="Events in the Elastic Common Schema.",
        fits=_fits(
            "@timestamp event.action", "@timestamp event.code", "@timestamp event.category", "@timestamp ecs.version"
        ),
        event=(Part("event.action|event.code|event.category"), Part("event.outcome", " ", optional=True)),
        text="message|error.message",
        time="@timestamp|event.created",
        default_entity="host",
        entities={
            "host": "host.name|host.hostname|agent.hostname|agent.name",
            "user": "user.name|user.email|user.id",
            "address": "source.ip|client.ip",
            "process": "process.pid|process.name",
            "session": "session.id|trace.id|process.entity_id",
        },
        attributes={
            "category": "event.category",
            "dataset": "event.dataset",
            "program": "process.name",
            "level": "log.level",
        },
        arguments={"arguments": "process.command_line", "target": "url.original"},
        agent="user_agent.original",
    ),
    "opentelemetry": Preset(
        about="Logs of OpenTelemetry in JSON, nested or one record per line; the body is free text.",
        fits=_fits("resource scope", "body timeUnixNano", "body severityNumber"),
        event=(Part("eventName|attributes.event.name"),),
        text="body|body.kvlistValue.values.message|body.kvlistValue.values.msg|body.message|body.msg",
        time="timeUnixNano|observedTimeUnixNano",
        default_entity="process",
        entities={
            "process": "resource.attributes.service.name|resource.attributes.process.executable.name",
            "host": "resource.attributes.host.name|resource.attributes.host.id|resource.attributes.k8s.pod.name",
            "user": "attributes.enduser.id|attributes.user.id|attributes.user.name",
            "address": "attributes.client.address|attributes.source.address|attributes.net.peer.ip|attributes.src.ip|"
            "attributes.http.client_ip",
            "session": "traceId|attributes.session.id",
        },
        attributes={"severity": "severityText|severityNumber", "scope": "scope.name"},
    ),
}
"""All presets by name, the most specific first. Each is a format of this name (`json_formats.py`)."""
