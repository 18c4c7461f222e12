"""How long a buyer's question takes to its draft: readable on its topic, and visible in ClickHouse."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from bench.latency_figures import Figures, arrivals, summary, waits_ms
from bench.on_kafka import Ground
from bench.sink_load import steady
from consumers.clickhouse.client import open_client
from schemas.codec import Codec
from schemas.events import AnswerDrafted, ListingPublished, QuestionAsked, from_avro
from schemas.publisher import Publisher
from schemas.topics import ANSWERS_DRAFTED
from schemas.validation import validate
from tests.support.waiting import until
from tradewind.assembly import make_codec, make_publisher
from tradewind.demo.inputs import demo_listings, labelled_questions

#: Longest way of a question that is still waited for.
PATIENCE_S = 60.0
_LOOK_S = 0.02
_REAL_ORDERS = 5_000


def event(kind: type[Any], row: dict[str, Any]) -> Any:
    """A row of the demo's input as an event of now."""
    whole = {**row, "event_id": str(uuid.uuid4()), "occurred_at": datetime.now(timezone.utc)}
    datum = validate(kind.__name__, whole)
    assert isinstance(datum, dict), datum
    return from_avro(kind, datum)


def publish_listings(publisher: Publisher) -> int:
    """The demo's listings, which its questions are about."""
    rows = demo_listings()
    for row in rows:
        publisher.publish(event(ListingPublished, row))
    publisher.flush()
    return len(rows)


def question_rows() -> Iterator[dict[str, Any]]:
    """The demo's questions on its own listings again and again: others wait for theirs, and would measure that wait."""
    published = {row["listing_id"] for row in demo_listings()}
    asked = [each.question for each in labelled_questions() if each.question["listing_id"] in published]
    return itertools.cycle(asked)


class DraftReader:
    """Reads drafts as a help desk does.

    Attributes:
        read_at: when each question's draft was there, in `time.monotonic`'s seconds, by the question's id.
        of_model: questions that the model was asked about.
    """

    def __init__(self, ground: Ground) -> None:
        self.read_at: dict[uuid.UUID, float] = {}
        self.of_model: set[uuid.UUID] = set()
        self._codec: Codec = make_codec(ground.settings)
        self._consumer = Consumer(
            {**ground.settings.kafka_client(), "group.id": "bench-help-desk", "enable.auto.commit": False}
        )
        there = self._consumer.list_topics(ANSWERS_DRAFTED.name, timeout=10).topics[ANSWERS_DRAFTED.name].partitions
        self._consumer.assign([TopicPartition(ANSWERS_DRAFTED.name, each, OFFSET_END) for each in there])

    def run(self, stop: threading.Event) -> None:
        """Read until told to stop."""
        while not stop.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            now = time.monotonic()
            value = message.value()
            draft = self._codec.decode_event(ANSWERS_DRAFTED, value if isinstance(value, bytes) else None)
            assert isinstance(draft, AnswerDrafted)
            self.read_at.setdefault(draft.source_event_id, now)
            if draft.provenance.prompt_tokens:
                self.of_model.add(draft.source_event_id)
        self._consumer.close()


class TableWatcher:
    """Looks for drafts as an analyst's query would see them.

    Attributes:
        seen_at: when each question's draft was in ClickHouse, likewise.
    """

    def __init__(self, ground: Ground) -> None:
        self.seen_at: dict[uuid.UUID, float] = {}
        self._settings = ground.settings

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop; what is found was visible at the end of the query at the latest."""
        newest = 0
        with open_client(self._settings) as client:
            while not stop.wait(_LOOK_S):
                found = client.query(
                    "SELECT source_event_id, toUnixTimestamp64Milli(_inserted_at) FROM answers_drafted"
                    " WHERE _inserted_at >= fromUnixTimestamp64Milli({newest:Int64})",
                    parameters={"newest": newest},
                ).result_rows
                now = time.monotonic()
                for source, inserted in found:
                    self.seen_at.setdefault(source, now)
                    newest = max(newest, inserted)


@contextmanager
def watching(*watchers: DraftReader | TableWatcher) -> Iterator[None]:
    """Let them run for the length of the block, each in a thread."""
    stop = threading.Event()
    with ThreadPoolExecutor(len(watchers)) as threads:
        running = [threads.submit(each.run, stop) for each in watchers]
        try:
            yield
        finally:
            stop.set()
            for each in running:
                each.result()


def measure(ground: Ground, rate: float, seconds: float, orders_s: int, seed: int = 1) -> Figures:
    """Ask at that pace beside so many orders a second, and give how long the drafts took.

    Raises:
        TimeoutError: orders or drafts did not come.
    """
    reader, watcher = DraftReader(ground), TableWatcher(ground)
    moments, rows, asked = arrivals(rate, seconds, seed), question_rows(), dict[uuid.UUID, float]()
    before = _orders(ground)
    orders = steady(ground.settings, orders_s, int(seconds) + 5, _REAL_ORDERS)
    with make_publisher(ground.settings) as publisher, watching(reader, watcher), orders:
        until(lambda: _orders(ground) > before + orders_s, "orders come in", PATIENCE_S)
        began = time.monotonic()
        for at, row in zip(moments, rows, strict=False):
            time.sleep(max(0.0, began + at - time.monotonic()))
            question = event(QuestionAsked, row)
            asked[question.event_id] = time.monotonic()
            publisher.publish(question)
            publisher.flush()
        late = max((moment - began - at for moment, at in zip(asked.values(), moments, strict=True)), default=0.0)
        until(lambda: asked.keys() <= watcher.seen_at.keys(), "every draft is in ClickHouse", PATIENCE_S)
    until(lambda: _orders(ground) >= before + orders_s * (int(seconds) + 5), "every order is stored", PATIENCE_S)
    parts = {
        "all": list(asked),
        "model": [each for each in asked if each in reader.of_model],
        "no_model": [each for each in asked if each not in reader.of_model],
    }
    return {
        "questions_s": rate,
        "orders_s": orders_s,
        "seconds": seconds,
        "latest_question_ms": round(late * 1000),
        **{
            name: {
                "readable": summary(waits_ms(asked, reader.read_at, only)),
                "in_clickhouse": summary(waits_ms(asked, watcher.seen_at, only)),
            }
            for name, only in parts.items()
        },
    }


def _orders(ground: Ground) -> int:
    return int(ground.client.query("SELECT count() FROM orders").result_rows[0][0])
