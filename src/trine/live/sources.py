"""From a word of the command line to the source that it means."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from trine.errors import UsageError, nearest
from trine.live.source import Source

_LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514, "http": 4318}
_OPTIONS: Final = {
    "syslog+tls": ("cert", "key"),
    "journald": ("unit", "identifier", "priority", "directory", "namespace"),
}


def parse_sources(words: Sequence[str], *, follow: bool = True) -> list[Source]:
    """One source per word. Raises `UsageError` for a word that is given twice; what it opened is closed then."""
    twice = next((word for position, word in enumerate(words) if word in words[:position]), None)
    if twice is not None:
        raise UsageError(f"{twice}: given twice; give each source once")
    sources: list[Source] = []
    try:
        sources.extend(parse_source(word, follow=follow) for word in words)
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def parse_source(text: str, *, follow: bool = True) -> Source:
    """The source that a word means. Servers listen on this machine alone unless a host is given.

    /var/log/auth.log, '/var/log/*.log', a folder      files, through rotation
    -                                                   standard input
    journald:?unit=ssh.service                          the journal of systemd, or a part of it
    syslog+udp://:5514, syslog+tcp://0.0.0.0:5514       syslog
    syslog+tls://0.0.0.0:6514?cert=FILE&key=FILE        syslog over TLS
    http://:4318                                        JSON lines, OTLP, Elasticsearch's bulk requests

    follow   whether files are read on at their end; else such a source ends there
    Raises `UsageError`; `DataError` for an address that cannot be listened at, and a standard input that is closed.
    """
    scheme, mark, _ = text.partition(":")
    if text in ("-", "/dev/stdin"):
        from trine.live.stdin_source import StdinSource

        return StdinSource()
    if not follow and ("://" in text or (mark and scheme == "journald")):
        raise UsageError(f"{text}: has no end, and --once reads to the end; leave --once out, or give files or -")
    if mark and scheme == "journald":
        from trine.live.journal_source import JournalSource

        options = _options(text, scheme, urlsplit(text).query)
        return JournalSource([f"--{name}={value}" for name, value in options.items()])
    if "://" in text:
        return _server(text)
    if not text.strip():
        raise UsageError("an empty word is no source; give a file, - or an address such as syslog+tcp://:5514")
    if Path(text).exists() and not (Path(text).is_file() or Path(text).is_dir()):
        raise UsageError(f"{text}: a named pipe or a device; read it with cat {text} | trine detect watch … -")
    from trine.live.file_source import FileSource

    return FileSource([text], follow=follow)


def _server(text: str) -> Source:
    if text.startswith("kafka://"):
        raise UsageError(f"{text}: a topic is read alone; start another `trine detect watch` for the other sources")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as problem:
        raise UsageError(f"{text}: {problem}; write it as syslog+tcp://HOST:PORT") from None
    scheme = parts.scheme
    if scheme not in _PORTS:
        known = ", ".join(f"{name}://" for name in _PORTS)
        raise UsageError(f"{text}: no source; give a file, -, journald:, kafka:// or {known}{nearest(scheme, _PORTS)}")
    return _opened(text, parts, parts.hostname or _LOOPBACK, _PORTS[scheme] if port is None else port)


def _opened(text: str, parts: SplitResult, host: str, port: int) -> Source:
    scheme = parts.scheme
    options = _options(text, scheme, parts.query)
    if scheme == "http":
        from trine.live.http_source import HttpSource

        return HttpSource(host, port)
    from trine.live.syslog_source import SyslogSource

    files = {name: Path(value) for name, value in options.items()}
    if scheme == "syslog+tls":
        return SyslogSource("tls", host, port, files.get("cert"), files.get("key"))
    return SyslogSource("udp" if scheme == "syslog+udp" else "tcp", host, port)


def _options(text: str, scheme: str, query: str) -> dict[str, str]:
    known = _OPTIONS.get(scheme, ())
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            which = f"{', '.join(known)} can be given" if known else "leave it out"
            raise UsageError(f"{text}: no option {name!r} here; {which}{nearest(name, known)}")
    return options
