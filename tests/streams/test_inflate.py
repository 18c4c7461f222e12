"""Compressed batches: what is ordinary comes out as it went in, and what inflates too far costs nothing but itself."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams import inflate
from streams.inflate import MAX_BATCH_BYTES, REFUSED_HEADER

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _installed() -> None:
    inflate.install()


def batch(codec: int, *values: bytes) -> bytes:
    """Messages from offset 0 on, as aiokafka's producer writes them."""
    builder = DefaultRecordBatchBuilder(2, codec, False, -1, -1, -1, 1 << 40)
    for offset, value in enumerate(values):
        assert builder.append(offset, 1_700_000_000_000, b"key", value, [("h", b"1")]) is not None
    return bytes(builder.build())


def read(data: bytes) -> list[Any]:
    records = fetcher.MemoryRecords(data)
    found = []
    while records.has_next():
        found += list(records.next_batch())
    return found


@pytest.mark.parametrize("codec", [0, *CODECS.values()])
def test_an_ordinary_batch_is_read_as_it_was_written(codec: int) -> None:
    values = [b"one" * 50, b"", b"two" * 70]
    found = read(batch(codec, *values))
    assert [record.value for record in found] == values
    assert [record.offset for record in found] == [0, 1, 2]
    assert [record.headers for record in found] == [[("h", b"1")]] * 3 or [
        list(record.headers) for record in found
    ] == [[("h", b"1")]] * 3


@pytest.mark.parametrize("name", ["gzip", "lz4", "zstd"])
def test_of_a_bomb_each_message_has_a_stand_in(name: str) -> None:
    bomb = batch(CODECS[name], b"\0" * (MAX_BATCH_BYTES // 2), b"\0" * (MAX_BATCH_BYTES // 2 + MIB))
    assert len(bomb) < 2 * MIB
    found = read(bomb + _at(batch(CODECS[name], b"after it" * 20), 2))
    assert [record.offset for record in found] == [0, 1, 2]
    assert [record.value for record in found] == [None, None, b"after it" * 20]
    assert all(REFUSED_HEADER in dict(record.headers) for record in found[:2])


def test_a_bomb_takes_no_more_memory_than_its_bound() -> None:
    bomb = batch(CODECS["gzip"], b"\0" * (8 * MAX_BATCH_BYTES))
    tracemalloc.start()
    try:
        assert [record.value for record in read(bomb)] == [None]
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BATCH_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_that_does_not_inflate_at_all_is_refused_too(name: str) -> None:
    data = bytearray(batch(CODECS[name], b"some value" * 30))
    data[70:90] = b"\xff" * 20  # in the packed part; nobody looks at the checksum here
    assert [record.value for record in read(bytes(data))] == [None]


def _at(data: bytes, offset: int) -> bytes:
    return offset.to_bytes(8, "big") + data[8:]
