"""HTTP content codings in both directions, as streams: what a request's body is packed in, and an answer's."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame
from backports import zstd

from tradewind.stack.clickhouse.errors import NOT_IMPLEMENTED, ClickHouseError


class Compressor(Protocol):
    """Packs a stream of bytes."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class NoCompressor:
    """The compressor of an answer that goes out as it is."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Frame(Protocol):
    """Unpacks one frame: `unused_data` holds what followed it, once `eof` is true."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Lz4Compressor:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head: bytes = self._frame.begin()

    def compress(self, data: bytes, /) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.flush())


# ClickHouse's default level, http_zlib_compression_level. wbits: 31 is gzip's header, 15 is zlib's.
_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    "lz4": _Lz4Compressor,
    "zstd": zstd.ZstdCompressor,
    "gzip": lambda: zlib.compressobj(3, wbits=31),
    "deflate": lambda: zlib.compressobj(3, wbits=15),
}
_FRAMES: dict[str, Callable[[], _Frame]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": zstd.ZstdDecompressor,
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(wbits=15),
}


def choose(accept_encoding: str) -> str | None:
    """The quickest coding that the client accepts, or None to send the answer as it is."""
    accepted = set()
    for item in accept_encoding.lower().split(","):
        name, _, weight = item.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0"):
            accepted.add(name.strip())
    return next((name for name in _COMPRESSORS if name in accepted), None)


def compressor(coding: str) -> Compressor:
    """A fresh compressor for a coding that `choose` returned."""
    return _COMPRESSORS[coding]()


class Decompressor:
    """Unpacks a request's body: any number of frames on end, as clickhouse-connect sends them.

    Raises:
        ClickHouseError: the coding is not known here (NOT_IMPLEMENTED).
    """

    def __init__(self, coding: str) -> None:
        if coding not in _FRAMES:
            known = ", ".join(_FRAMES)
            raise ClickHouseError.of(NOT_IMPLEMENTED, f"Content-Encoding {coding!r} is not known here, but {known}")
        self._new = _FRAMES[coding]
        self._frame: _Frame | None = None

    def decompress(self, data: bytes) -> bytes:
        """The next part of the plain body; errors are those of the coding's library."""
        plain = []
        while data:
            if self._frame is None:
                self._frame = self._new()
            plain.append(self._frame.decompress(data))
            data = b""
            if self._frame.eof:
                data, self._frame = self._frame.unused_data or b"", None
        return b"".join(plain)

    @property
    def complete(self) -> bool:
        """Whether the body ended where a frame did."""
        return self._frame is None


def pack(coding: str, data: bytes) -> bytes:
    """A whole answer, packed."""
    packer = compressor(coding)
    return packer.compress(data) + packer.flush()
