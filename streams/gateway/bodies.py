"""A request's body: read within a time and a size, and inflated no further than the same size.

What is compressed is a stranger's: some kilobytes may inflate to gigabytes, end in the middle, or be no such format.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

from streams.gateway.problems import Problem

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: What Content-Encoding may say; sent as `Accept-Encoding` with a 415.
ENCODINGS = ("gzip", "zstd", "identity")
#: RFC 9659: zstd as a content coding has windows of 8 MiB at most. A frame that asks for more would have it allocated.
_ZSTD_OPTIONS: dict[int, int] = {DecompressionParameter.window_log_max: 23}
#: More members or frames than this are there to keep us busy.
_MAX_MEMBERS = 1_000


class ClientGone(Exception):
    """The caller closed the connection before the body was whole; there is nobody to answer."""


def too_large(limit: int, how: str) -> Problem:
    """413."""
    return Problem(
        413, "body_too_large", f"the body has more than {limit} bytes {how}; send the events in several requests"
    )


async def read_body(
    receive: Receive, length: bytes | None, limit: int, within_s: float, *, ends_by_length: bool = True
) -> bytes | Problem:
    """The whole body as it was sent; 413 where it is longer than the limit, 408 where it takes too long.

    Args:
        length: what `Content-Length` says, None without one.
        ends_by_length: whether the body is whole once it has that length, or when the server says so.

    Raises:
        ClientGone: the connection was closed in the middle.
    """
    expected = int(length) if length is not None and length.isdigit() and len(length) < 16 else None
    if length is not None and (expected is None or expected > limit):
        return too_large(limit, "as it is sent")
    with _Deadline(within_s) as deadline:
        try:
            return await _whole(receive, expected if ends_by_length else None, limit)
        except asyncio.CancelledError:
            if not deadline.passed:
                raise
    return Problem(
        408,
        "body_too_slow",
        f"the body was not whole after {within_s:g} s; send fewer events at once over a slow link",
        retry_after_s=1,
    )


async def _whole(receive: Receive, expected: int | None, limit: int) -> bytes | Problem:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            return too_large(limit, "as it is sent")
        # Where the length is known, the server's word that nothing follows is not waited for.
        if not message.get("more_body", False) or len(body) == expected:
            return bytes(body)


class _Deadline:
    """Cancels the task that it is entered in after a time; a timer, not a task of its own as `wait_for` makes."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self.passed = False

    def __enter__(self) -> _Deadline:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._within_s, self._pass)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self.passed and (uncancel := getattr(self._task, "uncancel", None)) is not None:  # Python 3.11
            uncancel()

    def _pass(self) -> None:
        self.passed = True
        if self._task is not None:
            self._task.cancel()


def inflate(body: bytes, encoding: str, limit: int) -> bytes | Problem:
    """The body without its content coding.

    Args:
        encoding: what `Content-Encoding` says; empty for identity.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "x-gzip", "zstd"):
        return Problem(
            415,
            "encoding_unknown",
            f"Content-Encoding may be one of {', '.join(ENCODINGS)}; send it once compressed, or not at all",
            more={"accept_encoding": list(ENCODINGS)},
        )
    try:
        inflated = _inflate_zstd(body, limit) if name == "zstd" else _inflate_gzip(body, limit)
    except (zlib.error, ZstdError, EOFError):
        return Problem(
            400,
            "not_compressed",
            f"the body is not whole {name}, or not {name} at all; compress it again, or leave Content-Encoding out",
        )
    return too_large(limit, "when it is inflated") if inflated is None else inflated


def _inflate_gzip(body: bytes, limit: int) -> bytes | None:
    def inflate_member(data: bytes, room: int) -> tuple[bytes, bytes]:
        member = zlib.decompressobj(wbits=31)
        piece = member.decompress(data, room)
        if not member.eof and len(piece) < room:
            raise EOFError
        return piece, member.unused_data

    return _members(body, limit, inflate_member)


def _inflate_zstd(body: bytes, limit: int) -> bytes | None:
    def inflate_frame(data: bytes, room: int) -> tuple[bytes, bytes]:
        frame = ZstdDecompressor(options=_ZSTD_OPTIONS)
        piece = frame.decompress(data, room)
        if not frame.eof and len(piece) < room:
            raise EOFError
        return piece, frame.unused_data

    return _members(body, limit, inflate_frame)


def _members(body: bytes, limit: int, inflate_one: Callable[[bytes, int], tuple[bytes, bytes]]) -> bytes | None:
    """One member after the other; None where they have more than the limit together."""
    pieces: list[bytes] = []
    room = limit + 1
    for _ in range(_MAX_MEMBERS):
        piece, body = inflate_one(body, room)
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            return None
        if not body:
            return b"".join(pieces)
    raise EOFError
