"""SIGTERM to real processes: what was in hand is finished and committed, or comes again; never both, never neither."""

from __future__ import annotations

import os
import signal
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from consumers.clickhouse.client import open_client
from schemas.events import OrderEvent, OrderKind, QuestionAsked, derived_id
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, ORDERS, QUESTIONS, Topic
from streams.app import ANSWER_APP
from tests.support.commands import Command, running, until
from tradewind.assembly import make_codec, make_publisher
from tradewind.cli.shared import Exit
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

EVENTS = 60


def ask(settings: Settings, count: int = EVENTS) -> set[uuid.UUID]:
    """Ask about listings that do not exist, so that each question waits for its own; gives the ids of the answers."""
    asked = [
        QuestionAsked(
            event_id=uuid.uuid4(),
            occurred_at=datetime.now(timezone.utc),
            merchant_id="m-1",
            listing_id=f"l-{uuid.uuid4()}",
            question_id=f"q-{number}",
            text="Is it made of copper?",
        )
        for number in range(count)
    ]
    with make_publisher(settings) as publisher:
        for question in asked:
            publisher.publish(question)
    return {derived_id("answer", question.event_id) for question in asked}


def answers(settings: Settings, ids: set[uuid.UUID]) -> Counter[uuid.UUID]:
    """How often each of these answers is on its topic."""
    codec = make_codec(settings)
    found = (
        codec.decode_event(ANSWERS_DRAFTED, message.value() or b"")
        for message in read_all(settings.kafka_client(), ANSWERS_DRAFTED.name)
    )
    return Counter(each.event_id for each in found if getattr(each, "event_id", None) in ids)


def committed(settings: Settings, group: str, topic: Topic) -> int:
    """How many messages of the topic the group is done with."""
    consumer = Consumer(settings.kafka_client(**{"group.id": group}))
    places = [TopicPartition(topic.name, number) for number in range(settings.partitions)]
    try:
        return sum(max(0, place.offset) for place in consumer.committed(places, timeout=30))
    finally:
        consumer.close()


@pytest.fixture
def worker_settings(settings: Settings) -> Settings:
    """As many in hand as there are, each for some seconds."""
    return settings.model_copy(
        update={
            "worker_max_in_flight": 16,
            "listing_wait_s": 4.0,
            "worker_stop_s": 60.0,
            "approved_answers": 0,
            "kafka_session_timeout_ms": 6000,
        }
    )


@pytest.fixture
def answering(worker_settings: Settings, tmp_path: Path) -> Iterator[tuple[Command, Settings]]:
    """A worker that is ready."""
    with running(worker_settings, tmp_path, "worker", "--agents", "answer") as worker:
        worker.await_ready()
        yield worker, worker_settings


def test_a_worker_finishes_what_is_in_hand_and_commits_it(answering: tuple[Command, Settings], tmp_path: Path) -> None:
    worker, settings = answering
    before = committed(settings, ANSWER_APP, QUESTIONS)
    ids = ask(settings)
    until(lambda: worker.metric("tradewind_events_in_hand") >= 8, "questions in hand")
    worker.process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in worker.said, "it says that it stops")
    code, checks = worker.ask("readyz")
    assert code in {0, 503}
    if code:
        assert checks["running"] == {"ok": False, "why": "it is stopping"}
    assert worker.end() == 0, worker.said
    done = answers(settings, ids)
    assert 0 < len(done) < EVENTS, "it was stopped too late, or too early, to show anything"
    assert committed(settings, ANSWER_APP, QUESTIONS) - before == len(done)

    with running(settings, tmp_path, "worker", "--agents", "answer", listing_wait_s=0.1) as another:
        until(lambda: len(answers(settings, ids)) == EVENTS, "the rest is answered by the next worker")
        until(lambda: committed(settings, ANSWER_APP, QUESTIONS) - before == EVENTS, "all is committed")
        another.process.send_signal(signal.SIGTERM)
        assert another.end() == 0
    assert set(answers(settings, ids).values()) == {1}


@pytest.mark.slow_kafka
def test_a_worker_gives_up_what_takes_too_long_and_loses_none_of_it(worker_settings: Settings, tmp_path: Path) -> None:
    slow = worker_settings.model_copy(update={"listing_wait_s": 600.0, "worker_stop_s": 0.5})
    with running(slow, tmp_path, "worker", "--agents", "answer") as worker:
        worker.await_ready()
        before = committed(slow, ANSWER_APP, QUESTIONS)
        ids = ask(slow)
        until(lambda: worker.metric("tradewind_events_in_hand") >= 8, "questions in hand")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end() == Exit.UNFINISHED, worker.said
        assert "gave up on what was in hand; it comes again" in worker.said
    assert not answers(slow, ids)
    assert committed(slow, ANSWER_APP, QUESTIONS) == before
    with running(worker_settings, tmp_path, "worker", "--agents", "answer", listing_wait_s=0.1):
        until(lambda: len(answers(slow, ids)) == EVENTS, "all are answered by the next worker")


@pytest.mark.slow_kafka
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_worker_at_once(
    worker_settings: Settings, tmp_path: Path, number: signal.Signals
) -> None:
    with running(worker_settings, tmp_path, "worker", "--agents", "answer", listing_wait_s=600.0) as worker:
        worker.await_ready()
        ids = ask(worker_settings, 4)
        until(lambda: worker.metric("tradewind_events_in_hand") > 0, "questions in hand")
        worker.process.send_signal(number)
        until(lambda: "stopping" in worker.said, "it says that it stops")
        worker.process.send_signal(number)
        assert worker.end() == -number
    with running(worker_settings, tmp_path, "worker", "--agents", "answer", listing_wait_s=0.1):
        until(lambda: len(answers(worker_settings, ids)) == 4, "the next worker answers")


def orders(settings: Settings, count: int) -> set[uuid.UUID]:
    """Publish orders; gives their ids."""
    ids = [uuid.uuid4() for _ in range(count)]
    with make_publisher(settings) as publisher:
        for event_id in ids:
            publisher.publish(
                OrderEvent(
                    event_id=event_id,
                    occurred_at=datetime.now(timezone.utc),
                    merchant_id="m-1",
                    order_id=f"o-{event_id}",
                    listing_id="l-1",
                    kind=OrderKind.PLACED,
                    amount=Decimal("1.00"),
                    currency="EUR",
                )
            )
    return set(ids)


def stored(settings: Settings) -> list[uuid.UUID]:
    with open_client(settings) as client:
        return [row[0] for row in client.query("SELECT event_id FROM orders").result_rows]


def test_a_sink_stores_what_it_has_read_and_commits_it(settings: Settings, tmp_path: Path) -> None:
    small = {"sink_batch_rows": 200, "worker_stop_s": 60.0, "kafka_session_timeout_ms": 6000}
    already = len(stored(settings))
    sent = orders(settings, 20_000)
    with running(settings, tmp_path, "sink", **small) as sink:
        until(lambda: len(stored(settings)) - already > 400, "some orders are stored")
        sink.process.send_signal(signal.SIGTERM)
        assert sink.end() == 0, sink.said
    there = stored(settings)
    assert len(there) - already < len(sent), "it was stopped too late to show anything"
    assert committed(settings, settings.sink_group, ORDERS) == len(there)
    with running(settings, tmp_path, "sink") as sink:
        until(lambda: len(stored(settings)) - already >= len(sent), "the rest is stored by the next sink")
        sink.process.send_signal(signal.SIGTERM)
        assert sink.end() == 0
    assert sorted(stored(settings)[already:]) != []
    assert Counter(stored(settings)).most_common(1)[0][1] == 1


@pytest.mark.slow_kafka
def test_a_sink_gives_up_on_a_hung_clickhouse_and_loses_nothing(
    stack: LocalStack, settings: Settings, tmp_path: Path
) -> None:
    server = stack.pids()["clickhouse"]
    already = len(stored(settings))
    with running(settings, tmp_path, "sink", worker_stop_s=0.5, kafka_session_timeout_ms=6000) as sink:
        sink.await_ready()
        os.kill(server, signal.SIGSTOP)
        try:
            sent = orders(settings, 500)
            until(lambda: "orders" in str(sink.ask("readyz")[1].get("tables")), "it says that orders take long")
            assert sink.ask("healthz")[0] == 200
            sink.process.send_signal(signal.SIGTERM)
            assert sink.end() == Exit.UNFINISHED, sink.said
            assert "gave up" in sink.said
        finally:
            os.kill(server, signal.SIGCONT)
    with running(settings, tmp_path, "sink"):
        until(lambda: len(set(stored(settings)) & sent) == len(sent), "the next sink stores them")
    assert len(stored(settings)) >= already + len(sent)


@pytest.mark.slow_kafka
def test_a_hung_clickhouse_does_not_hold_up_a_worker_that_says_insights(
    stack: LocalStack, settings: Settings, tmp_path: Path
) -> None:
    server = stack.pids()["clickhouse"]
    often = {"insights_every_s": 0.2, "kafka_session_timeout_ms": 6000, "worker_stop_s": 5.0}
    with running(settings, tmp_path, "worker", "--agents", "insights", **often) as worker:
        worker.await_ready()
        until(lambda: worker.metric("tradewind_insight_looks_total") > 1, "it looks")
        os.kill(server, signal.SIGSTOP)
        try:
            looks = -1.0
            while looks != (now := worker.metric("tradewind_insight_looks_total")):
                looks = now
                until(lambda: worker.ask("readyz")[0] != 0, "time passes")
            worker.process.send_signal(signal.SIGTERM)
            assert worker.end() == 0, worker.said
        finally:
            os.kill(server, signal.SIGCONT)


@pytest.mark.slow_kafka
def test_a_worker_starts_without_clickhouse_and_says_that_insights_wait(settings: Settings, tmp_path: Path) -> None:
    away = {"clickhouse_url": "http://127.0.0.1:1", "kafka_session_timeout_ms": 6000}
    with running(settings, tmp_path, "worker", "--agents", "insights", **away) as worker:
        worker.await_ready()
        assert "no insights until ClickHouse can be read; check TRADEWIND_CLICKHOUSE_URL" in worker.said
        assert worker.ask("healthz")[0] == 200
        worker.process.send_signal(signal.SIGTERM)
        assert worker.end() == 0, worker.said
