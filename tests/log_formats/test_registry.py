"""What holds for every format of the registry: a new format is held to it by being listed."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log_formats.test_json_presets import TRUTHS
from trine.errors import UsageError
from trine.log_formats.log_event import Format, FormatSettings, Header, Line, LogEvent
from trine.log_formats.registry import FORMATS, format_named, format_of, guess_format
from trine.log_formats.text_formats import is_continuation

CORPUS = Path(__file__).parent.parent / "logs" / "corpus"
EXAMPLES = {
    "audit": "auditd_raw.log",
    "strace": "strace.log",
    "zeek": "zeek_conn.log",
    "w3c": "iis_w3c.log",
    "windows": "windows_events.xml",
    "docker": "docker_json.log",
    "cloudtrail": "cloudtrail_lines.log",
    "kubernetes": "kubernetes_audit.log",
    "journald": "journald.log",
    "falco": "falco.log",
    "suricata": "suricata_eve.log",
    "osquery": "osquery.log",
    "okta": "okta.log",
    "gcp-audit": "gcp_audit.log",
    "ecs": "ecs.log",
    "opentelemetry": "otel.log",
    "json": "json_structlog.log",
    "cri": "cri.log",
    "cef": "cef.log",
    "squid": "squid.log",
    "elb": "elb.log",
    "s3": "s3.log",
    "web": "apache_combined.log",
    "web-error": "apache_error_24.log",
    "syslog5424": "syslog_5424.log",
    "syslog-iso": "syslog_iso.log",
    "syslog": "auth.log",
    "cluster": "cluster_bluegene.log",
    "dmesg": "dmesg.log",
    "samba": "samba.log",
    "mysql-slow": "mysql_slow.log",
    "kubectl": "kubectl.log",
    "compose": "compose.log",
    "logfmt": "logfmt.log",
    "app": "python_logging.log",
    "csv": "csv_comma.csv",
    "plain": "plain_mixed.log",
}
"""The log of the corpus that has the format; of other systems that write JSON, `TRUTHS` has records."""

ODD = [
    "\x16\x03\x01 odd",
    '{"cut": "of',
    "<Event><System>",
    "# Fields",
    '"',
    "[",
    "- - -",
    "type=odd msg=",
    "a,b;c\td|e",
]
FILLINGS = ["a-", "1:", '"', "[", "{", "a=b ", "\\", ", "]


@lru_cache
def lines_of(name: str) -> tuple[str, ...]:
    if name in EXAMPLES:
        return tuple((CORPUS / EXAMPLES[name]).read_text("utf-8").splitlines())
    return tuple(truth.record for truth in TRUTHS if truth.preset == name)


def as_lines(texts: tuple[str, ...] | list[str]) -> list[Line]:
    return [Line(0, number, text) for number, text in enumerate(texts, 1)]


def read(reader: Format, texts: list[str]) -> Iterator[tuple[Line, LogEvent | Header | None]]:
    joiner = reader.joiner
    for line in as_lines(texts):
        for record in joiner.feed(line) if joiner else (line,):
            yield record, reader.parse(record.text)
    for record in joiner.finish() if joiner else ():
        yield record, reader.parse(record.text)


# --- the guess


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_guessed_from_its_lines(name: str) -> None:
    guess = guess_format(as_lines(lines_of(name)))
    assert guess.name == name
    assert 0.5 < guess.share <= 1
    assert guess.why().startswith(f"{name} fits ")


@pytest.mark.parametrize("name", FORMATS)
def test_odd_and_truncated_lines_do_not_change_the_guess(name: str) -> None:
    lines = (list(lines_of(name)) * 10)[:40]
    number = list(FORMATS).index(name)
    first = int(name == "csv")  # the first line of a table names its columns
    odd, other, cut = ODD[number % len(ODD)], ODD[-number % len(ODD)], lines[-1][: len(lines[-1]) // 2]
    lines = [*lines[:first], odd, *lines[first:9], other, *lines[9:20], cut, *lines[20:]]
    assert guess_format(as_lines(lines)).name == name, (odd, other, cut)


def test_headers_alone_are_no_proof_of_a_table_but_of_a_format_that_has_no_other() -> None:
    assert guess_format(as_lines(["starting up, please wait"] * 3)).name == "plain"
    assert guess_format(as_lines(["["])).name == "plain"
    assert guess_format(as_lines(lines_of("zeek")[:8])).name == "zeek"
    assert guess_format(as_lines(lines_of("w3c")[:4])).name == "w3c"


def test_formats_that_cannot_apply_the_settings_are_not_guessed() -> None:
    lines = as_lines(["time=2024-05-01T10:00:00Z colour=red size=3"] * 3)
    assert guess_format(lines, FormatSettings(event=("colour",))).name == "logfmt"


def test_the_guess_can_be_limited_to_some_formats() -> None:
    lines = as_lines(lines_of("syslog"))
    assert guess_format(lines, among=("web", "app", "csv")).name in {"app", "web", "csv"}
    reader, guess = format_of(lines, "app,syslog")
    assert guess is not None
    assert reader.name == "syslog"


def test_a_format_is_named_given_as_a_pattern_or_guessed() -> None:
    lines = as_lines(lines_of("web"))
    reader, guess = format_of(lines)
    assert guess is not None
    assert reader.name == guess.name == "web"
    assert format_of(lines, "plain")[0].name == "plain"
    assert format_of(lines, "plain", r"(?P<event>\w+)")[0].name == "pattern"


def test_an_unknown_name_is_wrong_use_and_the_nearest_is_told() -> None:
    with pytest.raises(UsageError, match=r"format 'sislog': choose one of audit, .*syslog"):
        format_named("sislog")
    with pytest.raises(UsageError, match="format 'nothing': choose one of audit"):
        format_of([], "nothing")
    with pytest.raises(UsageError, match="choose one of audit"):
        format_of([], "web,nothing")


# --- every format, whatever comes


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_reads_the_lines_of_its_example(name: str) -> None:
    reader = FORMATS[name]()
    reader.begin(name, lines_of(name))
    found = list(read(reader, list(lines_of(name))))
    events = [event for _, event in found if isinstance(event, LogEvent)]
    others = [record.text for record, event in found if event is None and not is_continuation(record.text)]
    assert len(events) >= 0.6 * (len(events) + len(others))
    assert all(event.event for event in events)


@pytest.mark.parametrize("name", FORMATS)
def test_a_long_line_takes_no_time(name: str) -> None:
    line = max(lines_of(name), key=len)
    for filling in FILLINGS:
        long = filling * (6_000 // len(filling))
        list(read(FORMATS[name](), [line + long, line[: len(line) // 2] + long, long]))


ANY_LINE = st.sampled_from([line for name in FORMATS for line in lines_of(name)])
CUT_LINE = st.builds(
    lambda line, start, end: line[start:] + line[:end], ANY_LINE, st.integers(0, 40), st.integers(0, 40)
)


@settings(max_examples=150)
@given(name=st.sampled_from(list(FORMATS)), texts=st.lists(ANY_LINE | CUT_LINE | st.text(max_size=60), max_size=8))
def test_no_lines_break_a_format_and_every_event_has_a_name(name: str, texts: list[str]) -> None:
    texts = [text.replace("\n", " ") for text in texts]
    reader = FORMATS[name]()
    reader.begin(name, texts)
    for record, event in read(reader, texts):
        assert 1 <= record.number <= len(texts)
        assert not isinstance(event, LogEvent) or event.event


JOINED = [name for name, kind in FORMATS.items() if kind().joiner is not None]


@settings(max_examples=200)
@given(name=st.sampled_from(JOINED), texts=st.lists(ANY_LINE | CUT_LINE, max_size=8))
def test_no_word_of_a_line_is_lost_by_joining(name: str, texts: list[str]) -> None:
    texts = [f"{text[: len(text) // 2]} lost{number}word {text[len(text) // 2 :]}" for number, text in enumerate(texts)]
    given_back = " ".join(record.text for record, _ in read(FORMATS[name](), texts))
    for word in re.findall(r"lost\dword", " ".join(texts)):
        assert word in given_back
