"""Compressed streams, recognised by their content: gzip, bzip2, xz and Zstandard, also several in a row.

What can be unpacked before a stream is damaged or cut off is not lost; then `Damaged` is raised.
"""

import bz2
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Final

from trine.annotations import override
from trine.errors import DataError, UsageError

CHUNK = 1 << 18
"""Bytes that are read or unpacked at once: 256 KiB."""


class Damaged(DataError):  # noqa: N818  (it is a state of the stream, and rarely leaves this room)
    """A compressed stream or an archive ends too early or holds an error; all before it was read."""


class Decompressor(ABC):
    """Unpacks one stream, at most `CHUNK` bytes per call."""

    @abstractmethod
    def feed(self, data: bytes) -> bytes:
        """The next unpacked bytes; b"": more data are needed, or the stream has ended."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether the stream is complete."""

    @property
    @abstractmethod
    def unused(self) -> bytes:
        """What was given after the end of the stream."""


class _Gzip(Decompressor):
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @override
    def feed(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(self._stream.unconsumed_tail + data, CHUNK)
        except zlib.error as error:
            raise Damaged(f"damaged ({error})") from None

    @property
    @override
    def ended(self) -> bool:
        return self._stream.eof

    @property
    @override
    def unused(self) -> bytes:
        return self._stream.unused_data


class _Python(Decompressor):
    """bzip2, xz, and Zstandard of Python 3.14: their objects have the same methods."""

    def __init__(self, stream: Any, error: type[Exception]) -> None:
        self._stream, self._error = stream, error

    @override
    def feed(self, data: bytes) -> bytes:
        try:
            unpacked: bytes = self._stream.decompress(data, CHUNK)
        except (self._error, EOFError, ValueError) as error:
            raise Damaged(f"damaged ({error})") from None
        return unpacked

    @property
    @override
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    @override
    def unused(self) -> bytes:
        unused: bytes = self._stream.unused_data
        return unused


class _Zstandard(Decompressor):
    """The package `zstandard`, whose objects have no limit per call: they get little data at once."""

    _PIECE = 1 << 10
    """Bytes fed at once. Four bytes can unpack to 128 KiB, so that a call returns 32 MiB at most."""

    def __init__(self, package: Any) -> None:
        self._stream = package.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._error: type[Exception] = package.ZstdError
        self._pending = b""

    @override
    def feed(self, data: bytes) -> bytes:
        self._pending += data
        start, unpacked = 0, b""
        try:
            while start < len(self._pending) and not unpacked and not self._stream.eof:
                unpacked = self._stream.decompress(self._pending[start : start + self._PIECE])
                start += self._PIECE
        except self._error as error:
            raise Damaged(f"damaged ({error})") from None
        self._pending = self._pending[start:]
        return unpacked

    @property
    @override
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    @override
    def unused(self) -> bytes:
        return bytes(self._stream.unused_data) + self._pending


def _bzip2() -> Decompressor:
    return _Python(bz2.BZ2Decompressor(), OSError)


def _zstandard() -> Decompressor:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        pass
    else:
        return _Python(zstd.ZstdDecompressor(), zstd.ZstdError)
    try:
        import zstandard  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise UsageError(
            "Zstandard needs Python 3.14 or the package zstandard: pip install 'trine[logs]', or unpack with zstd -d"
        ) from None
    return _Zstandard(zstandard)


_KINDS: Final[dict[bytes, Callable[[], Decompressor]]] = {
    b"\x1f\x8b": _Gzip,
    **{b"BZh%d" % level + block: _bzip2 for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")},
    b"\xfd7zXZ\x00": lambda: _Python(lzma.LZMADecompressor(), lzma.LZMAError),
    b"\x28\xb5\x2f\xfd": _zstandard,
}
"""Decompressor by the first bytes of its streams."""

_LONGEST_MAGIC = 10


def is_compressed(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes is a compressed stream."""
    return any(prefix.startswith(magic) for magic in _KINDS)


def unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of a stream, unpacked if it is compressed. Raises `Damaged` after all that can be unpacked."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= _LONGEST_MAGIC or not _may_be_magic(first):
            break
    new = next((kind for magic, kind in _KINDS.items() if first.startswith(magic)), None)
    everything = chain([first] if first else [], chunks)
    return everything if new is None else _streams(everything, new)


def _may_be_magic(first: bytes) -> bool:
    return any(magic.startswith(first) for magic in _KINDS)


def _streams(chunks: Iterator[bytes], new: Callable[[], Decompressor]) -> Iterator[bytes]:
    """All streams of a file, one after the other; zero bytes may follow the last one."""
    stream = new()
    for chunk in chunks:
        data = chunk
        while True:
            if stream.ended:
                data = data.lstrip(b"\0")
                if not data:
                    break
                stream = new()
            out = stream.feed(data)
            data = stream.unused if stream.ended else b""
            if out:
                yield out
            elif not data:
                break
    if not stream.ended:
        raise Damaged("cut off")
