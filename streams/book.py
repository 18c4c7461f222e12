"""What topics hold now, kept in memory for the partitions of this worker: how that is read and kept up to date.

All topics of the catalogue have the same partition count, and those that are keyed by listing the same placing. So a
worker that is assigned a partition of the questions needs that partition of these topics and no other. A book reads it
from its beginning, on a consumer without a group, and then goes on reading: what is known never waits for an agent.

This does what a Faust table would, without its recovery: with faust-streaming 0.15.3 on the embedded broker, questions
went missing after a rebalance that restored a table, in two of two trials (docs/decisions.md).
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.forbidden import is_forbidden
from schemas.reader import READER_GROUP
from schemas.registry import RegistryUnavailable
from schemas.topics import Topic

log = structlog.get_logger("tradewind.streams")

_POLL_S = 0.02  # `consume` waits so long for a batch to fill, and a question with it
_BATCH = 500
_PAUSE_S = 1.0  # before a registry that gave no answer is asked again

PageT = TypeVar("PageT")


@dataclass(slots=True, eq=False)
class _Partition(Generic[PageT]):
    """One partition of the book's topics. `topic` is which of them is being read for the first time."""

    page: PageT
    complete: asyncio.Event
    topic: int = 0


class Book(ABC, Generic[PageT]):
    """A page for each partition of this worker, written by a thread from one or more topics.

    Pages are read in the event loop while the thread writes, so a reader takes one value from one and no iteration.

    Args:
        name: what the thread is called.
        topics: in the order in which they are first read: a topic is begun when the one before is read to its end.
        client: settings of a confluent-kafka client.

    Attributes:
        failed: gets the error that ended the reading, if one does.
    """

    failed: asyncio.Future[None]

    def __init__(self, name: str, topics: Sequence[Topic], client: Mapping[str, Any]) -> None:
        self._name = name
        self._topics = tuple(topic.name for topic in topics)
        self._client = client
        self._wanted: dict[int, _Partition[PageT]] = {}
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _new_page(self) -> PageT:
        """An empty page."""

    @abstractmethod
    def _enter(self, page: PageT, topic: str, key: bytes, value: bytes | None) -> None:
        """Write a message into its partition's page. Called in the reading thread, in the order of the offsets.

        Raises:
            RegistryUnavailable: to be called again.
        """

    @abstractmethod
    def _entered(self, keys: Set[bytes]) -> None:
        """Messages with these keys have been entered, or pages have come or gone. Called in the event loop."""

    def start(self) -> None:
        """Begin to read, in a thread of its own. Called from the event loop that will ask."""
        self._loop = asyncio.get_running_loop()
        self.failed = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        self._changed.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self.failed.cancel()

    def assign(self, partitions: Collection[int]) -> None:
        """Keep the pages of these partitions, read those that are new, forget the others."""
        before = self._wanted
        self._wanted = {
            number: before.get(number) or _Partition(self._new_page(), asyncio.Event()) for number in partitions
        }
        for number in before.keys() - self._wanted.keys():
            before[number].complete.set()  # nobody reads on for those who still wait
        self._changed.set()
        self._entered(frozenset())

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @property
    def is_read(self) -> bool:
        """Whether the partitions of this worker are read to their ends, once. May be asked by any thread."""
        return all(partition.complete.is_set() for partition in list(self._wanted.values()))

    def _pages(self) -> list[PageT]:
        return [partition.page for partition in self._wanted.values()]

    async def _page(self, number: int) -> PageT | None:
        """The partition's page, once it is read to the end; None if the partition is another worker's."""
        partition = self._wanted.get(number)
        if partition is None:
            return None
        await partition.complete.wait()
        return partition.page

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:
            self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _read(self) -> None:
        """Follow the wanted partitions until the book is closed."""
        consumer = Consumer(
            {
                **self._client,
                # Required by the client; offsets are neither read nor committed.
                "group.id": READER_GROUP,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                # While a fetch waits, the embedded broker does not answer where the next topic begins.
                "fetch.wait.max.ms": 100,
                "log_level": 0,
                "error_cb": lambda error: None,
            }
        )
        following: dict[int, _Partition[PageT]] = {}
        try:
            while not self._closing.is_set():
                if not following:
                    self._changed.wait()
                if self._changed.is_set():
                    self._changed.clear()
                    following = self._follow(consumer, following)
                messages = consumer.consume(_BATCH, _POLL_S) if following else []
                if messages:
                    keys = {key for message in messages if (key := self._take(consumer, following, message))}
                    self._loop.call_soon_threadsafe(self._entered, keys)
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer, before: dict[int, _Partition[PageT]]) -> dict[int, _Partition[PageT]]:
        wanted = self._wanted
        for number, partition in before.items():
            if wanted.get(number) is not partition:
                begun = self._topics[: partition.topic + 1]
                consumer.incremental_unassign([TopicPartition(topic, number) for topic in begun])
        for number, partition in wanted.items():
            if before.get(number) is not partition:
                self._begin(consumer, number, partition)
        return wanted

    def _begin(self, consumer: Consumer, number: int, partition: _Partition[PageT]) -> None:
        consumer.incremental_assign([TopicPartition(self._topics[partition.topic], number, OFFSET_BEGINNING)])

    def _take(self, consumer: Consumer, following: dict[int, _Partition[PageT]], message: Message) -> bytes | None:
        """Enter one message, and give its key.

        Raises:
            KafkaException: we may not read that.
        """
        error = message.error()
        if error is not None and is_forbidden(error):
            raise KafkaException(error)
        number = message.partition()
        partition = None if number is None else following.get(number)
        if number is None or partition is None:
            return None
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                log.warning("can't be read for now", topic=message.topic(), partition=number, error=error.name())
            elif message.topic() == self._topics[partition.topic]:
                if partition.topic + 1 < len(self._topics):
                    partition.topic += 1
                    self._begin(consumer, number, partition)
                else:
                    self._loop.call_soon_threadsafe(partition.complete.set)
            return None
        topic, key, value = message.topic(), message.key(), message.value()
        if topic is None or not isinstance(key, bytes) or isinstance(value, str):  # the types allow for deserializers
            return None
        while not self._closing.is_set():
            try:
                self._enter(partition.page, topic, key, value)
                break
            except RegistryUnavailable as unavailable:
                log.warning("the registry gives no answer, asking again", error=str(unavailable))
                self._closing.wait(_PAUSE_S)
        return key
