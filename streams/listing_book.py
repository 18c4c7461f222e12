"""The listings that a question can find: the latest of each, read from `listings.v1`, and how to wait for one.

Listings and questions have the same keys, partition count and partitioner, so a worker that is assigned a partition of
the questions needs that partition of the listings and no other. The book reads them from their beginning (the topic is
compacted, so that is each listing once and not its history), on a consumer without a group: a backlog of copy to write
never keeps a question from its listing.

This does what a Faust table would, without its recovery: with faust-streaming 0.15.3 on the embedded broker, questions
went missing after a rebalance that restored a table, in two of two trials (docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from schemas.topics import LISTINGS
from streams import metrics

log = structlog.get_logger("tradewind.streams")

_POLL_S = 0.02  # `consume` waits so long for a batch to fill, and a question with it
_BATCH = 500


class ListingBook:
    """Latest listing message by key, for the partitions of this worker.

    Args:
        client: settings of a confluent-kafka client.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._entries: dict[int, dict[bytes, bytes]] = {}
        self._complete: dict[int, asyncio.Event] = {}
        self._waiting: dict[bytes, set[asyncio.Event]] = {}
        self._wanted: frozenset[int] = frozenset()
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to read, in a thread of its own. Called from the event loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._read, name="listing-book", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def assign(self, partitions: Collection[int]) -> None:
        """Keep the listings of these partitions, read those that are new, forget the others."""
        wanted = frozenset(partitions)
        for partition in wanted - self._entries.keys():
            self._entries[partition] = {}
            self._complete[partition] = asyncio.Event()
        for partition in self._entries.keys() - wanted:
            del self._entries[partition], self._complete[partition]
        self._wanted = wanted
        self._changed.set()

    async def find(self, listing_id: str, partition: int, wait_s: float) -> bytes | None:
        """The listing's latest message, waited for up to that many seconds; None if it does not come.

        The time that the book takes to read the partition for the first time does not count.
        """
        if partition not in self._entries:
            return None  # taken away while the question was in hand; whoever has it now answers too
        await self._complete[partition].wait()
        key = listing_id.encode()
        arrived = asyncio.Event()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(arrived)
        try:
            found = self._entries.get(partition, {}).get(key)
            if found is None and wait_s > 0:
                try:
                    await asyncio.wait_for(arrived.wait(), wait_s)
                except asyncio.TimeoutError:
                    return None
                found = self._entries.get(partition, {}).get(key)
            return found
        finally:
            waiting.discard(arrived)
            if not waiting:
                self._waiting.pop(key, None)

    def _read(self) -> None:
        """The reading thread: follow the wanted partitions and hand batches to the event loop."""
        assert self._loop is not None
        consumer = Consumer(
            {
                **self._client,
                # Required by the client; offsets are neither read nor committed.
                "group.id": "tradewind-listing-book",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        following: frozenset[int] = frozenset()
        try:
            while not self._closing.is_set():
                if self._changed.is_set():
                    self._changed.clear()
                    following = self._follow(consumer, following)
                if not following:
                    self._changed.wait(_POLL_S)
                    continue
                messages = consumer.consume(_BATCH, _POLL_S)
                if messages:
                    self._loop.call_soon_threadsafe(self._enter, messages)
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer, before: frozenset[int]) -> frozenset[int]:
        wanted = self._wanted
        for partition in before - wanted:
            consumer.incremental_unassign([TopicPartition(LISTINGS.name, partition)])
        for partition in wanted - before:
            consumer.incremental_assign([TopicPartition(LISTINGS.name, partition, OFFSET_BEGINNING)])
        return wanted

    def _enter(self, messages: list[Message]) -> None:
        """Enter a batch, in the event loop, so that nobody sees it half done."""
        for message in messages:
            partition = message.partition()
            entries = self._entries.get(-1 if partition is None else partition)
            if partition is None or entries is None:
                continue
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._complete[partition].set()
                else:
                    log.warning("listings can't be read for now", partition=partition, error=error.name())
                continue
            key, value = message.key(), message.value()
            if not isinstance(key, bytes):
                continue
            if value is None:
                entries.pop(key, None)
                continue
            entries[key] = value
            for waiting in self._waiting.get(key, ()):
                waiting.set()
        metrics.LISTINGS_KNOWN.set(sum(map(len, self._entries.values())))
