"""Bodies: whole or not, in time or not, and inflated no further than there is room for."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterable
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.bodies import ClientGone, inflate, read_body
from streams.gateway.problems import Problem

LIMIT = 1000


def chunks(*parts: bytes, last: bool = True) -> Any:
    """What a server gives; without a last part it goes on waiting."""
    messages = [
        {"type": "http.request", "body": part, "more_body": not last or place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def read(receive: Any, length: bytes | None = None, within_s: float = 5.0) -> bytes | Problem:
    return asyncio.run(read_body(receive, length, LIMIT, within_s))


def code(found: object) -> tuple[int, str]:
    assert isinstance(found, Problem)
    return found.status, found.code


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_a_body_in_parts_is_put_together(parts: list[bytes]) -> None:
    assert read(chunks(*parts)) == b"".join(parts)


def test_where_the_length_is_known_nothing_more_is_waited_for() -> None:
    assert read(chunks(b"abc", b"def", last=False), b"6") == b"abcdef"


@pytest.mark.parametrize(
    ("length", "parts"),
    [(b"1001", ()), (b"9" * 40, ()), (b"-1", ()), (b"x", ()), (None, (b"x" * 600, b"x" * 401))],
)
def test_what_is_too_large_is_not_read(length: bytes | None, parts: Iterable[bytes]) -> None:
    assert code(read(chunks(*parts, last=False), length)) == (413, "body_too_large")


def test_a_body_that_does_not_come_is_408_and_the_task_goes_on() -> None:
    async def both() -> tuple[object, object]:
        late = await read_body(chunks(b"a", last=False), None, LIMIT, 0.01)
        return late, await read_body(chunks(b"b"), None, LIMIT, 5.0)

    late, after = asyncio.run(both())
    assert code(late) == (408, "body_too_slow")
    assert after == b"b"


def test_a_cancelled_request_is_cancelled_and_not_408() -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(read_body(chunks(last=False), None, LIMIT, 5.0))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_a_client_that_leaves_is_told_apart() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        read(receive)


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=5))
def test_several_members_and_frames_are_one_body(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    assert inflate(b"".join(map(gzip.compress, parts)), "gzip", LIMIT) == whole
    assert inflate(b"".join(map(zstd.compress, parts)), " ZSTD ", LIMIT) == whole
    assert inflate(whole, "", LIMIT) == inflate(whole, "identity", LIMIT) == whole


@given(st.binary(max_size=200), st.integers(0, 300), st.sampled_from(["gzip", "zstd"]))
def test_what_is_cut_is_400(body: bytes, cut: int, name: str) -> None:
    packed = gzip.compress(body) if name == "gzip" else zstd.compress(body)
    if cut < len(packed):
        assert code(inflate(packed[:cut], name, LIMIT)) == (400, "not_compressed")


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd"]))
def test_any_bytes_inflate_or_are_refused(body: bytes, name: str) -> None:
    found = inflate(body, name, LIMIT)
    assert isinstance(found, bytes) or found.status in (400, 413)


def test_the_room_is_exact() -> None:
    for size, right in ((LIMIT, True), (LIMIT + 1, False)):
        for name, pack in (("gzip", gzip.compress), ("zstd", zstd.compress)):
            found = inflate(pack(b"x" * size), name, LIMIT)
            assert isinstance(found, bytes) if right else code(found) == (413, "body_too_large")


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_bomb_takes_no_room(name: str) -> None:
    pack = gzip.compress if name == "gzip" else zstd.compress
    bomb = pack(bytes(50_000_000)) * 20
    assert code(inflate(bomb, name, LIMIT)) == (413, "body_too_large")


def test_a_frame_that_asks_for_a_large_window_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    frame = packer.compress(b"x" * 100) + packer.flush()
    assert code(inflate(frame, "zstd", LIMIT)) == (400, "not_compressed")


def test_members_without_end_are_refused() -> None:
    assert code(inflate(gzip.compress(b"") * 2_000, "gzip", LIMIT)) == (400, "not_compressed")


@pytest.mark.parametrize("name", ["br", "deflate", "gzip, zstd", "gzip,gzip", "\xff"])
def test_other_codings_are_415_with_those_that_are_taken(name: str) -> None:
    found = inflate(zlib.compress(b"x"), name, LIMIT)
    assert code(found) == (415, "encoding_unknown")
    assert isinstance(found, Problem)
    assert "zstd" in found.more["accept_encoding"]
