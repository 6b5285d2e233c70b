import dataclasses
import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trine.datasets.catalogue import CATALOGUE, NamedSet
from trine.datasets.fetch import CHUNK, fetch
from trine.errors import DataError

BODY = bytes(range(256)) * (6 * CHUNK // 256)


class Server(ThreadingHTTPServer):
    """Serves one file; goes silent after `breaks_after` bytes while that is set."""

    body = BODY
    breaks_after: int | None = None
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(self.server.body) and asked:
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(self.server.body) - start))
        self.end_headers()
        end = len(self.server.body) if self.server.breaks_after is None else self.server.breaks_after
        self.wfile.write(self.server.body[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.ranges = []
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def named(server: Server, file: str = "train-images-idx3-ubyte.gz", body: bytes = BODY) -> NamedSet:
    server.body = body
    address = f"http://127.0.0.1:{server.server_port}/{file}"
    md5 = hashlib.md5(body).hexdigest()
    return dataclasses.replace(CATALOGUE["mnist"], downloads={address: md5})


def test_a_set_is_brought_to_its_place(server, tmp_path):
    place = fetch(named(server), tmp_path)
    assert (place / "train-images-idx3-ubyte.gz").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_a_broken_download_goes_on_where_it_broke(server, tmp_path):
    server.breaks_after = 3 * CHUNK
    with pytest.raises(DataError, match=r"cannot be fetched .*: try again; what came so far is kept"):
        fetch(named(server), tmp_path)
    server.breaks_after = None
    place = fetch(named(server), tmp_path)
    assert server.ranges == [None, f"bytes={3 * CHUNK}-"]
    assert (place / "train-images-idx3-ubyte.gz").read_bytes() == BODY


def test_a_download_that_was_whole_already_is_not_fetched_again(server, tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz.partial").write_bytes(BODY)
    place = fetch(named(server), tmp_path)
    assert (place / "train-images-idx3-ubyte.gz").read_bytes() == BODY


def test_a_file_with_another_checksum_is_refused_and_not_kept(server, tmp_path):
    wanted = named(server)
    server.body = BODY[::-1]
    with pytest.raises(DataError, match="is not the official file"):
        fetch(wanted, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_archive_is_unpacked_to_the_place(server, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("mnist/train-images-idx3-ubyte")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    place = fetch(named(server, "set.tar.gz", buffer.getvalue()), tmp_path)
    assert (place / "train-images-idx3-ubyte").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_no_server_is_one_line(tmp_path):
    gone = dataclasses.replace(CATALOGUE["mnist"], downloads={"http://127.0.0.1:9/x.gz": "0" * 32})
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x\.gz: cannot be fetched"):
        fetch(gone, tmp_path)


def test_a_set_without_an_address_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError, match=r"has no address .*adfa-ld\.tsv\.gz.*Creech.*--data-dir or TRINE_DATA"):
        fetch(CATALOGUE["adfa-ld"], tmp_path)


def test_a_set_inside_a_package_needs_no_fetching(tmp_path):
    assert fetch(CATALOGUE["digits"], tmp_path) is None
