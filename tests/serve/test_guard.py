"""Who may ask, and what nobody is told."""

import http.client
import socket
import time

import pytest

from tests.serve.models import made, tensor
from trine.errors import UsageError
from trine.serve.guard import HEADERS
from trine.serve.settings import Settings, token_from

TOKEN = "correct-horse-battery-staple"
EVENT = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}


@pytest.fixture(scope="module")
def small(serve):
    """A service with a token, and a body of at most 1 MiB."""
    return serve(f"programs={made('programs')}", "--max-body", 1, "--timeout", 2, env={"TRINE_SERVE_TOKEN": TOKEN})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[::2]:80", "localhost.evil"]
)
def test_another_name_than_its_own_is_refused(service, host):
    answer = service.get("/api/models", headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "photos" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:8080"])
def test_its_own_names_are_answered_at_any_port(service, host):
    assert service.get("/api/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_a_request_from_the_page_of_another_site_is_refused(service, origin):
    answer = service.post("/v2/models/programs/infer", json=EVENT, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["error"]) == (403, "a request from the page of another site")


def test_a_request_from_its_own_page_is_answered(service):
    headers = {"Origin": service.url, "Sec-Fetch-Site": "same-origin"}
    assert service.post("/v2/models/programs/infer", json=EVENT, headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_page_of_another_site_embeds_is_refused_but_a_link_to_the_page_is_followed(service, site):
    assert service.get("/api/models", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert service.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200


@pytest.mark.parametrize("headers", [{}, bearer(TOKEN[:-1]), bearer(TOKEN + "x"), bearer(""), {"Authorization": TOKEN}])
@pytest.mark.parametrize(
    "path", ["/api/models", "/v2", "/v2/models/programs", "/metrics", "/openapi.json", "/api/nothing"]
)
def test_without_the_token_nothing_is_said(small, path, headers):
    answer = small.get(path, headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "programs" not in answer.text


def test_with_the_token_all_is_answered_and_the_page_and_the_health_need_none(small):
    assert small.get("/api/models", headers=bearer(TOKEN)).status_code == 200
    assert [small.get(path).status_code for path in ("/", "/v2/health/live", "/v2/health/ready")] == [200, 200, 200]


def test_a_body_that_is_too_long_is_refused_whether_it_says_its_length_or_not(small):
    big = b"x" * (2 << 20)
    for body in (big, iter([big[: 1 << 19]] * 4)):
        answer = small.post(
            "/api/models/programs/sessions", data=body, headers={**bearer(TOKEN), "Content-Type": "text/plain"}
        )
        assert answer.status_code == 413
        assert "1,048,576 bytes" in answer.json()["error"]


def test_a_body_that_does_not_arrive_is_not_waited_for(small):
    connection = http.client.HTTPConnection(small.address, timeout=20)
    connection.putrequest("POST", "/v2/models/programs/infer")
    for name, value in {**bearer(TOKEN), "Content-Type": "application/json", "Content-Length": "100"}.items():
        connection.putheader(name, value)
    connection.endheaders(b'{"inputs"')
    begun = time.monotonic()
    answer = connection.getresponse()
    assert answer.status == 408
    assert time.monotonic() - begun < 10
    connection.close()


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_an_inference_takes_json_and_tensors_only(service, kind):
    answer = service.post("/v2/models/programs/infer", data="{}", headers={"Content-Type": kind})
    assert answer.status_code == 415
    answer = service.post("/api/models/programs/sequence", data='{"events": ["open"]}', headers={"Content-Type": kind})
    assert answer.status_code in (415, 422)


@pytest.mark.parametrize("path", ["/", "/api/models", "/nothing", "/api/models/nothing"])
def test_every_answer_has_the_headers_that_keep_a_page_safe(service, path):
    headers = service.get(path).headers
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/static/../../app.py", "/%2e%2e/app.py", "/app.py"])
def test_the_page_is_its_own_files_alone(service, path):
    with socket.create_connection(("127.0.0.1", int(service.address.rpartition(":")[2]))) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b" 404 " in answer.splitlines()[0]
    assert b"import" not in answer


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_beyond_this_machine_it_demands_a_token(host):
    with pytest.raises(UsageError, match=r"needs a token.*--token-file"):
        Settings(host)
    assert Settings(host, token=TOKEN).known_hosts is None
    assert Settings(host, token=TOKEN, hosts=("trine.example",)).known_hosts == {host, "trine.example"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_on_this_machine_it_needs_none(host):
    assert "localhost" in Settings(host).known_hosts


@pytest.mark.parametrize("token", ["short", "ümlaut-ümlaut-ümlaut"])
def test_a_token_that_is_no_good_is_refused(token):
    with pytest.raises(UsageError, match="16 or more ASCII"):
        Settings(token=token)


def test_the_token_is_that_of_the_file_else_of_the_environment(tmp_path):
    (tmp_path / "token").write_text(f" {TOKEN}\n")
    assert token_from(tmp_path / "token", {"TRINE_SERVE_TOKEN": "other"}) == TOKEN
    assert token_from(None, {"TRINE_SERVE_TOKEN": TOKEN}) == TOKEN
    assert token_from(None, {"TRINE_SERVE_TOKEN": ""}) is None
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(UsageError, match="--token-file"):
            token_from(path, {})
