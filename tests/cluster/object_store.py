"""A small object store on this machine: as much of S3's protocol as pyarrow uses to list, read and write."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class ObjectStore:
    """Objects by key, and the query that an address needs to reach them."""

    def __init__(self, port: int) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.denied = False
        """Whether every request is refused."""
        self._query = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1&allow_bucket_creation=false"

    def address(self, path: str) -> str:
        """The address of a path such as `bucket/folder`."""
        return f"s3://key:secret@{path}?{self._query}"


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Serve an empty store with a bucket `bucket`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    store = ObjectStore(server.server_address[1])
    server.store = store  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *given: object) -> None:  # noqa: A002
        return

    @property
    def store(self) -> ObjectStore:
        return self.server.store  # type: ignore[attr-defined,no-any-return]

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix("/bucket").removeprefix("/")

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def do_HEAD(self) -> None:
        if self.store.denied:
            self.answer(403)
        elif self.key == "" or self.key in self.store.objects:
            body = self.store.objects.get(self.key, b"")
            self.answer(200, length=len(body))
        else:
            self.answer(404)

    def do_GET(self) -> None:
        if self.store.denied:
            self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
        elif "list-type" in self.query:
            self.answer(200, self.listing())
        elif self.key in self.store.objects:
            body = self.store.objects[self.key]
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            part = body[int(first) : int(last) + 1 if last else None]
            self.answer(206 if "Range" in self.headers else 200, part)
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.chunked()
        if self.headers.get("Content-Encoding") == "aws-chunked" or "x-amz-decoded-content-length" in self.headers:
            body = unchunked(body)
        if "partNumber" in self.query:
            self.store.uploads[self.key][int(self.query["partNumber"])] = body
        else:
            self.store.objects[self.key] = body
        self.answer(200, etag=hashlib.md5(body).hexdigest())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = "CompleteMultipartUploadResult"
        if "uploads" in self.query:
            self.store.uploads[self.key] = {}
            name = "InitiateMultipartUploadResult"
        else:
            parts = self.store.uploads.pop(self.key)
            self.store.objects[self.key] = b"".join(parts[number] for number in sorted(parts))
        self.answer(200, f"<{name}><Key>{self.key}</Key><UploadId>1</UploadId><ETag>x</ETag></{name}>".encode())

    def chunked(self) -> bytes:
        """A body that is sent in chunks of HTTP."""
        content = b""
        while count := int(self.rfile.readline().split(b";")[0], 16):
            content += self.rfile.read(count)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def listing(self) -> bytes:
        prefix = self.query.get("prefix", "")
        found, folders = [], set[str]()
        for key in sorted(self.store.objects):
            if not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if "delimiter" in self.query and "/" in rest:
                folders.add(prefix + rest.split("/")[0] + "/")
            else:
                found.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(self.store.objects[key])}</Size></Contents>"
                )
        inside = [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)]
        count = len(found) + len(inside)
        head = f"<Name>bucket</Name><KeyCount>{count}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{head}{''.join(found)}{''.join(inside)}</ListBucketResult>".encode()

    def answer(self, status: int, body: bytes = b"", *, length: int | None = None, etag: str = "x") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def unchunked(body: bytes) -> bytes:
    """The content of a body that is sent in signed chunks."""
    content = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        count = int(size.split(b";")[0], 16)
        if count == 0:
            break
        content, body = content + rest[:count], rest[count + 2 :]
    return content
