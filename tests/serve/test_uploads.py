"""Uploads that mean harm: bombs, cut files, wrong types. None fails the service, and none stays in its memory."""

import io
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

QUIET = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ROUTES = ("/api/models/photos/classify", "/api/models/drawings/encode")
KINDS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "ICO", "PPM")


def png(width, height, rows):
    """A PNG that says one size and has these rows."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def file(kind, size=(30, 20)):
    content = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(content, kind)
    return content.getvalue()


BOMBS = {
    "a picture of 9 gigapixels in 100 bytes": png(95_000, 95_000, b"\0"),
    "30 megapixels of zeros in 90 KB": png(6_000, 5_000, bytes(5_000 * 18_001)),
    "a picture within an icon that is larger than the icon says": b"\0\0\1\0\1\0\x20\x20\0\0\1\0\x20\0"
    + struct.pack("<II", len(png(95_000, 95_000, b"\0")), 22)
    + png(95_000, 95_000, b"\0"),
    "a TIFF of 4 gigapixels": b"II*\0\x08\0\0\0\x04\0"
    + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 65_000), (257, 65_000), (273, 8), (279, 9))
    )
    + bytes(4),
    "text of 50 MB behind a PNG's header": png(8, 8, bytes(8 * 25))[:33]
    + struct.pack(">I", 60_000)
    + b"zTXt"
    + b"k\0\0"
    + zlib.compress(bytes(50_000_000), 9)[:59_997],
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("path", ROUTES)
def test_a_bomb_is_refused_and_leaves_nothing_in_memory(service, path, bomb):
    before = service.memory()
    for _ in range(3):
        answer = service.post(path, files={"pictures": ("bomb.png", bomb)})
        assert answer.status_code in (413, 422) or "error" in answer.json()["pictures"][0]
    assert service.memory() - before < 64 << 20


def test_a_picture_over_the_limit_is_said_to_be_one(service):
    answer = service.post(ROUTES[0], files={"pictures": ("big.png", BOMBS["30 megapixels of zeros in 90 KB"])})
    assert (answer.status_code, answer.json()["error"]) == (413, "big.png: 6000×5000: the limit is 25,000,000 pixels")


@QUIET
@given(
    kind=st.sampled_from(KINDS),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4),
    path=st.sampled_from(ROUTES),
)
def test_any_picture_cut_or_altered_is_answered_or_refused(service, kind, cut, changes, path):
    content = bytearray(file(kind))
    for at, new in changes:
        start = int(at * len(content))
        content[start : start + len(new)] = new
    answer = service.post(path, files={"pictures": (f"picture.{kind}", bytes(content[: 1 + int(cut * len(content))]))})
    assert answer.status_code in (200, 413, 422)


@QUIET
@given(
    content=st.binary(max_size=300),
    name=st.text(max_size=20),
    kind=st.sampled_from(["image/png", "text/html", "", "x/y"]),
)
def test_any_bytes_under_any_name_and_type_are_refused(service, content, name, kind):
    answer = service.post(ROUTES[1], files={"pictures": (name or "x", content, kind)})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(("unreadable", "truncated", "body"))


@QUIET
@given(body=st.binary(max_size=400), boundary=st.sampled_from(["x", "", '"', "x" * 300]))
def test_any_body_that_says_to_be_a_form_is_refused(service, body, boundary):
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = service.post(ROUTES[0], data=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert list(answer.json()) == ["error"]


def test_a_form_of_many_small_parts_is_refused(service):
    many = [("pictures", (f"{n}.png", b"x")) for n in range(300)]
    answer = service.post(ROUTES[0], files=many)
    assert (answer.status_code, answer.json()["error"]) == (413, "300 files in one request: the limit is 256")


def test_memory_is_flat_over_many_requests(service):
    """After a start, when caches have filled, pictures and logs leave nothing behind."""
    picture, log = file("PNG", (600, 400)), "Jan  1 00:00:01 host sshd[1]: Connection opened\n" * 500

    def ask(times):
        for _ in range(times):
            assert service.post(ROUTES[0], files=[("pictures", ("a.png", picture))] * 4).status_code == 200
            assert service.post("/api/models/sshd/sessions", json={"log": log}).status_code == 200

    ask(10)
    before = service.memory()
    ask(30)
    assert service.memory() - before < 24 << 20
