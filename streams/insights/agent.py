"""The insights agent: every minute, what stands out in the merchants' numbers, said once.

It reads counts instead of a topic, so nothing is acknowledged: a look that fails is followed by the next. What was said
stands on `insights.v1`, and whoever begins to speak reads it there first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from model.protocol import Engine
from model.tasks.insight import InsightPolicy, tell
from model.tasks.insight_facts import Driver, InsightFacts
from schemas.events import OpsInsight
from schemas.forbidden import is_forbidden
from schemas.publisher import DeliveryFailed
from schemas.registry import RegistryUnavailable
from streams import metrics
from streams.aside import aside
from streams.insights.detect import Anomaly, DetectionPolicy
from streams.insights.history import REPLAY, Detector, History
from streams.insights.said import Streak, Subject, event_id_of, is_news, last_said, streaks_after, subject_of
from streams.insights.series import Series
from streams.insights.source import Source, SourceAway
from streams.stages import INSIGHTS

log = structlog.get_logger("tradewind.insights")

_REPLAY_STEP = timedelta(hours=6)  # the shortest window, so that the windows of the replay touch


class Owner(Protocol):
    """Says whether this worker is the one that speaks."""

    @property
    def held(self) -> bool: ...

    @property
    def term(self) -> int: ...

    async def wait(self) -> None: ...


#: Finds what stands out at a time.
Find = Callable[[Sequence[Series], datetime], list[Anomaly]]
#: Publishes insights and returns once Kafka has acknowledged all of them. Blocks.
Publish = Callable[[Iterable[OpsInsight]], None]
#: Every insight that is on the topic. Blocks.
Recall = Callable[[], Iterable[OpsInsight]]


@dataclass(frozen=True, slots=True)
class InsightsPolicy:
    """What is said, and how often it is looked for.

    Attributes:
        every_s: from the start of a look to the next, in seconds.
        most: insights of one look; the surest go first, the others come with the next.
        drivers: listings that are named at most.
        patience: how long a question waits before it counts as unanswered.
    """

    every_s: float = 60.0
    most: int = 20
    drivers: int = 3
    patience: timedelta = timedelta(hours=1)
    detection: DetectionPolicy = field(default_factory=DetectionPolicy)
    writing: InsightPolicy = field(default_factory=InsightPolicy)


class Insights:
    """Looks, and says what is new.

    Args:
        owner: only one worker at a time speaks.
        recall: what has been said.
        clock: aware, UTC.
        find: what stands out; the detector, if not given.
    """

    def __init__(
        self,
        engine: Engine,
        source: Source,
        owner: Owner,
        publish: Publish,
        recall: Recall,
        policy: InsightsPolicy,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        find: Find | None = None,
    ) -> None:
        self._engine = engine
        self._source = source
        self._owner = owner
        self._publish = publish
        self._recall = recall
        self._policy = policy
        self._clock = clock
        self._sleep = sleep
        self._find = find or Detector(policy.detection)
        self._history = History(source, policy.detection)
        self._term = 0  # 0: what was said is not known
        self._said: dict[Subject, OpsInsight] = {}
        self._streaks: dict[Subject, Streak] = {}

    async def run(self) -> None:
        """Look every minute, for as long as this worker is the owner.

        Raises:
            EngineClosed, NotRegistered: the worker can't go on.
        """
        while True:
            await self._owner.wait()
            started = time.perf_counter()
            outcome = await self.look()
            took_s = time.perf_counter() - started
            metrics.INSIGHT_LOOKS.labels(outcome).inc()
            metrics.INSIGHT_LOOK_SECONDS.observe(took_s)
            await self._sleep(max(0.0, self._policy.every_s - took_s))

    async def look(self) -> str:
        """Look once, and give what came of it: told, quiet, away (ClickHouse) or undelivered (Kafka).

        Raises:
            KafkaException, DeliveryFailed: this account may not read or write the insights.
        """
        try:
            return "told" if await self._say_what_is_new() else "quiet"
        except SourceAway as away:
            log.warning("the counts can't be read, looking again soon", error_class=str(away))
            return "away"
        except (KafkaException, DeliveryFailed, RegistryUnavailable) as error:
            if _is_forbidden(error):
                raise
            self._term = 0  # some of it may have been delivered; the topic knows
            log.warning("Kafka gives no answer, looking again soon", error_class=type(error).__name__)
            return "undelivered"

    async def _say_what_is_new(self) -> int:
        now, term = self._clock(), self._owner.term
        series = await aside(lambda: self._history.at(now), "insights-counts")
        if self._term != term:
            self._said = await aside(lambda: last_said(self._recall()), "insights-recall")
            self._streaks = await asyncio.to_thread(self._replay, series, now)
            self._term = term
        anomalies = await asyncio.to_thread(self._find, series, now)
        self._streaks = streaks_after(self._streaks, anomalies, now)
        news = [anomaly for anomaly in anomalies if self._is_news(anomaly)]
        insights = await asyncio.gather(*map(self._insight, news[: self._policy.most]))
        if not insights or not self._owner.held:
            return 0
        await asyncio.to_thread(self._publish, insights)
        for insight in insights:
            self._said[subject_of(insight)] = insight
            _count(insight)
        log.info("said", stage=INSIGHTS, insights=len(insights), anomalies=len(anomalies))
        return len(insights)

    def _replay(self, series: list[Series], now: datetime) -> dict[Subject, Streak]:
        """What has been going on, so that an anomaly that was said days ago and never ended is known as the same."""
        streaks: dict[Subject, Streak] = {}
        at = now - REPLAY
        while at < now:
            streaks = streaks_after(streaks, self._find(series, at), at)
            at += _REPLAY_STEP
        return streaks

    def _is_news(self, anomaly: Anomaly) -> bool:
        subject = subject_of(anomaly)
        return is_news(anomaly, self._streaks[subject], self._said.get(subject))

    async def _insight(self, anomaly: Anomaly) -> OpsInsight:
        drivers = await aside(lambda: self._source.drivers(anomaly, self._policy.drivers), "insights-drivers")
        event_id = event_id_of(anomaly, self._said.get(subject_of(anomaly)))
        facts = self._facts(anomaly, drivers)
        told = await tell(self._engine, facts, seed=event_id.int % 2**31, policy=self._policy.writing)
        for refusal in told.refusals:
            metrics.INSIGHT_REFUSALS.labels(refusal.category).inc()
        return OpsInsight(
            event_id=event_id,
            occurred_at=self._clock(),
            merchant_id=anomaly.merchant_id,
            metric=anomaly.metric,
            window_start=anomaly.window_start,
            window_end=anomaly.window_end,
            observed=float(anomaly.observed),
            expected=anomaly.expected,
            score=anomaly.score,
            provenance=told.provenance,
            kind=anomaly.kind,
            listing_ids=tuple(driver.listing_id for driver in drivers),
            text=told.text,
            suggestion=told.suggestion,
        )

    def _facts(self, anomaly: Anomaly, drivers: tuple[Driver, ...]) -> InsightFacts:
        return InsightFacts(
            metric=anomaly.metric,
            more=anomaly.observed > anomaly.expected,
            observed=anomaly.observed,
            expected=anomaly.expected,
            start=anomaly.window_start,
            drivers=drivers,
            patience=self._policy.patience,
        )


def _count(insight: OpsInsight) -> None:
    metrics.INSIGHTS_SAID.labels(insight.metric, insight.kind.value, insight.provenance.method.value).inc()
    metrics.MODEL_TOKENS.labels(INSIGHTS, "prompt").inc(insight.provenance.prompt_tokens)
    metrics.MODEL_TOKENS.labels(INSIGHTS, "completion").inc(insight.provenance.completion_tokens)


def _is_forbidden(error: Exception) -> bool:
    if isinstance(error, KafkaException):
        return is_forbidden(error.args[0])
    return isinstance(error, DeliveryFailed) and error.forbidden
