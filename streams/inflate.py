"""Compressed batches, inflated no further than we have room for.

A batch of two megabytes can inflate to gigabytes, and aiokafka would inflate it, whole, in the consumer's loop. Here it
is given bounds: each codec stops at `MAX_BATCH_BYTES`, and of a batch that goes beyond, the worker sees a stand-in for
each message, without a value and with the header `REFUSED_HEADER`. So it becomes dead letters, and its partition goes
on.

This reaches into aiokafka, which has no setting for it (`install` says where); `tests/streams/test_inflate.py` holds it
against batches as aiokafka itself writes them.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import cramjam
import numpy as np
from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.record.memory_records import MemoryRecords

#: What a batch may have when it is inflated: what a producer of ours gathers in one is a few megabytes at most.
MAX_BATCH_BYTES = 64 * 1024 * 1024
#: Of a stand-in for a message that was not read.
REFUSED_HEADER = "tradewind-not-inflated"


class DoesNotInflate(Exception):
    """A batch has more than we have room for, or is broken."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A message of a batch that was not read; its fields are those of aiokafka's records."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: None = None
    value: None = None
    checksum: None = None
    headers: tuple[tuple[str, bytes], ...] = ((REFUSED_HEADER, str(MAX_BATCH_BYTES).encode()),)


class _Bounded:
    """aiokafka's batches, whose messages are stand-ins where the batch inflates too far."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        batch = self._batch
        try:
            records = iter(batch)
        except DoesNotInflate:
            for offset in range(batch.base_offset, batch.next_offset):
                yield StandIn(offset, getattr(batch, "max_timestamp", -1), batch.timestamp_type or 0)
        else:
            yield from records


class BoundedRecords:
    """aiokafka's `MemoryRecords`, with batches that are bounded."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def next_batch(self) -> Any:
        """The next batch, or None."""
        batch = self._records.next_batch()
        return None if batch is None else _Bounded(batch)


def install() -> None:
    """Have aiokafka inflate through here, once for the process."""
    fetcher.MemoryRecords = BoundedRecords
    for name in ("default_records", "legacy_records"):
        for package in ("aiokafka.record", "aiokafka.record._crecords"):  # in Python, and compiled where that could be
            with suppress(ImportError):
                module = importlib.import_module(f"{package}.{name}")
                for decoder, inflate in _DECODERS.items():
                    if hasattr(module, decoder):
                        setattr(module, decoder, inflate)


def _gzip(payload: Any) -> bytes:
    inflater = zlib.decompressobj(wbits=47)  # gzip's own header, or zlib's
    try:
        inflated = inflater.decompress(bytes(payload), MAX_BATCH_BYTES + 1)
    except zlib.error as error:
        raise DoesNotInflate from error
    if len(inflated) > MAX_BATCH_BYTES:
        raise DoesNotInflate
    return inflated


def _into(inflate: Callable[[bytes, Any], int], payload: Any) -> bytes:
    room = np.empty(MAX_BATCH_BYTES, np.uint8)  # memory that is not written to is not taken
    try:
        length = inflate(bytes(payload), room)
    except cramjam.DecompressionError as error:
        raise DoesNotInflate from error
    return room[:length].tobytes()


def _snappy(payload: Any) -> bytes:
    # What snappy can say in two megabytes is no danger: a copy of 64 bytes takes two or three.
    try:
        return bytes(codec.snappy_decode(payload))
    except (cramjam.DecompressionError, ValueError) as error:
        raise DoesNotInflate from error


_DECODERS: dict[str, Callable[[Any], bytes]] = {
    "gzip_decode": _gzip,
    "snappy_decode": _snappy,
    "lz4_decode": partial(_into, cramjam.lz4.decompress_into),
    "zstd_decode": partial(_into, cramjam.zstd.decompress_into),
}
