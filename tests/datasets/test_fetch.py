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
    """Serves one file; the connection breaks after `breaks_after` bytes, unless that is None."""

    body = BODY
    breaks_after: int | None = None
    ranges: list[str | None]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.server.ranges.append(requested)
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
        if start >= len(self.server.body) and requested:
            self.send_error(416)
            return
        self.send_response(206 if requested else 200)
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


def test_a_set_is_downloaded_to_its_path(server, tmp_path):
    path = fetch(named(server), tmp_path)
    assert (path / "train-images-idx3-ubyte.gz").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_an_interrupted_download_continues_where_it_stopped(server, tmp_path):
    server.breaks_after = 3 * CHUNK
    with pytest.raises(DataError, match=r"cannot be fetched .*: try again; the download continues where it stopped"):
        fetch(named(server), tmp_path)
    server.breaks_after = None
    path = fetch(named(server), tmp_path)
    assert server.ranges == [None, f"bytes={3 * CHUNK}-"]
    assert (path / "train-images-idx3-ubyte.gz").read_bytes() == BODY


def test_a_complete_download_is_not_fetched_again(server, tmp_path):
    (tmp_path / "train-images-idx3-ubyte.gz.partial").write_bytes(BODY)
    path = fetch(named(server), tmp_path)
    assert (path / "train-images-idx3-ubyte.gz").read_bytes() == BODY


def test_a_file_with_a_wrong_checksum_is_refused_and_not_kept(server, tmp_path):
    wanted = named(server)
    server.body = BODY[::-1]
    with pytest.raises(DataError, match="is not the official file"):
        fetch(wanted, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_archive_is_unpacked_to_the_path_of_the_set(server, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("mnist/train-images-idx3-ubyte")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    path = fetch(named(server, "set.tar.gz", buffer.getvalue()), tmp_path)
    assert (path / "train-images-idx3-ubyte").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["mnist"]


def test_a_missing_server_is_a_clear_error(tmp_path):
    gone = dataclasses.replace(CATALOGUE["mnist"], downloads={"http://127.0.0.1:9/x.gz": "0" * 32})
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x\.gz: cannot be fetched"):
        fetch(gone, tmp_path)


def test_a_set_without_an_address_names_the_path_to_put_it_at(tmp_path):
    with pytest.raises(DataError, match=r"has no address .*adfa-ld\.tsv\.gz.*Creech.*--data-dir or TRINE_DATA"):
        fetch(CATALOGUE["adfa-ld"], tmp_path)


def test_a_set_inside_a_package_needs_no_fetching(tmp_path):
    assert fetch(CATALOGUE["digits"], tmp_path) is None
