"""`SyslogSource`: messages of syslog over UDP, TCP or TLS, of RFC 3164 or RFC 5424, as lines.

The head of a message stays in its line: the formats `syslog` and `syslog5424` read it. Syslog has no answers: a
sender does not learn what arrived. Nothing is read from a connection before it is asked for, so that a slow detector
slows down senders over TCP; datagrams that the system's buffer cannot hold are lost before this program sees them.
"""

import re
import selectors
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, cast

from trine.datasets.lines import MAX_LINE, NOT_UTF8, Skips
from trine.errors import UsageError
from trine.live.listening import listening
from trine.live.source import Batch, Notes
from trine.log_formats.escapes import without_escapes
from trine.log_formats.log_event import Line
from trine.logs.encodings import CUT, KEPT

Transport = Literal["udp", "tcp", "tls"]

_READ: Final = 1 << 16
_MOST_CONNECTIONS: Final = 1000
_COUNT: Final = re.compile(rb"([1-9]\d{0,8}) ")
_MOST_DIGITS: Final = 10
_CLOSED: Final = "connection closed in the middle of a message"


class Frames:
    """Divides the bytes of a connection into messages: by octet counts, or by line breaks where there are none.

    A message longer than `MAX_LINE` is cut, and never held as a whole.
    """

    def __init__(self) -> None:
        self._data = b""
        self._skip = 0
        """Bytes of a cut message with an octet count that are still to come."""
        self._in_cut = False
        """Whether the rest of a cut line is still to come."""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """The messages that these bytes complete, and whether each was cut."""
        self._data += data
        while self._data:
            if self._skip:
                skipped = min(self._skip, len(self._data))
                self._data, self._skip = self._data[skipped:], self._skip - skipped
                continue
            counted = None if self._in_cut else _COUNT.match(self._data[: _MOST_DIGITS + 1])
            message = self._counted(counted) if counted else self._line()
            if message is None:
                return
            if message[0]:
                yield message

    def rest(self) -> bytes:
        """What came of the last message."""
        data, self._data = self._data, b""
        return b"" if self._in_cut or self._skip else data

    def _counted(self, count: "re.Match[bytes]") -> tuple[bytes, bool] | None:
        size, start = int(count[1]), count.end()
        if size > MAX_LINE:
            if len(self._data) < start + KEPT:
                return None
            message, self._skip = self._data[start : start + KEPT], size - KEPT
            self._data = self._data[start + KEPT :]
            return message, True
        if len(self._data) < start + size:
            return None
        message, self._data = self._data[start : start + size], self._data[start + size :]
        return message, False

    def _line(self) -> tuple[bytes, bool] | None:
        """The next line; also a zero byte ends one. An empty message: the rest of a line that was cut."""
        if not self._in_cut and self._data.isdigit() and len(self._data) < _MOST_DIGITS:
            return None  # the beginning of an octet count
        ends = [end for end in (self._data.find(b"\n"), self._data.find(b"\0")) if end >= 0]
        if not ends:
            if self._in_cut:
                self._data = b""
            if len(self._data) <= MAX_LINE:
                return None
            message, self._data, self._in_cut = self._data[:KEPT], b"", True
            return message, True
        message, self._data = self._data[: min(ends)], self._data[min(ends) + 1 :]
        if self._in_cut:
            self._in_cut = False
            return b"", False
        return (message[:KEPT], True) if len(message) > MAX_LINE else (message, False)


class _Connection:
    """One sender over TCP or TLS."""

    def __init__(self, opened: socket.socket, peer: str) -> None:
        self.socket, self.peer, self.frames = opened, peer, Frames()


class SyslogSource:
    """A server for syslog messages.

    host, port          where it listens; port 0: any that is free
    certificate, key    files for TLS

    Raises `DataError` if it cannot listen there, `UsageError` for a certificate that cannot be used.
    """

    def __init__(
        self,
        transport: Transport,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self.name, self.ended = f"syslog+{transport}://{host}:{port}", False
        self.files, self.skips = [self.name], Skips(self.name)
        self._notes, self._lines = Notes(self.skips), 0
        self._tls = _tls(certificate, key) if transport == "tls" else None
        self._server = listening(self.name, host, port, datagrams=transport == "udp")
        self._is_udp = transport == "udp"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._connections: dict[int, _Connection] = {}

    @property
    def port(self) -> int:
        """Where it listens."""
        return cast(int, self._server.getsockname()[1])

    def resume(self, position: Any | None) -> None:
        """Go on counting: nothing that was sent before comes again."""
        self._lines = 0 if position is None else int(position)

    def poll(self, most: int) -> list[Batch]:
        """The messages that have arrived."""
        lines: list[Line] = []
        while len(lines) < most and not self.ended:
            ready = self._selector.select(0)
            if not ready:
                break
            for key, _ in ready:
                if key.fileobj is not self._server:
                    self._read(self._connections[key.fd], lines)
                elif self._is_udp:
                    self._receive(most, lines)
                else:
                    self._accept()
        return [Batch(lines, self._lines)] if lines else []

    def head(self, file: int) -> list[str]:
        """None: nothing can be read again."""
        return []

    def close(self) -> None:
        """Stop listening, and close all connections."""
        if self.ended:
            return
        self.ended = True
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._server.close()

    def _receive(self, most: int, lines: list[Line]) -> None:
        with suppress(BlockingIOError):
            while len(lines) < most:
                data, peer = self._server.recvfrom(_READ)
                self._add(data, str(peer[0]), lines)

    def _accept(self) -> None:
        try:
            opened, address = self._server.accept()
        except OSError:
            return
        peer = str(address[0])
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._notes.add(f"more than {_MOST_CONNECTIONS:,} connections, left out", peer)
            opened.close()
            return
        opened.setblocking(False)
        if self._tls is not None:
            opened = self._tls.wrap_socket(opened, server_side=True, do_handshake_on_connect=False)
        connection = _Connection(opened, peer)
        self._connections[opened.fileno()] = connection
        self._selector.register(opened, selectors.EVENT_READ)

    def _read(self, connection: _Connection, lines: list[Line]) -> None:
        try:
            while True:
                data = connection.socket.recv(_READ)
                if not data:
                    self._end(connection, lines)
                    return
                for message, cut in connection.frames.feed(data):
                    self._add(message, connection.peer, lines, cut=cut)
                if not (isinstance(connection.socket, ssl.SSLSocket) and connection.socket.pending()):
                    return
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except ssl.SSLEOFError:
            self._end(connection, lines)
        except ssl.SSLError as problem:
            self._notes.add("a TLS connection failed, left out", f"{connection.peer} ({problem.reason})")
            self._drop(connection)
        except OSError as problem:
            self._notes.add("a connection broke", f"{connection.peer} ({problem.strerror})")
            self._end(connection, lines)

    def _end(self, connection: _Connection, lines: list[Line]) -> None:
        rest = connection.frames.rest()
        if rest.strip(b"\r\n\0"):
            if _COUNT.match(rest):
                self._notes.add(_CLOSED, f"{connection.peer} after message {self._lines}")
            self._add(_COUNT.sub(b"", rest, count=1) if _COUNT.match(rest) else rest, connection.peer, lines)
        self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        number = connection.socket.fileno()
        with suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        self._connections.pop(number, None)
        connection.socket.close()

    def _add(self, message: bytes, peer: str, lines: list[Line], *, cut: bool = False) -> None:
        """A message as a line. Line breaks in it become `#012`, as rsyslog writes them to files."""
        self._lines += 1
        where = f"message {self._lines} from {peer}"
        if cut:
            self._notes.add(CUT, where)
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._notes.add(NOT_UTF8, where)
            text = message.decode(errors="backslashreplace")
        text = text.rstrip("\r\n\0").replace("\0", "\\x00").replace("\n", "#012")
        lines.append(Line(0, self._lines, without_escapes(text) if "\x1b" in text else text))


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    if certificate is None or key is None:
        raise UsageError("syslog+tls: needs ?cert=FILE&key=FILE, a certificate and its key in PEM")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.num_tickets = 0  # a sender that never reads would close with them unread, which resets the connection
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        raise UsageError(f"syslog+tls: {certificate}, {key}: cannot be used ({problem}); give PEM files") from None
    return context
