"""One batch, from messages to rows and dead letters.

The order matters. Progress is the highest offset among the rows, so whatever comes before a row in its partition
must be safe before the row is stored: dead letters are confirmed first, then the rows go in with one insert, or,
when ClickHouse refuses them, in parts from left to right.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from consumers.clickhouse import metrics as m
from consumers.clickhouse.backoff import Backoff, Cancelled
from consumers.clickhouse.batch import Batch, Message
from consumers.clickhouse.container import SYNC_BYTES, container
from consumers.clickhouse.errors import TableNotReady
from consumers.clickhouse.insert import Trouble, insert, name_of, token_of, trouble_of
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.positions import Log
from consumers.clickhouse.reject import DeadLetterLimit, DeadLetterQueue, DeadLettersUndelivered, Refusal
from consumers.clickhouse.tables import Table
from consumers.clickhouse.writers import Writer, Writers
from schemas.codec import HEADER, Codec, Rejected, unframe
from schemas.limits import MAX_VALUE_BYTES
from schemas.registry import Registry, RegistryUnavailable
from schemas.topics import DEAD_LETTERS

log = structlog.get_logger(__name__)
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, slots=True)
class Rows:
    """Messages whose framing is good and whose writer is known, column by column.

    Attributes:
        messages: as they came; [rows].
        framed: the values to store: the messages' own, or their translation; [rows].
        writers: the schema of each value; [rows].
    """

    messages: list[Message] = field(default_factory=list)
    framed: list[bytes] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.messages)

    def __getitem__(self, rows: slice) -> Rows:
        return Rows(self.messages[rows], self.framed[rows], self.writers[rows])

    def add(self, message: Message, framed: bytes, writer: Writer) -> None:
        """Put a row at the end."""
        self.messages.append(message)
        self.framed.append(framed)
        self.writers.append(writer)


class Offer(NamedTuple):
    """One insert: the rows as an Avro file, and their deduplication token."""

    file: bytes
    token: str


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch."""

    rows: int
    refused: int


class Store:
    """Stores batches of one table, one at a time, and tries until it succeeds or is cancelled."""

    def __init__(
        self,
        table: Table,
        client: Client,
        registry: Registry,
        dead_letters: DeadLetterQueue,
        *,
        backoff: Backoff,
        limit: DeadLetterLimit,
        metrics: SinkMetrics,
        rng: random.Random,
    ) -> None:
        self._table = table
        self._client = client
        self._codec = Codec(registry)
        self._writers = Writers(table.topic, registry)
        self._dead_letters = dead_letters
        self._backoff = backoff
        self._limit = limit
        self._metrics = metrics
        self._rng = rng

    def store(self, batch: Batch, cancel: threading.Event, before: Future[Stored] | None = None) -> Stored:
        """Store a batch.

        Args:
            before: what must be stored first. This one is made ready in the meantime, and does nothing that anybody
                could see until then.

        Raises:
            Cancelled: `cancel` was set while something was out of reach, a part from the left may be stored; or the
                one before it was not stored.
            TableNotReady: a person must mend ClickHouse's setup.
            TooManyDeadLetters: see `DeadLetterLimit`.
        """
        rows, refused = self._sort(batch.messages, cancel)
        rows, untranslated = self._alike(rows)
        offer = self._offer(batch.log, rows)
        if before is not None and before.exception() is not None:
            raise Cancelled
        self._put_aside([*refused, *untranslated], among=len(batch.messages), cancel=cancel)
        refused_later = self._store_rows(batch.log, rows, offer, cancel)
        self._metrics.count(m.BATCHES, 1, self._table.name)
        return Stored(rows=len(rows) - refused_later, refused=len(refused) + len(untranslated) + refused_later)

    def _sort(self, messages: list[Message], cancel: threading.Event) -> tuple[Rows, list[Refusal]]:
        """Messages that may become rows, and messages that can't."""
        messages, refused = _of_size(messages)
        values = [message.value() for message in messages]
        # Nearly always one writer wrote them all, and then there is nothing to do for each.
        frames = {value[: HEADER.size] if value is not None else None for value in values}
        found = {frame: self._writer_of(frame, cancel) for frame in frames}
        if len(found) == 1 and isinstance(writer := next(iter(found.values())), Writer):
            return Rows(messages, cast("list[bytes]", values), [writer] * len(messages)), refused
        rows = Rows()
        for message, value in zip(messages, values, strict=True):
            writer = found[value[: HEADER.size] if value is not None else None]
            if isinstance(writer, Rejected):
                refused.append(Refusal(message, writer))
            elif value is not None:
                rows.add(message, value, writer)
        return rows, refused

    def _writer_of(self, frame: bytes | None, cancel: threading.Event) -> Writer | Rejected:
        """The writer of the messages that begin with these bytes, or why they can't be stored."""
        unframed = unframe(frame)
        if isinstance(unframed, Rejected):
            return unframed
        return self._persist(lambda: self._writers.get(unframed[0]), cancel)

    def _store_rows(self, of: Log, rows: Rows, offer: Offer, cancel: threading.Event) -> int:
        """Insert the rows; gives how many of them had to be refused."""
        if self._try_insert(rows, offer, cancel):
            return 0
        good, guilty = self._examine(rows)
        self._put_aside(guilty, among=len(rows), cancel=cancel)
        return len(guilty) + self._store_parts(of, good, cancel)

    def _store_parts(self, of: Log, rows: Rows, cancel: threading.Event) -> int:
        """Insert rows that all decode. What ClickHouse refuses even so is found by halving."""
        if self._try_insert(rows, self._offer(of, rows), cancel):
            return 0
        if len(rows) == 1:
            why = Rejected("RefusedByClickHouse", f"ClickHouse does not take it into {self._table.name}")
            self._put_aside([Refusal(rows.messages[0], why)], among=1, cancel=cancel)
            return 1
        middle = len(rows) // 2
        return self._store_parts(of, rows[:middle], cancel) + self._store_parts(of, rows[middle:], cancel)

    def _alike(self, rows: Rows) -> tuple[Rows, list[Refusal]]:
        """The rows under one schema, for one file has one, and two inserts would not be stored as a whole.

        Where all have one writer that ClickHouse can read, they stay as they are. Else those that were written under
        another schema than ours are translated.
        """
        writers = set(rows.writers)
        if len(writers) <= 1 and all(writer.native for writer in writers):
            return rows, []
        ours, target = self._writers.ours, self._writers.together(writers)
        alike = Rows()
        refused: list[Refusal] = []
        for message, framed, writer in zip(rows.messages, rows.framed, rows.writers, strict=True):
            same = framed if writer is ours else self._writers.translate(writer, framed, target)
            if isinstance(same, Rejected):
                refused.append(Refusal(message, same))
            else:
                alike.add(message, same, target)
        self._metrics.count(m.TRANSLATED, sum(writer is not ours for writer in rows.writers), self._table.name)
        return alike, refused

    def _examine(self, rows: Rows) -> tuple[Rows, list[Refusal]]:
        """Rows that decode, and rows that do not."""
        good = Rows()
        guilty: list[Refusal] = []
        for message, framed, writer in zip(rows.messages, rows.framed, rows.writers, strict=True):
            found = self._codec.decode(self._table.topic, message.value())
            if isinstance(found, Rejected):
                guilty.append(Refusal(message, found))
            else:
                good.add(message, framed, writer)
        return good, guilty

    def _offer(self, of: Log, rows: Rows) -> Offer:
        """What to insert for the rows."""
        if not len(rows):
            return Offer(b"", "")
        partitions = [message.partition() or 0 for message in rows.messages]
        offsets = [message.offset() or 0 for message in rows.messages]
        schema = rows.writers[0].schema
        file = container(schema, of.identity, partitions, offsets, rows.framed, sync=secrets.token_bytes(SYNC_BYTES))
        return Offer(file, token_of(of, partitions, offsets))

    def _try_insert(self, rows: Rows, offer: Offer, cancel: threading.Event) -> bool:
        """Whether ClickHouse took the rows; it did not when it refused some of them."""
        if not len(rows):
            return True

        def attempt() -> bool:
            try:
                insert(self._client, self._table, offer.file, offer.token)
            except ClickHouseError as error:
                trouble = trouble_of(error)
                if trouble is Trouble.DATA:
                    log.warning("insert_refused", table=self._table.name, rows=len(rows), error=name_of(error))
                    return False
                if trouble is Trouble.SETUP:
                    raise TableNotReady(
                        f"ClickHouse does not take inserts into {self._table.name}: {name_of(error)}; check "
                        "the user's rights, and start the sink again, which applies the migrations (tradewind sink)"
                    ) from error
                raise
            return True

        taken = self._persist(attempt, cancel)
        if taken:
            self._limit.observe(self._table.name, 0, among=len(rows))
            self._metrics.count(m.ROWS, len(rows), self._table.name)
        return taken

    def _put_aside(self, refused: Sequence[Refusal], *, among: int, cancel: threading.Event) -> None:
        """Make dead letters of them, confirmed."""
        if not refused:
            return
        self._limit.observe(self._table.name, len(refused), among)
        for refusal in refused:
            self._metrics.count(m.REJECTED, 1, self._table.name, refusal.why.error_class)
            log.warning(
                "message_refused",
                topic=refusal.message.topic(),
                partition=refusal.message.partition(),
                offset=refusal.message.offset(),
                error_class=refusal.why.error_class,
                why=refusal.why.message,
            )
        if self._table.topic.record == DEAD_LETTERS.record:
            # A dead letter of a dead letter would come back here, and again.
            return
        self._persist(lambda: self._dead_letters.put(refused), cancel)

    def _persist(self, action: Callable[[], _ResultT], cancel: threading.Event) -> _ResultT:
        """Do it until it meets no passing error."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return action()
            except (ClickHouseError, RegistryUnavailable, DeadLettersUndelivered) as error:
                self._metrics.count(m.RETRIES, 1, self._table.name)
                log.warning("will_try_again", table=self._table.name, attempt=attempt, error=name_of(error))
            self._backoff.wait(attempt, self._rng, cancel)


def _of_size(messages: list[Message]) -> tuple[list[Message], list[Refusal]]:
    """Those that are no larger than we take, and the others: a batch can inflate to any size."""
    large = [message for message in messages if len(message) > MAX_VALUE_BYTES]
    if not large:
        return messages, []
    refused = [
        Refusal(message, Rejected("TooLarge", f"{len(message)} bytes, at most {MAX_VALUE_BYTES} are taken"))
        for message in large
    ]
    return [message for message in messages if len(message) <= MAX_VALUE_BYTES], refused
