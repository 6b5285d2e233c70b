"""A small web service that is weak on purpose: loopback only, one forked process per connection.

`python -m hostlab_recorder.service CONFIG.json` prints `port pid` as soon as it listens, and ends on SIGTERM. Every
request must carry the random key of the run, so that only the recorder gets answers. Never bind it to another address.
"""

import contextlib
import encodings.idna  # noqa: F401  (loaded here and not in every process that follows)
import http.server
import json
import os
import resource
import signal
import socketserver
import sys
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qsl, urlsplit

from hostlab_recorder.pages import PAGES, Answer, Request, Site

CHUNK = 1 << 16
CPU_SECONDS, FILE_BYTES = 20, 32 << 20


class Service(socketserver.ForkingMixIn, socketserver.TCPServer):
    """Forks a process per connection, at most `max_children` at once."""

    allow_reuse_address = True
    request_queue_size = 64
    max_children = 24

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.site = site
        self.access_log = (site.root / "var" / "access.log").open("ab", buffering=0)


class Connection(http.server.BaseHTTPRequestHandler):
    """Answers the requests of one client in order; a request without the key gets status 403."""

    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10

    def answer(self) -> None:
        """Answer one request of any method."""
        self.expected = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("X-Key") != self.server.site.key:
            self.close_connection = True
            self.reply(Answer(b"who are you?", 403))
        else:
            self.reply(self.page())
            self.drain()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def page(self) -> Answer:
        """Answer of the page at the address; 404 if a file cannot be read."""
        address = urlsplit(self.path)
        head, _, name = address.path.strip("/").partition("/")
        page = PAGES.get((self.command.replace("HEAD", "GET"), head))
        if page is None:
            return Answer(b"no such page", 404)
        request = Request(name, dict(parse_qsl(address.query)), dict(self.headers.items()), self.body)
        try:
            return page(self.server.site, request)
        except OSError as error:
            return Answer(str(error.strerror).encode(), 404)

    def body(self, size: int = -1) -> bytes:
        """Read up to `size` bytes of the request's body, by default all remaining bytes."""
        size = self.expected if size < 0 else min(size, self.expected)
        self.expected -= size
        return self.rfile.read(size)

    def drain(self) -> None:
        """Read the bytes that a page left unread, so that the next request starts at its head."""
        while self.expected:
            self.body(CHUNK)

    def reply(self, answer: Answer) -> None:
        """Send the head and, except for HEAD requests, the body."""
        size = len(answer.body) if isinstance(answer.body, bytes) else answer.size
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.send(answer.body)

    def send(self, body: bytes | Path) -> None:
        """Send bytes, or a file in pieces."""
        if isinstance(body, bytes):
            self.wfile.write(body)
            return
        with body.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                self.wfile.write(chunk)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Write one line to the access log."""
        self.server.access_log.write(f"{self.client_address[1]} {format % arguments}\n".encode())

    def handle(self) -> None:
        """Answer until the client closes the connection."""
        with contextlib.suppress(OSError):  # the client left
            super().handle()


def stop(number: int, frame: FrameType | None) -> None:
    """Signal handler of SIGTERM: leave the `with` block of the service."""
    raise SystemExit(0)


def main(config: Path) -> None:
    """Serve until SIGTERM; `config` is a JSON file with root, key, store and seed."""
    settings = json.loads(config.read_text())
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    site = Site(Path(settings["root"]), settings["key"], settings["store"], settings["seed"])
    with Service(site) as service:
        signal.signal(signal.SIGTERM, stop)
        print(service.server_address[1], os.getpid(), flush=True)
        service.serve_forever(poll_interval=0.2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
