"""One topic through one agent: decode, work, send, acknowledge; and whatever goes wrong on the way.

Faust acknowledges an event when an exception leaves the agent, or when the next one is asked for. So the stream is read
without acknowledgement (`noack`), no exception leaves this file but the ones that stop the worker, and an event is
acknowledged only after Kafka has acknowledged what was made of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from faust.types import EventT

from schemas.codec import Codec, Rejected
from schemas.dead_letters import Inbound
from schemas.events import Event
from schemas.topics import Topic
from streams import metrics
from streams.delivery import DeadLetterMeter
from streams.inflate import MAX_BATCH_BYTES, REFUSED_HEADER
from streams.outlet import Outlet
from streams.retrying import GaveUp, Retrier, Tries
from streams.window import AckWindow

log = structlog.get_logger("tradewind.streams")

SourceT = TypeVar("SourceT", bound=Event)

#: What an agent makes of an event and the message that it came in: the event to send.
Work = Callable[[SourceT, Inbound], Awaitable[Event]]


class Lane(Generic[SourceT]):
    """Runs the events of one topic through one agent's work.

    Args:
        stage: the agent's name, for dead letters, logs and metrics.
        topic: what the stream carries.
        work: makes the result of an event.
        codec, outlet, meter, retry: what the lane works with.
        max_in_flight: events that are worked on at once; more are left in Kafka.
        in_key_order: whether the results of one key leave in the order of its events. A must where the last result
            counts; elsewhere it only makes a quick result wait for a slow one.
    """

    def __init__(
        self,
        stage: str,
        topic: Topic,
        work: Work[SourceT],
        *,
        codec: Codec,
        outlet: Outlet,
        meter: DeadLetterMeter,
        retry: Retrier,
        max_in_flight: int,
        in_key_order: bool,
    ) -> None:
        self.stage = stage
        self._topic = topic
        self._work = work
        self._codec = codec
        self._outlet = outlet
        self._meter = meter
        self._retry = retry
        self._max_in_flight = max_in_flight
        self._in_key_order = in_key_order
        self._window = AckWindow()
        self._last_of_key: dict[Hashable, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tries: dict[int, Tries] = {}  # of each event in hand
        self._closing = False
        self._in_hand = metrics.IN_HAND.labels(stage)
        self._process_seconds = metrics.PROCESS_SECONDS.labels(stage)

    @property
    def tries(self) -> list[Tries]:
        """How it stands with each event in hand. May be asked by any thread."""
        return list(self._tries.values())

    async def run(self, events: AsyncIterable[EventT[Any]]) -> None:
        """Work on the stream's events until it ends.

        Raises:
            DeadLetterLimitReached, or an error whose verdict is to stop. What is in hand is then not acknowledged,
            and comes again to whoever takes the partition over.
        """
        places = asyncio.Semaphore(self._max_in_flight)
        tasks = self._tasks
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def ended(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            places.release()
            self._in_hand.set(len(self._window))
            if not task.cancelled() and (error := task.exception()) and not failed.done():
                failed.set_exception(error)

        async def read() -> None:
            async for event in events:
                await places.acquire()
                if failed.done() or self._closing:
                    return
                message = _inbound(event)
                done = self._window.enter(message.topic, message.partition, event.ack)
                metrics.IN_HAND.labels(self.stage).set(len(self._window))
                task = asyncio.ensure_future(self._through(message, done))
                tasks.add(task)
                task.add_done_callback(ended)

        reader = asyncio.ensure_future(read())
        try:
            await asyncio.wait({reader, failed}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
            await reader
            if tasks:
                await asyncio.wait(tasks)
            if failed.done():
                failed.result()
        finally:
            for task in (reader, *tasks):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(reader, *tasks, return_exceptions=True)
            failed.cancel()

    async def drain(self) -> None:
        """Take no more events, and return when those in hand are done."""
        self._closing = True
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _through(self, message: Inbound, done: Callable[[], None]) -> None:
        """One message, to its end."""
        started = time.perf_counter()
        turn = self._take_turn(message.key)
        tries = Tries()
        self._tries[id(tries)] = tries
        try:
            outcome = await self._process(message, turn.before, tries)
        finally:
            turn.over()
            del self._tries[id(tries)]
        self._process_seconds.observe(time.perf_counter() - started)
        metrics.EVENTS.labels(self.stage, outcome).inc()
        done()
        self._meter.count(message.topic, message.partition, dead=outcome == "dead_letter")

    async def _process(self, message: Inbound, before: asyncio.Future[None] | None, tries: Tries) -> str:
        event, _ = await self._retry(lambda: self._decode(message), tries)
        if isinstance(event, Rejected):
            await self._put_aside(message, event.error_class, event.message, tries)
            return "dead_letter"
        source: Any = event
        try:
            result, attempts = await self._retry(lambda: self._work(source, message), tries)
        except GaveUp as gave_up:
            await self._put_aside(
                message,
                gave_up.error_class,
                gave_up.why,
                tries,
                attempts=gave_up.attempts,
                merchant_id=source.merchant_id,
            )
            return "dead_letter"
        if before is not None:
            await before  # results of one key leave in the order of its events
        try:
            await self._retry(lambda: self._outlet.send(result), tries)
        except GaveUp as gave_up:
            await self._put_aside(
                message, gave_up.error_class, gave_up.why, tries, attempts=attempts, merchant_id=source.merchant_id
            )
            return "dead_letter"
        self._tell(result)
        return "done"

    async def _decode(self, message: Inbound) -> Event | Rejected:
        if message.value is None and REFUSED_HEADER in message.headers:
            return Rejected("TooLarge", f"it came in a batch that does not inflate within {MAX_BATCH_BYTES} bytes")
        return self._codec.decode_event(self._topic, message.value)

    async def _put_aside(
        self,
        message: Inbound,
        error_class: str,
        why: str,
        tries: Tries,
        *,
        attempts: int = 1,
        merchant_id: str = "",
    ) -> None:
        log.warning(
            "dead letter",
            stage=self.stage,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            error_class=error_class,
            why=why,
            attempts=attempts,
        )

        async def send() -> None:
            await self._outlet.dead_letter(
                message,
                stage=self.stage,
                error_class=error_class,
                why=why,
                attempts=attempts,
                merchant_id=merchant_id,
            )

        await self._retry(send, tries)

    def _take_turn(self, key: bytes | None) -> _Turn:
        if not self._in_key_order:
            return _ANY_TURN
        before = self._last_of_key.get(key)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last_of_key[key] = mine

        def over() -> None:
            mine.set_result(None)
            if self._last_of_key.get(key) is mine:
                del self._last_of_key[key]

        return _Turn(before, over)

    def _tell(self, result: Any) -> None:
        metrics.ROUTES.labels(self.stage, result.route.value, result.reason).inc()
        metrics.MODEL_TOKENS.labels(self.stage, "prompt").inc(result.provenance.prompt_tokens)
        metrics.MODEL_TOKENS.labels(self.stage, "completion").inc(result.provenance.completion_tokens)
        log.debug(
            "done",
            stage=self.stage,
            event_id=str(result.event_id),
            listing_id=result.listing_id,
            route=result.route.value,
            reason=result.reason,
            total_ms=round(result.timings.total_ms, 1),
        )


@dataclass(frozen=True, slots=True)
class _Turn:
    """A message's place among those of the same key."""

    before: asyncio.Future[None] | None
    over: Callable[[], None]


_ANY_TURN = _Turn(None, lambda: None)


def _inbound(event: EventT[Any]) -> Inbound:
    message = event.message
    return Inbound(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=None if message.timestamp is None else round(message.timestamp * 1000),
        key=message.key,
        value=message.value,
        headers={str(k): v for k, v in (dict(message.headers) if message.headers else {}).items()},
    )
