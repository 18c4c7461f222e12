"""Alarms about the same thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from streams.insights.detect import Anomaly


@dataclass(frozen=True, slots=True)
class Episode:
    """What was noticed of one thing, from first to last: the first is news, the others repeat it."""

    anomalies: tuple[Anomaly, ...]

    @property
    def first(self) -> Anomaly:
        return self.anomalies[0]


def same_event(earlier: Anomaly, later: Anomaly, gap: timedelta = timedelta(0)) -> bool:
    """Whether the later one repeats the earlier: same merchant, metric and direction, and windows at most `gap`
    apart."""
    return (earlier.merchant_id, earlier.metric, earlier.more) == (
        later.merchant_id,
        later.metric,
        later.more,
    ) and later.window_start <= earlier.window_end + gap


def episodes(anomalies: Iterable[Anomaly], gap: timedelta = timedelta(0)) -> list[Episode]:
    """The anomalies, in the order in which they were noticed, put together where each repeats the one before."""
    found: list[list[Anomaly]] = []
    latest: dict[tuple[str, str, bool], list[Anomaly]] = {}
    for anomaly in anomalies:
        key = (anomaly.merchant_id, anomaly.metric, anomaly.more)
        known = latest.get(key)
        if known is not None and same_event(known[-1], anomaly, gap):
            known.append(anomaly)
        else:
            latest[key] = [anomaly]
            found.append(latest[key])
    return [Episode(tuple(each)) for each in found]
