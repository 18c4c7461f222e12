"""Bodies made smaller where that pays: zstd where this Python has it, else gzip."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module

#: What is saved must be worth the header line and the work.
_PAYS = 0.9


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(6, wbits=31)
    return packer.compress(body) + packer.flush()


def _best() -> tuple[str, Callable[[bytes], bytes]]:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            compress: Callable[[bytes], bytes] = import_module(name).compress
        except ImportError:
            continue
        return "zstd", compress
    return "gzip", _gzip


ENCODING, _pack = _best()


def packed(body: bytes, from_bytes: int) -> tuple[bytes, str | None]:
    """The body and its Content-Encoding; as it is, and None, where it is small or does not get smaller."""
    if len(body) < from_bytes:
        return body, None
    smaller = _pack(body)
    return (smaller, ENCODING) if len(smaller) < _PAYS * len(body) else (body, None)
