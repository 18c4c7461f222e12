"""What stands out in the merchants' numbers now.

Each merchant's count in windows of several lengths is held against its forecast, whose variance takes in the
merchant's own spread and the errors of its level and of what moves everyone. It stands out where the change is large
enough to matter, well beyond what that merchant went through twice before, and too unlikely to be chance among all
that is looked at in a day (Benjamini and Hochberg, JRSS B 57, 1995). What lies after `now` has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from schemas.events import InsightKind
from streams.insights.baseline import Baseline, fit
from streams.insights.factor import common_factor
from streams.insights.series import HOUR, SALES, Series, hour_of, hours_since_epoch
from streams.insights.tails import lower_tail, upper_tail


@dataclass(frozen=True, slots=True)
class DetectionPolicy:
    """What is worth saying, and how sure to be of it."""

    windows: tuple[int, ...] = (6, 12, 24, 48, 72, 168)  # hours, each ending now
    trend: int = 168  # a window at least this long shows a trend
    history: int = 84  # days of past, at most, that the baseline rests on; they end where the longest window starts
    least_history: int = 14  # days since a merchant's first count; a newer one is left alone
    alarms_a_day: float = 0.01  # false ones a day over all merchants when nothing is wrong; see detect
    least_lift: float = 1.5  # a spike is at least this much of what was expected
    most_left: float = 0.6  # a drop leaves at most this much of it
    least_news: float = 1.75  # times as far off as the merchant went twice before, at least, in standard deviations
    least_change: float = 6.0  # counts by which observed and expected differ, at least
    drops: frozenset[str] = frozenset({SALES})  # metrics whose fall is bad news


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One merchant's metric over one window, too far from what was to be expected to be chance."""

    merchant_id: str
    metric: str
    kind: InsightKind
    window_start: datetime  # a full hour, UTC
    window_end: datetime  # when it was noticed: `now` of detect
    observed: int
    expected: float
    score: float  # (observed - expected) in standard deviations of the forecast; above 0: more than expected
    p_value: float  # chance of a count this far out, were nothing wrong
    q_value: float  # p adjusted for all that is looked at in a day; see detect

    @property
    def more(self) -> bool:
        """Whether there is more than expected, also for a trend."""
        return self.observed > self.expected

    @property
    def ratio(self) -> float:
        """Observed over expected; infinite where nothing was expected."""
        return self.observed / self.expected if self.expected > 0 else float("inf")


def detect(
    series: Sequence[Series],
    now: datetime,
    policy: DetectionPolicy = DetectionPolicy(),
    baselines: Sequence[Baseline] | None = None,
) -> list[Anomaly]:
    """What stands out at `now`, at most one anomaly per merchant and metric, the surest first.

    `q_value` is the Benjamini-Hochberg adjusted p over one day's worth of windows, `policy.alarms_a_day` its limit. A
    day is counted as 24 / h windows of h hours (1 of those longer than a day), times merchants, metrics and directions.
    That is about right for a look every six hours; windows that slide by the hour or the minute have more ends to be
    far out at, and on pure noise bring two to three times as many alarms.

    Args:
        series: one per metric, reaching at least to `now`; as much past as the policy's history and longest window. The
            merchants may differ from metric to metric.
        now: end of all windows. A window of 6 h runs from 6 h before the running hour's start up to `now`.
        baselines: what `baselines_at` made for these series within the last day; made here if not given.

    Raises:
        ValueError: a series ends before `now`.
    """
    baselines = baselines_at(series, now, policy) if baselines is None else baselines
    pairs = list(zip(series, baselines, strict=True))
    found = [
        anomaly
        for one, baseline in pairs
        for place, hours in enumerate(policy.windows)
        for anomaly in _standing_out(one, baseline, place, hours, now, policy)
    ]
    looks = sum(max(1.0, 24.0 / hours) for hours in policy.windows)
    tests = sum(int(known.known.sum()) * (2 if one.metric in policy.drops else 1) for one, known in pairs) * looks
    surest: dict[tuple[str, str], Anomaly] = {}
    for anomaly in adjusted(found, tests):
        if anomaly.q_value <= policy.alarms_a_day:
            surest.setdefault((anomaly.merchant_id, anomaly.metric), anomaly)
    return list(surest.values())


def baselines_at(series: Sequence[Series], now: datetime, policy: DetectionPolicy) -> list[Baseline]:
    """What was usual before the longest window began; good for a day."""
    until = hours_since_epoch(now) - max(policy.windows)
    return [fit(one, until, policy.windows, policy.history, policy.least_history) for one in series]


def adjusted(anomalies: Sequence[Anomaly], tests: float) -> list[Anomaly]:
    """The anomalies by p, with q, the least p(i) x tests / i over those from their own place on."""
    ranked = sorted(anomalies, key=lambda anomaly: anomaly.p_value)
    result: list[Anomaly] = []
    q = float("inf")
    for rank in range(len(ranked), 0, -1):
        q = min(q, ranked[rank - 1].p_value * tests / rank)
        result.append(replace(ranked[rank - 1], q_value=q))
    return result[::-1]


def _standing_out(
    series: Series, baseline: Baseline, place: int, hours: int, now: datetime, policy: DetectionPolicy
) -> Iterator[Anomaly]:
    """What changed enough to matter in the window at that place among the policy's; q is yet to come."""
    end = hours_since_epoch(now)
    part = (now - hour_of(now)) / HOUR
    start = end - hours - series.first_hour
    stop = end - series.first_hour + (1 if part else 0)
    if stop > series.counts.shape[1]:
        raise ValueError(f"{series.metric}: the series ends before {now.isoformat()}; give it up to then")
    if not baseline.known.any():
        return
    observed = series.counts[:, start:stop].sum(axis=1).astype(np.float64)
    usual = baseline.usual(end - hours, end + part)
    dispersion = baseline.dispersion[:, place]
    factor, factor_error = common_factor(observed[:, None], usual[:, None], dispersion[:, None])
    expected = usual * factor[:, 0]
    own = np.maximum(dispersion * expected, 1e-9)
    variance = own + (baseline.level_error + factor_error[:, 0]) * expected**2
    change = observed - expected
    reach = change / np.sqrt(own)
    more = (observed >= policy.least_lift * expected) & (reach > policy.least_news * baseline.twice_up[:, place])
    less = (observed <= policy.most_left * expected) & (-reach > policy.least_news * baseline.twice_down[:, place])
    matters = baseline.known & (expected > 0) & (np.abs(change) >= policy.least_change)
    for which, tail, kind in ((more, upper_tail, InsightKind.SPIKE), (less, lower_tail, InsightKind.DROP)):
        if kind is InsightKind.DROP and series.metric not in policy.drops:
            continue
        picked = np.flatnonzero(which & matters)
        chances = tail(observed[picked], expected[picked], variance[picked])
        for merchant, chance in zip(picked, chances, strict=True):
            yield Anomaly(
                merchant_id=series.merchants[merchant],
                metric=series.metric,
                kind=InsightKind.TREND if hours >= policy.trend else kind,
                window_start=hour_of(now) - hours * HOUR,
                window_end=now,
                observed=int(observed[merchant]),
                expected=float(expected[merchant]),
                score=float(change[merchant] / np.sqrt(variance[merchant])),
                p_value=float(chance),
                q_value=1.0,
            )
