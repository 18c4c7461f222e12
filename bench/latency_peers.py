"""Paths from `questions.v1` to `answers-drafted.v1` without our tasks, for `latency.py`; each promises what we promise.

    python -m bench.latency_peers lane|faust|loop    runs until SIGTERM, with the settings of the environment

All decode a question, make a draft of the same few fields, encode it, and acknowledge the question in order, once Kafka
has acknowledged the draft. What differs is the path.

- lane: ours, as the worker has it.
- faust: a plain Faust agent that takes up to 500 events at a time.
- loop: consume, produce, flush and commit with confluent-kafka, up to 500 messages at a time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from random import Random
from typing import Any

import faust
from confluent_kafka import Consumer, Producer

from schemas.codec import Codec
from schemas.dead_letters import Inbound
from schemas.events import AnswerDrafted, AnswerRoute, Method, Provenance, QuestionAsked, Timings, derived_id
from schemas.topics import ANSWERS_DRAFTED, QUESTIONS
from streams import metrics
from streams.app import make_app, sender
from streams.delivery import DeadLetterLimit, DeadLetterMeter, RetryPolicy
from streams.lane import Lane
from streams.outlet import Outlet
from streams.retrying import Retrier
from tradewind import logs
from tradewind.assembly import make_codec
from tradewind.health import Health
from tradewind.processes import serve_metrics
from tradewind.settings import Settings

#: Events that the peers take at a time.
AT_ONCE = 500
_WITHIN_S = 0.05


def group(name: str) -> str:
    """The consumer group of a path."""
    return f"bench-{name}"


def draft(question: QuestionAsked) -> AnswerDrafted:
    """What every path makes of a question."""
    return AnswerDrafted(
        event_id=derived_id("answer", question.event_id),
        occurred_at=datetime.now(timezone.utc),
        merchant_id=question.merchant_id,
        listing_id=question.listing_id,
        question_id=question.question_id,
        source_event_id=question.event_id,
        asked_at=question.occurred_at,
        language="en",
        question="",
        draft="",
        confidence=0.0,
        route=AnswerRoute.HUMAN,
        reason="listing_unknown",
        provenance=Provenance(model="none", method=Method.NONE),
        timings=Timings(),
    )


def forwarded(codec: Codec, value: bytes | None) -> bytes:
    """The draft's message of a question's message."""
    question = codec.decode_event(QUESTIONS, value)
    assert isinstance(question, QuestionAsked)
    return codec.encode_event(draft(question))


async def at_once(question: QuestionAsked, message: Inbound) -> AnswerDrafted:
    """A task that takes no time."""
    return draft(question)


def our_app(
    settings: Settings, work: Callable[[QuestionAsked, Inbound], Awaitable[AnswerDrafted]] = at_once
) -> faust.App:
    """The worker's own path, with that task."""
    app, codec = make_app(group("lane"), settings), make_codec(settings)

    lane: Lane[QuestionAsked] = Lane(
        "answer",
        QUESTIONS,
        work,
        codec=codec,
        outlet=Outlet(codec, sender(app), lambda: datetime.now(timezone.utc)),
        meter=DeadLetterMeter(DeadLetterLimit()),
        retry=Retrier("answer", RetryPolicy(), Random(1)),
        max_in_flight=settings.worker_max_in_flight,
        in_key_order=False,
    )

    @app.agent(app.topic(QUESTIONS.name, value_serializer="raw"), name="lane")
    async def answer(stream: Any) -> None:
        await lane.run(stream.noack().events())

    return app


def plain_app(settings: Settings) -> faust.App:
    """What one writes with Faust's own means."""
    app, codec = make_app(group("faust"), settings), make_codec(settings)
    send = sender(app)

    @app.agent(app.topic(QUESTIONS.name, value_serializer="raw"), name="faust")
    async def answer(stream: Any) -> None:
        async for events in stream.noack_take(AT_ONCE, within=_WITHIN_S):
            await asyncio.gather(
                *(send(ANSWERS_DRAFTED.name, event.message.key, forwarded(codec, event.value)) for event in events)
            )
            for event in events:
                event.ack()

    return app


async def run_app(app: faust.App) -> None:
    """Run it until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app.conf.datadir.mkdir(parents=True, exist_ok=True)
    await app.start()
    metrics.READY.set(1)
    await stop.wait()
    app.conf.stream_wait_empty = False
    await app.stop()


def loop(settings: Settings) -> None:
    """What one writes without Faust."""
    codec, stop = make_codec(settings), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    consumer = Consumer(
        {
            **settings.kafka_client(),
            "group.id": group("loop"),
            "enable.auto.commit": False,
            "session.timeout.ms": settings.kafka_session_timeout_ms,
        }
    )
    producer = Producer({**settings.kafka_client(), "acks": "all", "linger.ms": 2})
    consumer.subscribe([QUESTIONS.name], on_assign=lambda *_: metrics.READY.set(1))
    while not stop.is_set():
        messages = consumer.consume(AT_ONCE, _WITHIN_S)
        for message in messages:
            value = message.value()
            assert not isinstance(value, str)
            producer.produce(ANSWERS_DRAFTED.name, forwarded(codec, value), message.key())
        if messages:
            assert producer.flush(30) == 0
            consumer.commit(asynchronous=False)
    consumer.close()


def main() -> None:
    """Run the path that the command line names."""
    settings = Settings()
    logs.configure(settings)
    serve_metrics(settings, Health("a bench has no checks"))
    name = sys.argv[1]
    if name == "loop":
        loop(settings)
    else:
        asyncio.run(run_app({"lane": our_app, "faust": plain_app}[name](settings)))


if __name__ == "__main__":
    main()
