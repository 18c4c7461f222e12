"""What is on its way into one table: batches that fill up, and batches that are being stored.

Two are under way at a time, so that the next one's file is built while ClickHouse reads the one before. They are stored
strictly in turn: the later one waits for the earlier one, and is given up when that one fails.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from confluent_kafka import Message

from consumers.clickhouse.batch import Batch, BatchPolicy
from consumers.clickhouse.positions import Log
from consumers.clickhouse.store import Store, Stored
from consumers.clickhouse.tables import Table

#: One is stored, one is made ready.
UNDER_WAY = 2
#: So many wait behind them before the partitions are paused. A pause costs more than it seems: the client throws away
#: what it has fetched, and fetches it again.
_WAITING = 2


@dataclass(frozen=True, slots=True)
class Flight:
    """A batch that is being stored.

    Attributes:
        started: monotonic time, in seconds.
    """

    batch: Batch
    future: Future[Stored]
    started: float


class Pipeline:
    """The batches of one table.

    Args:
        pool: has `UNDER_WAY` threads for each table.
    """

    def __init__(self, table: Table, store: Store, pool: ThreadPoolExecutor, policy: BatchPolicy) -> None:
        self.table = table
        self._store = store
        self._pool = pool
        self._policy = policy
        self._waiting: deque[Batch] = deque()
        self._flights: deque[Flight] = deque()

    def take(self, log: Log, messages: list[Message]) -> None:
        """Put messages behind those that wait."""
        while messages:
            if not self._waiting or self._waiting[-1].is_full(self._policy):
                self._waiting.append(Batch(log, time.monotonic()))
            room = self._policy.max_rows - len(self._waiting[-1].messages)
            self._waiting[-1].extend(messages[:room])
            messages = messages[room:]

    def launch(self, cancel: threading.Event, *, all_of_it: bool = False) -> None:
        """Start to store what is due.

        Args:
            cancel: gives up what is under way.
            all_of_it: also what might still wait.
        """
        now = time.monotonic()
        while (
            self._waiting
            and len(self._flights) < UNDER_WAY
            and (all_of_it or self._waiting[0].is_full(self._policy) or self._is_late(now))
        ):
            batch = self._waiting.popleft()
            before = self._flights[-1].future if self._flights else None
            future = self._pool.submit(self._store.store, batch, cancel, before)
            self._flights.append(Flight(batch, future, now))

    def _is_late(self, now: float) -> bool:
        # What is not full grows on while another batch is stored: fewer and larger inserts.
        return not self._flights and self._waiting[0].is_due(self._policy, now)

    def landed(self) -> list[Flight]:
        """Take what is stored, in order.

        Raises:
            what storing raised.
        """
        done = []
        while self._flights and self._flights[0].future.done():
            flight = self._flights.popleft()
            flight.future.result()
            done.append(flight)
        return done

    def clear(self) -> list[Future[Stored]]:
        """Forget everything; gives what is under way."""
        futures = self.futures()
        self._waiting.clear()
        self._flights.clear()
        return futures

    def futures(self) -> list[Future[Stored]]:
        """What is under way."""
        return [flight.future for flight in self._flights]

    def batches(self) -> Iterator[Batch]:
        """What is not stored."""
        return chain((flight.batch for flight in self._flights), self._waiting)

    @property
    def storing_since(self) -> float | None:
        """When the oldest batch that is being stored was begun, in monotonic seconds; None for none."""
        return self._flights[0].started if self._flights else None

    @property
    def is_behind(self) -> bool:
        """Whether more waits than should."""
        return len(self._waiting) > _WAITING

    def __bool__(self) -> bool:
        return bool(self._waiting or self._flights)
