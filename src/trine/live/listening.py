"""Sockets of sources that others send to."""

import socket
from contextlib import suppress
from typing import Final

from trine.errors import DataError

_BUFFER: Final = 1 << 23
"""Bytes of the system's buffer for datagrams that are not read yet: 8 MiB, a second of 60,000 messages."""
_SO_RCVBUFFORCE: Final = 33


def listening(name: str, host: str, port: int, *, datagrams: bool = False) -> socket.socket:
    """A socket for streams or datagrams that listens and does not block. Raises `DataError`.

    name   the source, for messages
    host   an address of this machine
    port   0: any that is free
    """
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    try:
        family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
        server = socket.socket(family, kind, protocol)  # without a protocol, asyncio leaves Nagle's delay on
    except OSError as problem:
        raise DataError(f"{name}: cannot listen ({problem.strerror}); give an address of this machine") from None
    try:
        if datagrams:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            with suppress(OSError):  # beyond the system's limit, for root only
                server.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        else:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        if not datagrams:
            server.listen(128)
        server.setblocking(False)
    except OSError as problem:
        server.close()
        raise DataError(f"{name}: cannot listen ({problem.strerror}); give another port or address") from None
    return server
