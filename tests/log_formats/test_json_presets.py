import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.json_formats import PRESET_FORMATS, Json
from trine.log_formats.json_presets import PRESETS
from trine.log_formats.log_event import HEADER, FormatSettings, Header, Line, LogEvent


class Truth(NamedTuple):
    preset: str
    record: str
    event: str
    """The parts of the event, joined."""
    time: float
    entities: dict[str, str]


TRUTHS = [
    Truth("cloudtrail", '{"eventVersion":"1.08","userIdentity":{"type":"IAMUser",'
          '"arn":"arn:aws:iam::123456789012:user/Al",'
          '"userName":"Al","accessKeyId":"AKIA1"},"eventTime":"2024-05-01T10:00:00Z","eventSource":"iam.amazonaws.com",'
          '"eventName":"CreateAccessKey","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.88",'
          '"userAgent":"aws-cli/2.15.0","requestParameters":{"userName":"x"},"readOnly":false}',
          "iam:CreateAccessKey", 1714557600.0,
          {"user": "arn:aws:iam::123456789012:user/Al", "address": "203.0.113.88", "session": "AKIA1"}),
    Truth("cloudtrail", '{"userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"},'
          '"eventName":"AssumeRole",'
          '"eventTime":"2024-05-01T10:00:00Z","eventSource":"sts.amazonaws.com","errorCode":"AccessDenied"}',
          "sts:AssumeRole AccessDenied", 1714557600.0, {"user": "ec2.amazonaws.com"}),
    Truth("cloudtrail", '{"userIdentity":{"userName":"bo"},"eventTime":"2024-05-01T10:00:00Z",'
          '"eventName":"ConsoleLogin",'
          '"eventSource":"signin.amazonaws.com","responseElements":{"ConsoleLogin":"Failure"}}',
          "signin:ConsoleLogin Failure", 1714557600.0, {"user": "bo"}),
    Truth("kubernetes", '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"12839f9a",'
          '"stage":"ResponseComplete","requestURI":"/api/v1/namespaces/default/pods/p/exec?command=sh","verb":"create",'
          '"user":{"username":"kim","groups":["system:masters"]},"sourceIPs":["192.168.49.1","10.0.0.1"],'
          '"userAgent":"kubectl/v1.33.4","objectRef":{"resource":"pods","namespace":"default","subresource":"exec"},'
          '"responseStatus":{"metadata":{},"code":101},"requestReceivedTimestamp":"2024-05-01T10:00:00.431791Z",'
          '"annotations":{"authorization.k8s.io/decision":"allow"}}',
          "create pods/exec 101", 1714557600.431791, {"user": "kim", "address": "192.168.49.1"}),
    Truth("journald", '{"__REALTIME_TIMESTAMP":"1714557600431791","_HOSTNAME":"web1","_PID":"111","_COMM":"sshd",'
          '"_UID":"0",'
          '"SYSLOG_IDENTIFIER":"sshd","PRIORITY":"6","MESSAGE":"Failed password for root from 10.0.0.9 port 22 ssh2"}',
          "sshd: Failed password for root from 10.0.0.9 port 22 ssh2", 1714557600.431791,
          {"host": "web1", "process": "sshd[111]", "user": "root", "address": "10.0.0.9"}),
    Truth("journald", '{"__REALTIME_TIMESTAMP":"1714557600000000","_HOSTNAME":"web1","_COMM":"x",'
          '"MESSAGE":[104,105,255]}',
          "x: hi\\xff", 1714557600.0, {"host": "web1", "process": "x"}),
    Truth("journald", '{"__REALTIME_TIMESTAMP":"1714557600000000","_HOSTNAME":"web1","_COMM":"x","MESSAGE":null}',
          "x: null", 1714557600.0, {"host": "web1", "process": "x"}),
    Truth("falco", '{"hostname":"n1","output":"10:00:00.0: Notice Inbound SSH Connection (user=root)","output_fields":'
          '{"evt.time":1714557600000000000,"fd.cip":"10.0.0.9","proc.cmdline":"sshd","proc.pid":1298,'
          '"user.name":"root"},'
          '"priority":"Notice","rule":"Inbound SSH Connection","source":"syscall","time":"2024-05-01T10:00:00.0Z"}',
          "Inbound SSH Connection", 1714557600.0,
          {"host": "n1", "user": "root", "process": "1298", "address": "10.0.0.9"}),
    Truth("suricata", '{"timestamp":"2024-05-01T10:00:00.198005+0000","flow_id":1154,"in_iface":"eth0",'
          '"event_type":"alert",'
          '"src_ip":"10.0.2.15","dest_ip":"31.3.245.133","proto":"TCP","alert":{"action":"allowed",'
          '"signature_id":2013028,'
          '"signature":"ET POLICY curl User-Agent Outbound","severity":2},"http":{"url":"/","http_method":"GET"}}',
          "alert ET POLICY curl User-Agent Outbound allowed", 1714557600.198005,
          {"address": "10.0.2.15", "session": "1154"}),
    Truth("suricata", '{"timestamp":"2024-05-01T10:00:00+0000","flow_id":2,"event_type":"http","src_ip":"10.0.2.15",'
          '"http":'
          '{"hostname":"a","url":"/x","http_method":"POST","status":404}}', "http POST 404", 1714557600.0,
          {"address": "10.0.2.15", "session": "2"}),
    Truth("suricata", '{"timestamp":"2024-05-01T10:00:00+0000","flow_id":2,"event_type":"dns","src_ip":"10.0.2.15",'
          '"dns":'
          '{"type":"answer","rrname":"a.b","rrtype":"TXT","rcode":"NXDOMAIN"}}', "dns answer TXT NXDOMAIN",
          1714557600.0,
          {"address": "10.0.2.15", "session": "2"}),
    Truth("osquery", '{"name":"pack_ir_process_events","hostIdentifier":"ubuntu",'
          '"calendarTime":"Wed May  1 10:00:00 2024 UTC",'
          '"unixTime":1714557600,"epoch":0,"counter":57,"columns":{"cmdline":"bash x","pid":"20478","uid":"1002"},'
          '"action":"added"}', "pack_ir_process_events added", 1714557600.0,
          {"host": "ubuntu", "process": "20478", "user": "1002"}),
    Truth("okta", '{"actor":{"id":"00u1","type":"User","alternateId":"ada@acme.test"},'
          '"client":{"userAgent":{"rawUserAgent":'
          '"Mozilla/5.0"},"ipAddress":"203.0.113.7"},"authenticationContext":{"externalSessionId":"idx1"},'
          '"eventType":"user.session.start","outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},'
          '"published":"2024-05-01T10:00:00.353Z"}', "user.session.start FAILURE", 1714557600.353,
          {"user": "ada@acme.test", "address": "203.0.113.7", "session": "idx1"}),
    Truth("gcp-audit", '{"insertId":"d","timestamp":"2024-05-01T10:00:00.5Z","severity":"ERROR",'
          '"protoPayload":{"status":'
          '{"code":7,"message":"PERMISSION_DENIED"},"authenticationInfo":{"principalEmail":"bob@example.com"},'
          '"requestMetadata":{"callerIp":"203.0.113.9"},"serviceName":"compute.googleapis.com",'
          '"methodName":"v1.compute.instances.delete"}}', "v1.compute.instances.delete 7", 1714557600.5,
          {"user": "bob@example.com", "address": "203.0.113.9"}),
    Truth("entra", '{"createdDateTime":"2024-05-01T10:00:00Z","userPrincipalName":"al@corp.example",'
          '"ipAddress":"203.0.113.8",'
          '"appDisplayName":"Portal","status":{"errorCode":50126}}', "SignIn Portal 50126", 1714557600.0,
          {"user": "al@corp.example", "address": "203.0.113.8"}),
    Truth("azure", '{"time":"2024-05-01T10:00:00Z","resourceId":"/SUBSCRIPTIONS/1","category":"Administrative",'
          '"operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/DELETE","resultType":"Success",'
          '"callerIpAddress":"203.0.113.8",'
          '"identity":{"claims":{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn":"al@corp.example"}}}',
          "MICROSOFT.COMPUTE/VIRTUALMACHINES/DELETE Success", 1714557600.0,
          {"user": "al@corp.example", "address": "203.0.113.8"}),
    Truth("azure", '{"caller":"al@corp.example","eventTimestamp":"2024-05-01T10:00:00.0Z",'
          '"operationName":{"value":"Start",'
          '"localizedValue":"Start VM"},"status":{"value":"Failed"},"level":"Error"}', "Start Failed", 1714557600.0,
          {"user": "al@corp.example"}),
    Truth("github", '{"@timestamp":1714557600828,"action":"git.fetch","actor":"bot[bot]","actor_ip":"44.192.28.48",'
          '"actor_location":{"country_code":"US"},"org":"forest","user_agent":"go-git/5.x"}', "git.fetch",
          1714557600.828,
          {"user": "bot[bot]", "address": "44.192.28.48"}),
    Truth("office365", '{"CreationTime":"2024-05-01T10:00:00","Operation":"Add member to role.","RecordType":15,'
          '"ResultStatus":"Success","UserId":"h@x.example","ClientIP":"51.252.179.194:443",'
          '"Workload":"AzureActiveDirectory"}',
          "AzureActiveDirectory Add member to role. Success", 1714557600.0,
          {"user": "h@x.example", "address": "51.252.179.194"}),
    Truth("wazuh", '{"timestamp":"2024-05-01T10:00:00.000+0000","rule":{"id":"5712","level":10,'
          '"description":"sshd: brute",'
          '"groups":["syslog","sshd"]},"agent":{"id":"001","name":"web-01"},"data":{"srcip":"203.0.113.55",'
          '"srcuser":"root"}}',
          "5712 syslog,sshd", 1714557600.0, {"host": "web-01", "user": "root", "address": "203.0.113.55"}),
    Truth("zeek-json", '{"ts":1714557600.5,"uid":"Cabc123","id.orig_h":"192.168.1.50","id.orig_p":54321,'
          '"id.resp_h":"10.0.0.10","id.resp_p":22,"proto":"tcp","conn_state":"SF","orig_bytes":1024}', "conn tcp - SF",
          1714557600.5, {"address": "192.168.1.50", "session": "Cabc123", "host": "10.0.0.10"}),
    Truth("zeek-json", '{"_path":"notice","ts":"2024-05-01T10:00:00.5Z","note":"Scan::Port_Scan","src":"192.168.1.50"}',
          "notice Scan::Port_Scan", 1714557600.5, {"address": "192.168.1.50"}),
    Truth("teleport", '{"code":"T1000W","event":"user.login","success":false,"time":"2024-05-01T10:00:00Z","uid":"5",'
          '"user":"ann",'
          '"addr.remote":"10.0.0.9:51234","cluster_name":"c"}', "user.login T1000W", 1714557600.0,
          {"user": "ann", "address": "10.0.0.9"}),
    Truth("ecs", '{"@timestamp":"2024-05-01T10:00:00.000Z","event":{"action":"network_flow","category":["network"],'
          '"outcome":"success"},"host":{"name":"fw1"},"user":{"name":"ann"},"source":{"ip":"198.51.100.12",'
          '"port":54321}}',
          "network_flow success", 1714557600.0, {"host": "fw1", "user": "ann", "address": "198.51.100.12"}),
    Truth("windows", '{"EventTime":"2024-05-01 10:00:00","Hostname":"WS5","EventID":4688,"Channel":"Security",'
          '"SubjectUserName":"bob","NewProcessName":"C:\\\\Windows\\\\System32\\\\net.exe","NewProcessId":"0x1f4"}',
          "Security 4688 net.exe", 1714557600.0, {"host": "WS5", "user": "bob", "process": "0x1f4"}),
]  # fmt: skip


def parsed(reader: Json, text: str) -> list[LogEvent | Header | None]:
    assert reader.joiner is not None
    return [
        reader.parse(record.text)
        for number, line in enumerate(text.split("\n"), 1)
        for record in reader.joiner.feed(Line(0, number, line))
    ]


def name_of(event: LogEvent) -> str:
    return event.event if isinstance(event.event, str) else "".join(event.event)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: f"{truth.preset} {truth.event[:30]}")
def test_a_record_is_read_as_its_system_means_it(truth: Truth) -> None:
    readers = [Json(), *([PRESET_FORMATS[truth.preset]()] if truth.preset in PRESET_FORMATS else [])]
    for reader in readers:
        (event,) = parsed(reader, truth.record)
        assert isinstance(event, LogEvent)
        assert (name_of(event), event.time, event.entities) == (truth.event, truth.time, truth.entities)


def test_every_preset_has_a_record_here() -> None:
    assert {truth.preset for truth in TRUTHS} | {"opentelemetry"} == set(PRESETS)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: f"{truth.preset} {truth.event[:30]}")
def test_a_preset_reads_no_record_of_another_system(truth: Truth) -> None:
    others = [name for name in PRESET_FORMATS if name != truth.preset]
    readers = [name for name in others if parsed(PRESET_FORMATS[name](), truth.record) != [None]]
    assert not readers


BATCH = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "payment"}},
                                        {"key": "host.name", "value": {"stringValue": "web1"}}]},
            "scopeLogs": [
                {"scope": {"name": "auth"}, "logRecords": [
                    {"timeUnixNano": "1714557600000000789", "severityText": "ERROR", "traceId": "",
                     "body": {"stringValue": "pool 5 exhausted"},
                     "attributes": [{"key": "client.address", "value": {"stringValue": "10.0.1.84"}}]},
                    {"timeUnixNano": "1714557601000000000", "traceId": "0804", "body": {"kvlistValue": {"values": [
                        {"key": "message", "value": {"stringValue": "password for ann refused"}}]}}},
                    {"timeUnixNano": "1714557602000000000", "body": {"stringValue": "x"}, "attributes": [
                        {"key": "event.name", "value": {"stringValue": "device.crash"}}]},
                ]},
            ],
        }
    ]
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("kind", [Json, PRESET_FORMATS["opentelemetry"]])
def test_a_batch_of_opentelemetry_is_one_event_per_record(kind: type[Json], indent: int | None) -> None:
    records = parsed(kind(), json.dumps(BATCH, indent=indent))
    first, second, third = (record for record in records if record is not HEADER)
    service = {"process": "payment", "host": "web1"}
    attributes = {"scope": "auth"}
    assert first == LogEvent(
        "pool 5 exhausted",
        True,
        1714557600.0000008,
        {**service, "address": "10.0.1.84"},
        {"severity": "ERROR", **attributes},
    )
    assert second == LogEvent(
        "password for ann refused", True, 1714557601.0, {**service, "session": "0804", "user": "ann"}, attributes
    )
    assert third == LogEvent("device.crash", False, 1714557602.0, service, attributes)


def stage(name: str, audit: str, code: str = "") -> str:
    status = f',"responseStatus":{{"code":{code}}}' if code else ""
    return (
        f'{{"auditID":"{audit}","stage":"{name}","verb":"get","user":{{"username":"kim"}},'
        f'"objectRef":{{"resource":"secrets"}},"requestReceivedTimestamp":"2024-05-01T10:00:00Z"{status}}}'
    )


def test_the_stages_of_a_request_to_kubernetes_are_one_event() -> None:
    stages = (("RequestReceived", ""), ("ResponseStarted", ""), ("ResponseComplete", "200"), ("Panic", "500"))
    text = "\n".join(stage(name, "a", code) for name, code in stages)
    begun, started, complete, panic = parsed(PRESET_FORMATS["kubernetes"](), text)
    assert (begun, started) == (HEADER, HEADER)
    assert isinstance(complete, LogEvent)
    assert isinstance(panic, LogEvent)
    assert (name_of(complete), name_of(panic)) == ("get secrets 200", "get secrets 500")


def test_requests_that_never_end_do_not_vanish() -> None:
    found = parsed(PRESET_FORMATS["kubernetes"](), "\n".join(stage("RequestReceived", str(n)) for n in range(150)))
    assert found[:100] == [HEADER] * 100
    assert all(isinstance(event, LogEvent) for event in found[100:])


def test_arguments_and_agents_are_classes() -> None:
    record = TRUTHS[0].record
    (usual,), (unusual,) = parsed(Json(), record), parsed(Json(), record.replace('"x"', '"../x"'))
    assert isinstance(usual, LogEvent)
    assert isinstance(unusual, LogEvent)
    assert {"region": "eu-west-1", "read_only": "false", "identity": "IAMUser"}.items() <= usual.attributes.items()
    assert "agent" in usual.attributes
    assert set(unusual.attributes) - set(usual.attributes) == {"arguments"}


def test_settings_come_before_a_preset() -> None:
    settings = FormatSettings(event=("awsRegion",), entity="userIdentity.userName", time="nosuch")
    (event,) = parsed(PRESET_FORMATS["cloudtrail"](settings), TRUTHS[0].record)
    assert isinstance(event, LogEvent)
    assert (event.event, event.entities["userIdentity.userName"], event.time) == ("eu-west-1", "Al", None)


@given(
    truth=st.sampled_from(TRUTHS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    chosen=st.integers(0, 10),
)
def test_odd_values_break_no_preset(truth: Truth, value: object, chosen: int) -> None:
    record = json.loads(truth.record)
    record[list(record)[chosen % len(record)]] = value
    for event in parsed(Json(), json.dumps(record)):
        assert event is None or event == HEADER or (isinstance(event, LogEvent) and event.event)
