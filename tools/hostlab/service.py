"""A small web service to be watched: one forked process a connection, loopback only.

Run as `python -m hostlab.service CONFIG.json`; prints `port pid` once it listens. It ends on SIGTERM.

It is weak on purpose, so every request must carry the run's random key: no one but the recorder gets an answer.
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

from hostlab.pages import PAGES, Answer, Request, Site

CHUNK = 1 << 16
CPU_SECONDS, FILE_BYTES = 20, 32 << 20


class Service(socketserver.ForkingMixIn, socketserver.TCPServer):
    """Forks a process for every connection, at most `max_children` at once."""

    allow_reuse_address = True
    request_queue_size = 64
    max_children = 24

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.site = site
        self.access_log = (site.root / "var" / "access.log").open("ab", buffering=0)


class Connection(http.server.BaseHTTPRequestHandler):
    """All requests of one client, one after another; no answer without the key."""

    server: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10

    def answer(self) -> None:
        """One request, whatever its method."""
        self.expected = int(self.headers.get("Content-Length") or 0)
        if self.headers.get("X-Key") != self.server.site.key:
            self.close_connection = True
            self.reply(Answer(b"who are you?", 403))
        else:
            self.reply(self.page())
            self.drain()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def page(self) -> Answer:
        """The answer of the page at the address; what cannot be read is 404."""
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
        """Up to `size` bytes of the request's body, or all that is left of it."""
        size = self.expected if size < 0 else min(size, self.expected)
        self.expected -= size
        return self.rfile.read(size)

    def drain(self) -> None:
        """Reads what a page left unread, so that the next request begins where it should."""
        while self.expected:
            self.body(CHUNK)

    def reply(self, answer: Answer) -> None:
        """The head, and the body unless only the head was asked for."""
        size = len(answer.body) if isinstance(answer.body, bytes) else answer.size
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.send(answer.body)

    def send(self, body: bytes | Path) -> None:
        """A file goes out piece by piece."""
        if isinstance(body, bytes):
            self.wfile.write(body)
            return
        with body.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                self.wfile.write(chunk)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """One line in the access log."""
        self.server.access_log.write(f"{self.client_address[1]} {format % arguments}\n".encode())

    def handle(self) -> None:
        """Until the client leaves."""
        with contextlib.suppress(OSError):  # the client left
            super().handle()


def stop(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends the service by way of its `with` block."""
    raise SystemExit(0)


def main(config: Path) -> None:
    """Serves until SIGTERM; `config` is JSON with root, key, store and seed."""
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
