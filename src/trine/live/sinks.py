"""Where findings go: standard output, a file, syslog, a webhook; a topic of Kafka stands in `kafka_sink.py`.

A sink takes findings, or raises `SinkDown` (nothing can be sent at present: all wait) or `Refused` (this finding is not
taken: it is tried again a few times, then it is a dead letter). `delivery.py` decides when.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from trine.errors import UsageError, nearest
from trine.live.circumstances import Circumstances, severity
from trine.live.finding import LiveFinding
from trine.live.finding_formats import FORMATS

TIMEOUT: Final = 10.0
"""Seconds to wait for the other side."""
_LOCAL0: Final = 16
_LEVELS: Final = {"low": 5, "medium": 4, "high": 2}
"""Levels of syslog: notice, warning, critical."""
_TRY_LATER: Final = frozenset({408, 425, 429, 502, 503, 504})
"""Answers of HTTP that are about the server and not about the finding."""


class SinkDown(Exception):  # noqa: N818  (it is a state, not a mistake)
    """Nothing can be sent at present. `after`: seconds that the other side asked to wait."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Refused(Exception):  # noqa: N818
    """The other side does not take this finding."""


@runtime_checkable
class Sink(Protocol):
    """Takes findings."""

    name: str
    """For people, and the key of what it still has to get."""

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Send them all. Raises `SinkDown`, after which they are sent again; of a single finding also `Refused`."""

    def close(self) -> None:
        """Close files and connections."""


class StdoutSink:
    """A line per finding on standard output."""

    def __init__(self, formatted: str | None, circumstances: Circumstances) -> None:
        self.name = "stdout"
        self._format = FORMATS[formatted or ("text" if sys.stdout.isatty() else "json")]
        self._circumstances = circumstances

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Print the lines. Raises `SinkDown` if no one reads them."""
        try:
            for finding in findings:
                sys.stdout.write(self._format(finding, self._circumstances) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError) as problem:
            raise SinkDown(str(problem)) from None

    def close(self) -> None:
        """Nothing to close."""


class FileSink:
    """A line per finding at the end of a file, which can be rotated: it is opened anew for each write."""

    def __init__(self, path: Path, formatted: str | None, circumstances: Circumstances) -> None:
        self.name = f"file:{path}"
        self._path, self._circumstances = path, circumstances
        self._format = FORMATS[formatted or "json"]

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Append the lines, on the disk when this returns. Raises `SinkDown`, with nothing left of them in the file."""
        lines = "".join(self._format(finding, self._circumstances) + "\n" for finding in findings).encode()
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise SinkDown(f"{self._path}: {problem.strerror}") from None
        size = os.fstat(handle).st_size
        try:
            if size and os.pread(handle, 1, size - 1) != b"\n":  # a process was killed in the middle of a line
                lines = b"\n" + lines
            while lines:
                lines = lines[os.write(handle, lines) :]
            os.fsync(handle)
        except OSError as problem:
            with suppress(OSError):
                os.ftruncate(handle, size)
            raise SinkDown(f"{self._path}: {problem.strerror}") from None
        finally:
            os.close(handle)

    def close(self) -> None:
        """Nothing to close."""


class SyslogSink:
    """Messages of RFC 5424 with CEF as their text, over UDP, or over TCP with octet counting (RFC 6587)."""

    def __init__(
        self, host: str, port: int, formatted: str | None, circumstances: Circumstances, *, over_tcp: bool
    ) -> None:
        self.name = f"syslog+{'tcp' if over_tcp else 'udp'}://{host}:{port}"
        self._to, self._over_tcp, self._circumstances = (host, port), over_tcp, circumstances
        self._format = FORMATS[formatted or "cef"]
        self._socket: socket.socket | None = None

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Send a message each. Raises `SinkDown`."""
        try:
            connection = self._connected()
            for finding in findings:
                message = self._message(finding)
                connection.sendall(b"%d %s" % (len(message), message) if self._over_tcp else message)
        except OSError as problem:
            self.close()
            raise SinkDown(f"{self.name}: {problem.strerror or problem}") from None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._over_tcp and _is_closed(self._socket):
            self.close()
        if self._socket is None:
            if self._over_tcp:
                self._socket = socket.create_connection(self._to, TIMEOUT)
            else:
                family, kind, protocol, _, address = socket.getaddrinfo(*self._to, type=socket.SOCK_DGRAM)[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.connect(address)
        return self._socket

    def _message(self, finding: LiveFinding) -> bytes:
        priority = _LOCAL0 * 8 + _LEVELS[severity(finding)]
        now = datetime.fromtimestamp(self._circumstances.clock(), UTC).isoformat(timespec="milliseconds")
        host = socket.gethostname() or "-"
        text = self._format(finding, self._circumstances)
        return f"<{priority}>1 {now.replace('+00:00', 'Z')} {host} trine {os.getpid()} finding - {text}".encode()


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection on which it never sends anything."""
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(TIMEOUT)


class WebhookSink:
    """A POST per finding. Redirects are not followed: the findings go where the user said and nowhere else."""

    def __init__(self, url: str, formatted: str | None, circumstances: Circumstances) -> None:
        import requests

        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        self.name = f"{parts.scheme}://{parts.hostname}{port}{parts.path}"  # without passwords and tokens
        self._url, self._circumstances = url, circumstances
        self._format = FORMATS[formatted or "json"]
        self._kind = "application/json" if formatted not in ("text", "cef") else "text/plain; charset=utf-8"
        self._session = requests.Session()

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Post them. Raises `SinkDown`, `Refused`."""
        for finding in findings:
            self._post(finding)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _post(self, finding: LiveFinding) -> None:
        import requests

        body = self._format(finding, self._circumstances).encode()
        headers = {
            "Content-Type": self._kind,
            "User-Agent": f"trine/{self._circumstances.version}",
            "Idempotency-Key": f"{finding.id}-{finding.revision}",
        }
        try:
            answer = self._session.post(
                self._url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
            )
            answer.close()
        except requests.RequestException as problem:
            raise SinkDown(f"{self.name}: {type(problem).__name__}") from None
        if answer.status_code in _TRY_LATER:
            raise SinkDown(f"{self.name}: answered {answer.status_code}", _seconds(answer.headers.get("Retry-After")))
        if not 200 <= answer.status_code < 300:
            raise Refused(f"answered {answer.status_code} {answer.reason}")


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after or ""))
    except ValueError:
        return None


def parse_sink(text: str, circumstances: Circumstances, kafka: Mapping[str, str] | None = None) -> Sink:
    """The sink that a word of the command means; `#FORMAT` at its end sets the format.

    `stdout`, `file:alerts.jsonl`, `syslog+udp://host:514`, `syslog+tcp://host:601`, `https://host/path#ocsf`,
    `kafka://host:9092/topic`

    kafka   further properties of Kafka's client
    Raises `UsageError`; `DataError` for a topic that is absent.
    """
    word, mark, formatted = text.rpartition("#")
    if not mark:
        word, formatted = text, ""
    elif formatted not in FORMATS:
        raise UsageError(
            f"--sink {text}: no format {formatted!r}; give {', '.join(FORMATS)}{nearest(formatted, FORMATS)}"
        )
    scheme = word.partition(":")[0]
    if word == "stdout":
        return StdoutSink(formatted or None, circumstances)
    if scheme == "file" and word[5:]:
        return FileSink(Path(word[5:].removeprefix("//")), formatted or None, circumstances)
    if scheme == "kafka":
        from trine.live.kafka_brokers import Address
        from trine.live.kafka_sink import KafkaSink

        return KafkaSink(Address.parse(word), kafka or {}, formatted or None, circumstances)
    try:
        parts = urlsplit(word)
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise UsageError(f"--sink {text}: {problem}") from None
    if scheme in ("syslog+udp", "syslog+tcp") and host:
        over_tcp = scheme == "syslog+tcp"
        return SyslogSink(host, port or (601 if over_tcp else 514), formatted or None, circumstances, over_tcp=over_tcp)
    if scheme in ("http", "https") and host:
        return WebhookSink(word, formatted or None, circumstances)
    raise UsageError(
        f"--sink {text}: no sink; give stdout, file:PATH, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, https://… "
        "or kafka://HOST:PORT/TOPIC"
    )
