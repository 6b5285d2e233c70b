import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.values import (
    agent_class,
    agent_marks,
    digits_class,
    is_value,
    marks,
    masked,
    only,
    size_class,
    strong_marks,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "id=5&page=about-us&sort=desc",
        "q=red+shoes",
        "q=rock+and+roll",
        "q=cats+or+dogs",
        "name=J%C3%BCrgen&city=Zürich",
        "a=1;b=2",
        "v=1.2.3-beta",
        "page=/about/team",
        "select=all&from=2024",
        "a=1&amp;b=2",
        "q=where+to+eat",
    ],
)
def test_ordinary_text_has_no_marks(text: str) -> None:
    assert marks(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q=what's+up", "quotes"),
        ("q=%27", "quotes"),
        ("id=1+or+1=1", "sql"),
        ("id=1'%20or%20'1'='1", "quotes,sql"),
        ("id=-1+UNION+ALL+SELECT+1,2", "sql"),
        ("id=1/**/union/**/select/**/1", "sql"),
        ("id=1;drop+table+x--", "shell,sql"),
        ("id=sleep(5)", "sql"),
        ("id=5--", "sql"),
        ("f=../../etc/passwd", "file,traversal"),
        ("f=..%5c..%5cwin.ini", "file,traversal"),
        ("f=%2e%2e%2fx", "traversal"),
        ("f=%252e%252e%252fx", "encoded,traversal"),
        ("f=..%c0%afx", "encoded,traversal"),
        ("f=/etc/passwd", "file"),
        ("x=${jndi:ldap://x/a}", "scheme,template"),
        ("x=%24%7Bjndi:dns://x%7D", "scheme,template"),
        ("x={{7*7}}", "template"),
        ("x=<script>alert(1)</script>", "tag"),
        ("x=%3Csvg/onload=alert(1)%3E", "tag"),
        ("x=1<2", "angle"),
        ("c=;cat+/etc/passwd", "command,file,shell"),
        ("c=|id", "command,shell"),
        ("c=%60id%60", "command,shell"),
        ("c=$(whoami)", "command,shell"),
        ("family=Open+Sans|Lato", "shell"),
        ("page=php://input", "scheme"),
        ("page=data:text/plain;base64,PD9w", "scheme"),
        ("f=x%00.png", "null"),
        ("x=a%0d%0aSet-Cookie:b", "control"),
        ("x=%F0%9F%98%80", "odd"),
        ("u=http://a.example/", "url"),
        ("x=" + "a" * 300, "long"),
        ("x=" + "a" * 3000, "huge"),
        ("function=call_user_func_array&vars[0]=system", "code"),
        ("x=" + "a" * 3000 + "../" + "b" * 3000, "huge,traversal"),
    ],
)
def test_what_is_unusual_is_marked(text: str, expected: str) -> None:
    assert marks(text) == expected


@given(text=st.text(max_size=300) | st.text(st.sampled_from("%2e./\\'\"<${}|;&=+- or1selctun()"), max_size=80))
def test_marks_of_any_text_are_sorted_names(text: str) -> None:
    names = marks(text).split(",")
    assert names == sorted(set(names))
    assert set(strong_marks(text).split(",")) <= set(names) | {""}
    assert agent_class(text)


@pytest.mark.parametrize("filling", ["'", "(", "%25", "select ", "/*", "or 1", "=/", "$(", "a"])
def test_a_text_of_a_megabyte_takes_no_time(filling: str) -> None:
    text = filling * (1_000_000 // len(filling))
    start = time.process_time()
    assert "huge" in marks(text)
    masked(text)
    agent_class(text)
    assert time.process_time() - start < 3


def test_strong_marks_leave_out_what_ordinary_text_has() -> None:
    assert strong_marks("it's <b>|") == "tag"
    assert strong_marks('it\'s me; and "you" | they') == ""
    assert strong_marks("login ${jndi:ldap://x}") == "scheme,template"
    assert only("quotes,sql", {"sql"}) == "sql"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0"),
        (1, "1e0"),
        (9, "1e0"),
        (10, "1e1"),
        (999, "1e2"),
        (1000, "1e3"),
        (12_345_678, "1e7"),
        (0.002, "1e-3"),
        (-1, "negative"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
        (10**30, "1e30"),
    ],
)
def test_a_size_has_the_class_of_its_power_of_ten(number: float, expected: str) -> None:
    assert size_class(number) == expected


@given(number=st.integers(0, 10**14))
def test_digits_have_the_class_of_their_number(number: int) -> None:
    assert digits_class(str(number)) == size_class(number)


def test_digits_of_no_number_have_no_class() -> None:
    assert [digits_class(text) for text in ("", "-", "x", "²")] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("", "none"),
        ("-", "none"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
            "chrome",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Edg/120.0", "edge"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "firefox"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 Version/17.0 Safari/605.1", "safari"),
        ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", "explorer"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler"),
        ("Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)", "nmap"),
        ("Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:000001)", "nikto"),
        ("sqlmap/1.7#stable (https://sqlmap.org)", "sqlmap"),
        ("curl/7.68.0", "curl"),
        ("python-requests/2.28.1", "python"),
        ("Go-http-client/1.1", "go-http-client"),
        ("${jndi:ldap://x/a}", "other{scheme,template}"),
        ("() { :; }; /bin/bash -c 'id'", "other{command,quotes}"),
        ("SomethingElse", "other"),
    ],
)
def test_user_agents_have_few_classes_and_their_marks(agent: str, expected: str) -> None:
    assert agent_class(agent) == expected
    assert agent_marks(agent) == (expected.partition("{")[2].rstrip("}"))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("blog", "blog"),
        ("index.php", "index.php"),
        ("how-to-use-python3", "how-to-use-python3"),
        ("v1", "v1"),
        ("sha256", "sha256"),
        ("en_US", "en_US"),
        (".env", ".env"),
        ("backup.tar.gz", "backup.tar.gz"),
        ("%E4%BD%A0", "%E4%BD%A0"),
        ("2024", "<*>"),
        ("2024-05-01", "<*>"),
        ("550e8400-e29b-41d4-a716-446655440000", "<*>"),
        ("5d41402abc4b2a76", "<*>"),
        ("dQw4w9WgXcQ", "<*>"),
        ("ann@example.org", "<*>"),
        ("10.0.0.1", "<*>"),
        ("user12345", "<*>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "<*>"),
        ("report-2024.pdf", "report-<*>.pdf"),
        ("report-2024-05.pdf", "report-<*>.pdf"),
        ("app.3f2a9c1b.js", "app.<*>.js"),
        ("1234.jpg", "<*>.jpg"),
        ("jquery-3.6.0.min.js", "jquery-<*>.min.js"),
    ],
)
def test_values_in_a_part_are_masked_and_words_and_endings_stay(part: str, expected: str) -> None:
    assert masked(part) == expected
    assert is_value(part) == (expected == "<*>")


@given(part=st.text(max_size=60))
def test_what_is_masked_has_nothing_more_to_mask(part: str) -> None:
    once = masked(part)
    if "<*>" not in part and "<*>" not in once:
        assert once == part
