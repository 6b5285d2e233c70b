import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats import text_formats
from trine.log_formats.container_formats import MAX_JOINED, Compose, Cri, CriJoiner, Docker, DockerJoiner, Kubectl
from trine.log_formats.log_event import Format, Line, LogEvent

TIME = 1714557600.5  # 2024-05-01 10:00:00.5 UTC


@pytest.mark.parametrize(
    ("format_", "line", "expected"),
    [
        (
            Docker,
            '{"log":"listening on port 80\\n","stream":"stdout","time":"2024-05-01T10:00:00.500000000Z"}',
            LogEvent("listening on port 80", True, TIME, {}, {"stream": "stdout"}),
        ),
        (
            Docker,
            '{"log":"2024-05-01 10:00:00,123 ERROR [main] com.acme.Shop - no stock\\r\\n","stream":"stderr",'
            '"attrs":{"tag":"shop"},"time":"2024-05-01T10:00:00.5Z"}',
            LogEvent(
                "error com.acme.Shop: no stock",
                True,
                TIME,
                {"process": "shop"},
                {"level": "error", "logger": "com.acme.Shop", "stream": "stderr"},
            ),
        ),
        (
            Docker,
            '{"log":"CEF:0|V|P|1|7|worm|9|src=1.2.3.4\\n","stream":"stdout","time":"2024-05-01T10:00:00.5Z"}',
            LogEvent(
                ("V P ", "7", ": worm"), False, TIME, {"address": "1.2.3.4"}, {"severity": "9", "stream": "stdout"}
            ),
        ),
        (
            Cri,
            "2024-05-01T10:00:00.500000000Z stdout F login of user ann from 10.0.0.7",
            LogEvent(
                "login of user ann from 10.0.0.7",
                True,
                TIME,
                {"user": "ann", "address": "10.0.0.7"},
                {"stream": "stdout"},
            ),
        ),
        (
            Cri,
            "2024-05-01T12:00:00.500000000+02:00 stderr F INFO: ready",
            LogEvent("info: ready", True, TIME, {}, {"level": "info", "stream": "stderr"}),
        ),
        (Cri, "2024-05-01T10:00:00.5Z stdout F ", LogEvent("empty", True, TIME, {}, {"stream": "stdout"})),
        (
            Kubectl,
            "[pod/web-5d4f/nginx] ready",
            LogEvent("ready", True, None, {"host": "web-5d4f", "process": "web-5d4f/nginx"}, {"container": "nginx"}),
        ),
        (
            Kubectl,
            "[pod/web-5d4f/nginx] 2024-05-01T10:00:00.500000000Z ready",
            LogEvent("ready", True, TIME, {"host": "web-5d4f", "process": "web-5d4f/nginx"}, {"container": "nginx"}),
        ),
        (
            Kubectl,
            "[pod/db-0/postgres] 2024-05-01 10:00:00.500 UTC [77] ann@shop ERROR:  no table",
            LogEvent(
                "error: no table",
                True,
                TIME,
                {"user": "ann", "host": "db-0", "process": "db-0/postgres"},
                {"level": "error", "container": "postgres"},
            ),
        ),
        (Compose, "web-1  | ready", LogEvent("ready", True, None, {"process": "web-1"}, {"service": "web"})),
        (
            Compose,
            "shop_db_1     | 2024-05-01T10:00:00.500000000Z LOG:  ready",
            LogEvent("info: ready", True, TIME, {"process": "shop_db_1"}, {"level": "info", "service": "shop_db"}),
        ),
        (Compose, "web-1 |", LogEvent("empty", True, None, {"process": "web-1"}, {"service": "web"})),
    ],
)
def test_a_line_of_a_container_gives_what_is_wrapped(format_: type[Format], line: str, expected: LogEvent) -> None:
    assert format_().parse(line) == expected


@pytest.mark.parametrize("format_", [Docker, Cri, Kubectl, Compose])
@pytest.mark.parametrize(
    "line", ["", "hello", "{}", '{"log":5,"time":"x"}', '{"log": "x", "time": "y", "user": "ann"}', "| a"]
)
def test_other_lines_are_of_another_format(format_: type[Format], line: str) -> None:
    assert format_().parse(line) is None


def test_a_registered_payload_is_read_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(text: str) -> LogEvent | None:
        return LogEvent(json.loads(text)["event"]) if text.startswith("{") else None

    monkeypatch.setattr(text_formats, "PAYLOADS", [read])
    event = Cri().parse('2024-05-01T10:00:00.5Z stdout F {"event": "login"}')
    assert event == LogEvent("login", False, TIME, {}, {"stream": "stdout"})


def lines(*texts: str, source: int = 0) -> list[Line]:
    return [Line(source, number, text) for number, text in enumerate(texts, 1)]


def test_parts_of_a_cri_line_are_joined_per_stream() -> None:
    joiner = CriJoiner()
    fed = [
        record
        for line in lines(
            "2024-05-01T10:00:00.1Z stdout P one ",
            "2024-05-01T10:00:00.2Z stderr F other",
            "2024-05-01T10:00:00.3Z stdout P two ",
            "2024-05-01T10:00:00.4Z stdout F three",
            "2024-05-01T10:00:00.5Z stdout P never ends",
        )
        for record in joiner.feed(line)
    ]
    assert fed == [
        Line(0, 2, "2024-05-01T10:00:00.2Z stderr F other"),
        Line(0, 1, "2024-05-01T10:00:00.1Z stdout F one two three"),
    ]
    assert list(joiner.finish()) == [Line(0, 5, "2024-05-01T10:00:00.5Z stdout P never ends")]
    assert list(joiner.finish()) == []


def test_parts_of_a_docker_line_are_joined() -> None:
    part = {"log": "a" * 16384, "stream": "stdout", "time": "2024-05-01T10:00:00.5Z"}
    end = {"log": "b\n", "stream": "stdout", "time": "2024-05-01T10:00:00.6Z"}
    alone = {"log": "no line break", "stream": "stdout", "time": "2024-05-01T10:00:00.7Z"}
    joiner = DockerJoiner()
    fed = [record for line in lines(*map(json.dumps, (part, end, alone))) for record in joiner.feed(line)]
    assert [(record.number, json.loads(record.text)["log"]) for record in fed] == [
        (1, "a" * 16384 + "b\n"),
        (3, "no line break"),
    ]
    assert list(joiner.finish()) == []


def test_a_line_that_never_ends_is_given_in_pieces_of_bounded_size() -> None:
    joiner = CriJoiner()
    part = f"2024-05-01T10:00:00.1Z stdout P {'a' * 16384}"
    sizes = [len(record.text) for number in range(200) for record in joiner.feed(Line(0, number, part))]
    assert len(sizes) == 3
    assert max(sizes) <= MAX_JOINED + len(part)


@given(texts=st.lists(st.text(max_size=60) | st.sampled_from(["2024-05-01T10:00:00.1Z stdout P a", "{", '{"log":"'])))
@pytest.mark.parametrize("joiner_of", [CriJoiner, DockerJoiner])
def test_no_line_is_lost_by_joining(joiner_of: type[CriJoiner] | type[DockerJoiner], texts: list[str]) -> None:
    joiner = joiner_of()
    fed = [record for line in lines(*texts) for record in joiner.feed(line)] + list(joiner.finish())
    said = "".join(record.text for record in fed)
    assert all(text.rpartition(" P ")[2] in said for text in texts)


@given(line=st.text(max_size=200) | st.text(st.sampled_from('{}"log:time[]| PF\\n'), max_size=60))
@pytest.mark.parametrize("format_", [Docker, Cri, Kubectl, Compose])
def test_no_line_breaks_the_formats_of_containers(format_: type[Format], line: str) -> None:
    for text in (line, f"[pod/a/b] {line}", f"a-1  | {line}", f"2024-05-01T10:00:00.1Z stdout F {line}"):
        event = format_().parse(text)
        assert event is None or event.event
