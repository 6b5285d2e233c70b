import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats import record_reader
from trine.log_formats.json_formats import Json, json_payload
from trine.log_formats.json_records import JsonJoiner
from trine.log_formats.log_event import HEADER, FormatSettings, Header, Line, LogEvent

EVENTS = [{"eventTime": "2024-05-01T10:00:00Z", "n": [1, {"a": 2}]}, {"eventTime": "2024-05-01T10:00:01Z", "t": "}]{"}]


def records(text: str, limit: int = 1 << 20) -> list[tuple[int, str]]:
    joiner = JsonJoiner(limit)
    lines = [Line(0, number, line) for number, line in enumerate(text.split("\n"), 1)]
    found = [record for line in lines for record in joiner.feed(line)]
    return [(record.number, record.text) for record in (*found, *joiner.finish())]


def objects(text: str) -> list[tuple[int, object]]:
    """The records with content: a line of brackets is one without."""
    return [(number, json.loads(record)) for number, record in records(text) if record.strip() not in {"", "["}]


def events(text: str, settings: FormatSettings | None = None) -> Iterator[LogEvent | Header | None]:
    reader = Json(settings)
    assert reader.joiner is not None
    for number, line in enumerate(text.split("\n"), 1):
        for record in reader.joiner.feed(Line(0, number, line)):
            yield reader.parse(record.text)
    for record in reader.joiner.finish():
        yield reader.parse(record.text)


def only(text: str, settings: FormatSettings | None = None) -> LogEvent:
    (event,) = (event for event in events(text, settings) if event is not HEADER)
    assert isinstance(event, LogEvent)
    return event


@pytest.mark.parametrize(
    "holder",
    [
        EVENTS,
        {"Records": EVENTS},
        {"value": EVENTS, "@odata.nextLink": "https://x/?page=2"},
        {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": EVENTS},
        {"events": EVENTS, "nextToken": "f/36"},
        {"took": 3, "hits": {"total": {"value": 2}, "hits": EVENTS}},
    ],
)
def test_a_list_of_events_gives_its_elements_on_one_line_or_over_many(holder: object) -> None:
    assert [record for _, record in objects(json.dumps(holder, indent=2))] == EVENTS
    assert [json.dumps(record) for _, record in objects(json.dumps(holder))] in (
        [json.dumps(event) for event in EVENTS],
        [json.dumps(event).replace("[1, ", '["1", ').replace(": 2}", ': "2"}') for event in EVENTS],
    )


def test_an_object_has_the_number_of_the_line_where_it_begins() -> None:
    text = '{"a": 1}\n{\n "b": {\n  "c": 2}\n}\n{"d": 3}{"e": 4}\n\n[\n {"f": 5},\n {"g":\n 6}]\n{"h": 7}'
    begins = [(1, "a"), (2, "b"), (6, "d"), (6, "e"), (9, "f"), (10, "g"), (12, "h")]
    assert [(number, *record) for number, record in objects(text) if isinstance(record, dict)] == begins


def test_a_list_in_an_event_does_not_divide_it() -> None:
    order = {"action": "order", "user": "ann", "items": [{"sku": 1}, {"sku": 2}]}
    dated = {"time": "2024-05-01", "action": "order", "items": [{"time": 1}]}
    for event in (order, dated):
        assert [record for _, record in objects(json.dumps(event))] == [event]
        assert [record for _, record in objects(json.dumps(event, indent=1))] == [event]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n{"b": 2}', [(1, '{"a": 1,'), (2, '{"b": 2}')]),
        ('{"a": "x\n{"b": 2}', [(1, '{"a": "x'), (2, '{"b": 2}')]),
        ('{"a": [1\n{"b": 2}', [(1, '{"a": [1'), (2, '{"b": 2}')]),
        ('[error] no JSON\n{"b": 2}', [(1, "[error] no JSON"), (2, '{"b": 2}')]),
        ('{"a": 1} and more', [(1, '{"a": 1}'), (1, "and more")]),
        ('{"a": nothing}\n{"b": 2}', [(1, '{"a": nothing}'), (2, '{"b": 2}')]),
        ('[{"a": 1},\n{"b" 2},\n{"c": 3}]', [(1, '{"a": 1}'), (2, '{"b" 2},'), (3, '{"c": 3}')]),
        ('{"a":\n', [(1, '{"a":')]),
    ],
)
def test_broken_text_is_given_as_it_is_and_reading_goes_on(text: str, expected: list[tuple[int, str]]) -> None:
    assert records(text) == expected


def test_an_object_beyond_the_limit_is_given_line_by_line() -> None:
    lines = ['{"a": [', *[f"{number}," for number in range(50)], "0]}"]
    assert records("\n".join(lines), limit=40) == list(enumerate(lines, 1))


def test_an_object_does_not_go_on_in_another_file() -> None:
    joiner = JsonJoiner()
    found = [*joiner.feed(Line(0, 1, '{"a": 1,')), *joiner.feed(Line(1, 1, '"b": 2}')), *joiner.finish()]
    assert found == [Line(0, 1, '{"a": 1,'), Line(1, 1, '"b": 2}')]


@given(text=st.text(alphabet='{}[]",:\\ \na1', max_size=60))
def test_no_character_is_lost_but_blanks_brackets_and_commas(text: str) -> None:
    given_back = "".join(record for _, record in records(text))
    assert set("a1\\") & set(text) <= set(given_back)
    assert given_back.count("a") >= text.count("a")


@given(
    values=st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(), min_size=1), max_size=4)
)
def test_every_object_of_a_line_comes_back(values: list[dict[str, object]]) -> None:
    plain = [value for value in values if all(isinstance(item, str | int) for item in value.values())]
    assert [record for _, record in objects("\n".join(json.dumps(value) for value in plain))] == plain
    assert [record for _, record in objects(json.dumps(plain, indent=1))] == plain


@pytest.mark.parametrize("filling", ['{"a":', "[", '{"a":[{', '"', "\\", "{x}", '{"a":[{"time":1},', "{}", ","])
def test_hostile_text_takes_no_time(filling: str) -> None:
    for text in (filling * (6_000 // len(filling)), (filling + "\n") * 150):
        assert all(event is None or isinstance(event, LogEvent | Header) for event in events(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"event": "x", "n": NaN, "m": -Infinity}',
        '{"event": "y", "event": "x"}',
        '{"event": "x", "u": "\\ud800"}',
        '{"event": "x", "n": ' + "9" * 100_000 + "}",
        '{"event": "x", "n": 1e999999}',
    ],
)
def test_odd_values_do_not_hide_an_event(text: str) -> None:
    assert only(text).event == "x"


def test_deep_nesting_is_not_of_the_format_and_not_lost() -> None:
    text = '{"event": "x", "n": ' + "[" * 10_000 + "]" * 10_000 + "}"
    assert list(events(text)) == [None]
    assert [record for _, record in records(text)] == [text]


@given(text=st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: raw.decode(errors="backslashreplace")))
def test_no_text_breaks_the_format(text: str) -> None:
    for event in events(text):
        assert event is None or event == HEADER or (isinstance(event, LogEvent) and event.event)
    assert json_payload(text) is None or text.lstrip().startswith("{")


AUDIT = (
    '{"kind":"Event","stage":"ResponseComplete","verb":"list","requestReceivedTimestamp":"2025-09-04T23:57:51.5Z",'
    '"user":{"username":"minikube-user"},"objectRef":{"resource":"secrets"},"responseStatus":{"code":200}}'
)


def test_settings_name_nested_fields() -> None:
    settings = FormatSettings(
        event=("verb", "objectRef.resource", "objectRef.subresource"),
        entity="user.username",
        time="requestReceivedTimestamp",
    )
    event = only(AUDIT, settings)
    assert event.event == ("list", " secrets", " -")
    assert event.entities["user.username"] == "minikube-user"
    assert event.time == 1757030271.5


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("a.b", {"a": {"b": "x"}}),
        ("a.b", {"a.b": "x"}),
        ("a.b.c", {"a": {"b.c": "x"}}),
        ("a.b.c", {"a.b": {"c": "x"}}),
        ("a.1.b", {"a": [{"b": "y"}, {"b": "x"}]}),
        ("a.b", {"a": [{"c": "y"}, {"b": "x"}]}),
        ("a.service.name", {"a": [{"key": "service.name", "value": {"stringValue": "x"}}]}),
        ("a.UserAgent", {"a": [{"Name": "UserAgent", "Value": "x"}]}),
    ],
)
def test_a_path_finds_keys_elements_and_names(path: str, record: dict[str, object]) -> None:
    assert only(json.dumps(record), FormatSettings(event=(path,))).event == "x"


def test_a_record_without_the_named_fields_is_not_read_and_its_fields_are_told() -> None:
    reader = Json(FormatSettings(event=("nosuch",)))
    assert reader.parse('{"foo": {"bar": 1}, "qux": 2}') is None
    assert reader.parse('{"qux": 3}') is None
    assert reader.fields() == ("qux", "foo.bar")


@pytest.mark.parametrize(
    ("record", "event", "mined", "entities"),
    [
        # python-json-logger, structlog, pino, bunyan, winston, zap, zerolog, logrus, serilog
        ('{"asctime":"2024-05-01 10:00:00,000","levelname":"INFO","name":"app",'
         '"message":"5 users in"}', "5 users in", 1, {}),
        ('{"event":"payment of 5 EUR failed","level":"error","timestamp":"2024-05-01T10:00:00Z","user_id":7}',
         "payment of 5 EUR failed", 1, {"user": "7"}),
        ('{"event":"user.login","timestamp":"2024-05-01T10:00:00Z","client_ip":"10.0.0.9"}',
         "user.login", 0, {"address": "10.0.0.9"}),
        ('{"level":30,"time":1714557600000,"pid":657,"hostname":"web1","msg":"listening on 80"}',
         "listening on 80", 1, {"process": "657", "host": "web1"}),
        ('{"name":"app","hostname":"web1","pid":9,"level":30,"msg":"hi there","time":"2024-05-01T10:00:00.000Z","v":0}',
         "hi there", 1, {"process": "9", "host": "web1"}),
        ('{"level":"info","message":"up and running","timestamp":"2024-05-01T10:00:00Z"}', "up and running", 1, {}),
        ('{"level":"info","ts":1714557600.0,"caller":"a.go:5","msg":"cache miss","request_id":"r1"}',
         "cache miss", 1, {"session": "r1"}),
        ('{"level":"warn","time":1714557600,"message":"slow","remote_addr":"10.0.0.9:443"}',
         "slow", 1, {"address": "10.0.0.9"}),
        ('{"@t":"2024-05-01T10:00:00Z","@mt":"User {Name} in","Name":"x"}', "User {Name} in", 0, {}),
        ('{"@timestamp":"2024-05-01T10:00:00Z","message":"x failed for root from 10.0.0.9","user":{"name":"ann"}}',
         "x failed for root from 10.0.0.9", 1, {"user": "ann", "address": "10.0.0.9"}),
        ('{"eventid":"cowrie.login.failed","timestamp":"2024-05-01T10:00:00Z","message":"login attempt",'
         '"src_ip":"10.0.0.9"}',
         "cowrie.login.failed", 0, {"address": "10.0.0.9"}),
        ('{"log":"{\\"msg\\":\\"it works\\",\\"user\\":\\"ann\\"}\\n","stream":"stdout","time":"2024-05-01T10:00:00Z"}',
         "it works", 1, {"user": "ann"}),
    ],
)  # fmt: skip
def test_structured_loggers_are_read_by_the_names_of_their_fields(
    record: str, event: str, mined: int, entities: dict[str, str]
) -> None:
    found = only(record)
    assert (found.event, found.mined, found.time, found.entities) == (event, bool(mined), 1714557600.0, entities)


@pytest.mark.parametrize(
    ("record", "event", "address"),
    [
        ('{"level":"info","ts":1714557600.0,"logger":"http.log.access.log0","msg":"handled request","request":'
         '{"remote_ip":"10.0.0.9","client_ip":"10.0.0.8","method":"GET","host":"a","uri":"/videos/demo/seg.ts"},'
         '"status":200}', ("GET ", "/videos", "/demo", "/seg", ".ts", " 200"), "10.0.0.8"),
        ('{"ClientAddr":"10.0.0.9:47134","ClientHost":"10.0.0.9","DownstreamStatus":404,"RequestMethod":"POST",'
         '"RequestPath":"/cart","level":"info","msg":"","time":"2024-05-01T10:00:00Z"}',
         ("POST ", "/cart", " 404"), "10.0.0.9"),
        ('{"time_local":"01/May/2024:10:00:00 +0000","remote_addr":"10.0.0.9","request":"GET / HTTP/1.1",'
         '"status":"200",'
         '"request_time":"0.005"}', ("GET ", "/", " 200"), "10.0.0.9"),
        ('{"time_iso8601":"2024-05-01T10:00:00+00:00","remote_addr":"10.0.0.9","request_method":"GET",'
         '"request_uri":"/a?b=1","status":"200"}', ("GET ", "/a", "?", " 200"), "10.0.0.9"),
        ('{"method":"GET","path":"/users","format":"html","controller":"UsersController","action":"index","status":200,'
         '"remote_ip":"10.0.0.9","time":"2024-05-01T10:00:00Z"}', ("GET ", "/users", " 200"), "10.0.0.9"),
        ('{"level":30,"time":1714557600000,"req":{"method":"GET","url":"/a","remoteAddress":"10.0.0.9"},'
         '"res":{"statusCode":500},"msg":"request errored"}', ("GET ", "/a", " 500"), "10.0.0.9"),
    ],
)  # fmt: skip
def test_web_requests_become_parts(record: str, event: tuple[str, ...], address: str) -> None:
    found = only(record)
    assert (found.event, found.time, found.entities["address"]) == (event, 1714557600.0, address)


def test_what_is_unusual_about_a_request_is_a_part() -> None:
    record = '{"method":"GET","path":"/a.php?id=1\'--","status":200,"time":1714557600,"ip":"10.0.0.9"}'
    usual, unusual = only(record.replace("'--", "")), only(record)
    assert usual.event == ("GET ", "/a", ".php", "?", " 200")
    assert unusual.event[:3] == usual.event[:3]
    assert unusual.event[3].startswith("?{")


def test_names_with_blanks_are_names_once_they_repeat() -> None:
    names = [f'{{"event": "order {word}", "user": "ann"}}' for word in ("placed", "paid", "sent")]
    found = list(events("\n".join(names * 100)))
    assert [event.mined for event in found if isinstance(event, LogEvent)] == [True] * 199 + [False] * 101


def test_free_text_stays_free_text() -> None:
    found = events("\n".join(f'{{"event": "order {number} placed"}}' for number in range(300)))
    assert all(isinstance(event, LogEvent) and event.mined for event in found)


def test_brackets_alone_and_an_empty_list_are_headers() -> None:
    assert [Json().parse(text) for text in ("[", "]", '{"Records": []}')] == [HEADER] * 3


def test_a_payload_is_read_without_settings() -> None:
    event = json_payload(AUDIT)
    assert event is not None
    assert event.event == ("list", " secrets", " 200")
    assert json_payload("no JSON") is None
    assert json_payload('{"foo": 1}') is None


def test_ever_new_fields_take_no_memory_and_hide_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_reader, "_MOST_SHAPES", 100)
    reader = Json()
    for number in range(150):
        assert isinstance(reader.parse(f'{{"event": "x", "field{number}": 1}}'), LogEvent)
    assert isinstance(reader.parse('{"event": "x", "' + "a" * 100_000 + '": 1}'), LogEvent)
    assert len(reader.fields()) < 110


@pytest.mark.parametrize("odd", ['{"message": {}, "user": [], "time": 1}', '{"message": null, "user": {}, "time": 1}'])
def test_an_odd_record_does_not_change_how_later_ones_are_read(odd: str) -> None:
    reader = Json()
    reader.parse(odd)
    event = reader.parse('{"message": "it works", "user": "ann", "time": 1714557600}')
    assert event == LogEvent("it works", True, 1714557600.0, {"user": "ann"})
    event = reader.parse('{"message": "it works", "user": {"name": "ann"}, "time": 1714557600}')
    assert event == LogEvent("it works", True, 1714557600.0, {"user": "ann"})
