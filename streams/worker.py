"""A worker: one process, one engine, and a Faust app for each of its agents that reads a topic.

These agents are apps of their own, each with its consumer group, so that a backlog of copy to write does not hold up
answers, and agents can be spread over workers as the load wants. They share the engine, which puts answers first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import faust
import structlog

from model.protocol import Engine
from model.tasks.answer import AnswerPolicy
from model.tasks.answer_draft import DraftPolicy
from model.tasks.copy_policy import DescribePolicy
from model.tasks.prepare import prepare
from schemas.codec import Codec
from schemas.events import OpsInsight
from schemas.publisher import Publisher
from schemas.topics import LISTINGS, QUESTIONS
from streams.answer import Answer
from streams.app import ANSWER_APP, ENRICH_APP, make_app, sender
from streams.approved_book import ApprovedBook
from streams.book import Book
from streams.delivery import DeadLetterLimit, DeadLetterMeter, RetryPolicy
from streams.enrich import Enrich
from streams.health import Limits
from streams.insights.agent import Insights, InsightsPolicy
from streams.insights.detect import DetectionPolicy
from streams.insights.owner import Ownership
from streams.insights.recall import recall
from streams.insights.source import Source
from streams.lag import follow_lag
from streams.lane import Lane
from streams.listing_book import ListingBook
from streams.outlet import Outlet
from streams.policies import Policies
from streams.pulse import Pulse
from streams.retrying import Retrier
from streams.stages import ANSWER, ENRICH, INSIGHTS, STAGES
from tradewind.settings import Settings

log = structlog.get_logger("tradewind.worker")


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


class Worker:
    """Runs agents until it is told to stop or can't go on.

    Args:
        agents: names from `STAGES`.
        engine: what writes; the worker does not close it.
        policies: what merchants promise, for answers.
        source: the merchants' numbers, a must for insights.

    Attributes:
        pulse: whether it is alive and ready; may be asked by any thread.
    """

    def __init__(
        self,
        settings: Settings,
        agents: Sequence[str],
        engine: Engine,
        codec: Codec,
        *,
        policies: Policies = Policies(),
        source: Source | None = None,
        clock: Callable[[], datetime] = utc_now,
        random: Random | None = None,
    ) -> None:
        unknown = sorted(set(agents) - set(STAGES))
        if unknown or not agents:
            raise ValueError(f"no agent named {', '.join(unknown) or '(none given)'}; there are {', '.join(STAGES)}")
        self._settings = settings
        self._agents = tuple(agents)
        self._engine = engine
        self._codec = codec
        self._policies = policies
        if INSIGHTS in agents and source is None:
            raise ValueError("the agent insights reads ClickHouse; give the worker a source")
        self._source = source
        self._clock = clock
        self._random = random or Random()
        self._lanes: list[Lane[Any]] = []
        self._books: list[Book[Any]] = []
        limits = Limits(settings.stuck_after_s, settings.event_stuck_after_s)
        self.pulse = Pulse(engine, self._lanes, self._books, limits)

    async def run(self, stop: asyncio.Event) -> bool:
        """Consume until `stop` is set; gives whether what was in hand is done, or else comes again.

        Raises:
            DeadLetterLimitReached, NotRegistered, EngineClosed, ...: why an agent could not go on.
        """
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await asyncio.to_thread(prepare)
        make = {ENRICH: self._enrich_app, ANSWER: self._answer_app}
        apps = [make[agent](failed) for agent in self._agents if agent in make]
        beating = asyncio.ensure_future(self.pulse.beat())
        following = asyncio.ensure_future(follow_lag(apps))
        finished = True
        try:
            for book in self._books:
                book.start()
            for app in apps:
                app.conf.datadir.mkdir(parents=True, exist_ok=True)  # Faust makes the last level only
                await app.start()
            log.info("worker started", agents=self._agents, kafka=self._settings.bootstrap_servers)
            unending = [failed, *(book.failed for book in self._books)]
            await _first_of(
                stop.wait(), *map(_never_ends, unending), *(_crash_of(app) for app in apps), *self._insights()
            )
        finally:
            self.pulse.stopping = True
            log.info("worker stopping", agents=self._agents)
            if not failed.done():
                finished = await self._drain()
            for app in reversed(apps):
                app.conf.stream_wait_empty = False  # it has been waited for, and what is left may take for ever
                await app.stop()
                log.info("agent stopped", group=app.conf.id)
            for book in self._books:
                await book.close()
            for task in (beating, following):
                task.cancel()
            failed.cancel()
        return finished

    async def _drain(self) -> bool:
        """Finish what is in hand, within the time that is set for it. The rest is not acknowledged and comes again."""
        draining = [asyncio.ensure_future(lane.drain()) for lane in self._lanes]
        if not draining:
            return True
        _, late = await asyncio.wait(draining, timeout=self._settings.worker_stop_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("gave up on what was in hand; it comes again", after_s=self._settings.worker_stop_s)
        return not late

    def _enrich_app(self, failed: asyncio.Future[None]) -> faust.App:
        app = make_app(ENRICH_APP, self._settings)
        self.pulse.follow_assignments(app, ENRICH_APP)
        settings = self._settings
        policy = DescribePolicy(model_languages=settings.written_languages, deadline_s=settings.model_deadline_s)
        work = Enrich(self._engine, policy, self._clock)
        lane = self._lane(app, ENRICH, LISTINGS, work, in_key_order=True)

        @app.agent(app.topic(LISTINGS.name, value_serializer="raw"), name=ENRICH)
        async def enrich(stream: Any) -> None:
            await _reporting(failed, lane.run(stream.noack().events()))

        return app

    def _answer_app(self, failed: asyncio.Future[None]) -> faust.App:
        settings = self._settings
        listings = ListingBook(settings.kafka_client())
        approved: ApprovedBook | None = None
        self._books.append(listings)
        if settings.approved_answers:
            approved = ApprovedBook(settings.kafka_client(), self._codec, per_listing=settings.approved_answers)
            self._books.append(approved)
        app = make_app(ANSWER_APP, settings)
        self.pulse.follow_assignments(app, ANSWER_APP)
        policy = AnswerPolicy(
            drafting=DraftPolicy(model_languages=settings.written_languages, deadline_s=settings.model_deadline_s)
        )
        work = Answer(
            self._engine,
            listings,
            approved,
            self._policies,
            self._codec,
            policy,
            self._clock,
            wait_s=settings.listing_wait_s,
        )
        lane = self._lane(app, ANSWER, QUESTIONS, work, in_key_order=False)

        @app.on_partitions_assigned.connect  # type: ignore[arg-type]
        async def follow(_: Any, assigned: Any, **__: Any) -> None:
            partitions = [place.partition for place in assigned if place.topic == QUESTIONS.name]
            for book in self._books:
                book.assign(partitions)

        @app.agent(app.topic(QUESTIONS.name, value_serializer="raw"), name=ANSWER)
        async def answer(stream: Any) -> None:
            await _reporting(failed, lane.run(stream.noack().events()))

        return app

    def _insights(self) -> list[Coroutine[Any, Any, None]]:
        """What never ends while insights are said: the membership of those who may, and the looks."""
        if self._source is None or INSIGHTS not in self._agents:
            return []
        settings, codec = self._settings, self._codec
        owner = self.pulse.owner = Ownership(settings.kafka_client(), settings.kafka_session_timeout_ms)
        publisher = Publisher(settings.kafka_client(), codec)

        def publish(insights: Iterable[OpsInsight]) -> None:
            for insight in insights:
                publisher.publish(insight)
            publisher.flush()

        agent = Insights(
            self._engine,
            self._source,
            owner,
            publish,
            lambda: recall(settings.kafka_client(), codec),
            InsightsPolicy(
                every_s=settings.insights_every_s,
                patience=timedelta(seconds=settings.insights_answer_s),
                detection=DetectionPolicy(history=settings.insights_history_days),
            ),
            self._clock,
        )
        return [owner.run(), agent.run()]

    def _lane(self, app: faust.App, stage: str, topic: Any, work: Any, *, in_key_order: bool) -> Lane[Any]:
        settings = self._settings
        lane: Lane[Any] = Lane(
            stage,
            topic,
            work,
            codec=self._codec,
            outlet=Outlet(self._codec, sender(app), self._clock),
            meter=DeadLetterMeter(
                DeadLetterLimit(settings.dead_letter_share, settings.dead_letter_window, settings.dead_letters_in_a_row)
            ),
            retry=self._retrier(stage),
            max_in_flight=settings.worker_max_in_flight,
            in_key_order=in_key_order,
        )
        self._lanes.append(lane)
        return lane

    def _retrier(self, stage: str) -> Retrier:
        settings = self._settings
        policy = RetryPolicy(settings.retry_attempts, settings.retry_first_s, settings.retry_longest_s)
        return Retrier(stage, policy, self._random)


async def _reporting(failed: asyncio.Future[None], running: Any) -> None:
    """Let an agent's error end the worker. Faust would start the agent again, past the events that were in hand."""
    try:
        await running
    except Exception as error:
        if not failed.done():
            failed.set_exception(error)
        await asyncio.get_running_loop().create_future()  # until the app stops and cancels us


async def _never_ends(failed: asyncio.Future[None]) -> None:
    await asyncio.shield(failed)


async def _crash_of(app: faust.App) -> None:
    await app._crashed.wait()
    raise app._crash_reason or RuntimeError(f"the app {app.conf.id} crashed without a reason")


async def _first_of(*coroutines: Any) -> None:
    """Wait for the first to end, with its error; the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
