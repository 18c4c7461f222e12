"""The part of the sink behind Kafka, driven by hand on a real ClickHouse: batches as a test wants them."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client
from prometheus_client import CollectorRegistry

from consumers.clickhouse.backoff import Backoff
from consumers.clickhouse.batch import Batch
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.positions import Log
from consumers.clickhouse.reject import DeadLetterLimit, DeadLetterQueue, Refusal, inbound
from consumers.clickhouse.store import Store
from consumers.clickhouse.tables import TABLES
from schemas.codec import Codec
from schemas.dead_letters import dead_letter
from schemas.events import DeadLetter
from schemas.registry import CommittedRegistry, Registry
from schemas.topics import DEAD_LETTERS
from tests.consumers.events import AT
from tests.consumers.messages import FakeMessage

TABLE = {table.name: table for table in TABLES}


@dataclass
class Letters:
    """A dead letter queue that takes each message through its record and back."""

    found: list[DeadLetter] = field(default_factory=list)
    codec: Codec = field(default_factory=lambda: Codec(CommittedRegistry()))

    def put(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            why = refusal.why
            letter = dead_letter(
                inbound(refusal.message), stage="sink", error_class=why.error_class, why=why.message, now=AT
            )
            back = self.codec.decode_event(DEAD_LETTERS, self.codec.encode_event(letter))
            assert isinstance(back, DeadLetter)
            self.found.append(back)


class FewTries(Backoff):
    """Takes a batch that is tried for ever for what it is: a sink that stands still."""

    def wait(self, attempt: int, rng: random.Random, cancel: threading.Event) -> None:
        assert attempt < 5, "the same is tried again and again"


def store_of(
    name: str, client: Any, letters: DeadLetterQueue, registry: Registry | None = None, backoff: Backoff | None = None
) -> Store:
    """A store of the table that never waits; by default it fails where the sink would try for ever."""
    return Store(
        TABLE[name],
        client,
        registry or CommittedRegistry(),
        letters,
        backoff=backoff or FewTries(0.01, 0.01),
        limit=DeadLetterLimit(1.0, 1 << 30, 1 << 30),
        metrics=SinkMetrics(CollectorRegistry()),
        rng=random.Random(1),
    )


def store(of: Store, log: Log, messages: Sequence[FakeMessage]) -> None:
    """Store the messages as one batch."""
    of.store(Batch(log, 0.0, list(messages)), threading.Event())


def rows_of(client: Client, name: str, columns: str, log: Log) -> dict[tuple[int, int], dict[str, Any]]:
    """The rows that were read from the log, by their place."""
    sql = f"SELECT _partition, _offset, {columns} FROM {name} WHERE _log = {{log:String}}"
    found = client.query(sql, parameters={"log": log.identity}).named_results()
    return {(row.pop("_partition"), row.pop("_offset")): row for row in map(dict, found)}
