"""What was said and what is worth saying. Nothing here reads a topic or a clock.

An anomaly goes on for hours, and the detector sees it anew each time. So alarms about one merchant, metric and
direction whose windows touch, or are at most `QUIET` apart, are one *streak*, and a streak is said once. It is said
again when it has become twice as bad: the logarithm of observed over expected is further from 0 by ln 2 than when it
was last said. When a streak has ended and another begins, that is news again.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.events import OpsInsight, derived_id
from streams.insights.detect import Anomaly

#: An anomaly that nothing was seen of for so long has ended.
QUIET = timedelta(hours=6)
#: A streak that was said is said again when it is this many times as far from what was expected.
GROWN = 2.0


class Subject(NamedTuple):
    """What a streak is about."""

    merchant_id: str
    metric: str
    more: bool


@dataclass(frozen=True, slots=True)
class Streak:
    """Alarms about one subject without a pause: from the start of the first's window to when the last was seen."""

    start: datetime
    last: datetime


Streaks = Mapping[Subject, Streak]
Said = Mapping[Subject, OpsInsight]


def subject_of(about: Anomaly | OpsInsight) -> Subject:
    """What an anomaly or an insight is about."""
    return Subject(about.merchant_id, about.metric, about.observed > about.expected)


def last_said(insights: Iterable[OpsInsight]) -> dict[Subject, OpsInsight]:
    """The latest insight about each subject, in whatever order they come."""
    said: dict[Subject, OpsInsight] = {}
    for insight in insights:
        before = said.get(subject_of(insight))
        if before is None or _order(before) < _order(insight):
            said[subject_of(insight)] = insight
    return said


def streaks_after(streaks: Streaks, anomalies: Iterable[Anomaly], now: datetime) -> dict[Subject, Streak]:
    """The streaks once these anomalies were seen as well; those that have ended are forgotten."""
    after = {subject: streak for subject, streak in streaks.items() if streak.last + QUIET >= now}
    for anomaly in anomalies:
        subject = subject_of(anomaly)
        before = after.get(subject) or streaks.get(subject)
        goes_on = before is not None and anomaly.window_start <= before.last + QUIET
        start = min(before.start, anomaly.window_start) if before and goes_on else anomaly.window_start
        after[subject] = Streak(start, anomaly.window_end)
    return after


def is_news(anomaly: Anomaly, streak: Streak, before: OpsInsight | None) -> bool:
    """Whether to say it.

    Args:
        streak: the one that the anomaly belongs to.
        before: what was last said about its subject.
    """
    if before is None or before.window_end + QUIET < streak.start:
        return True
    return _distance(anomaly) >= _distance(before) + math.log(GROWN)


def event_id_of(anomaly: Anomaly, before: OpsInsight | None) -> uuid.UUID:
    """The id of what is said about the anomaly: what comes after the same words has the same id, whoever says it.

    So when a worker that was taken for dead still speaks, it and its successor make the same event, even if one saw
    the anomaly an hour after the other. The first word about a subject is named by its window.
    """
    after: object = anomaly.window_start.isoformat() if before is None else before.event_id
    direction = "more" if anomaly.observed > anomaly.expected else "less"
    return derived_id("insights", anomaly.merchant_id, anomaly.metric, direction, after)


def _distance(about: Anomaly | OpsInsight) -> float:
    # One is added to each, so that nothing at all is not infinitely far.
    return abs(math.log((about.observed + 1) / (about.expected + 1)))


def _order(insight: OpsInsight) -> tuple[datetime, datetime, uuid.UUID]:
    return insight.window_end, insight.occurred_at, insight.event_id
