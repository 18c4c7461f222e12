"""What repeats what."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from schemas.events import InsightKind
from streams.insights.detect import Anomaly
from streams.insights.episodes import episodes, same_event

NOON = datetime(2017, 3, 1, 12, tzinfo=timezone.utc)
FIRST = Anomaly("m1", "sales", InsightKind.SPIKE, NOON - timedelta(hours=6), NOON, 30, 10.0, 5.0, 1e-7, 1e-4)


def later(hours: float, **changes: object) -> Anomaly:
    by = timedelta(hours=hours)
    moved = replace(FIRST, window_start=FIRST.window_start + by, window_end=FIRST.window_end + by)
    return replace(moved, **changes)  # type: ignore[arg-type]


def test_windows_that_touch_are_one_event() -> None:
    assert same_event(FIRST, later(6))
    assert not same_event(FIRST, later(6.5))
    assert same_event(FIRST, later(6.5), gap=timedelta(hours=1))


def test_another_merchant_metric_or_direction_is_another_event() -> None:
    assert not same_event(FIRST, later(1, merchant_id="m2"))
    assert not same_event(FIRST, later(1, metric="refunds"))
    assert not same_event(FIRST, later(1, observed=1))


def test_a_trend_repeats_the_spike_that_it_grew_from() -> None:
    assert same_event(FIRST, later(1, kind=InsightKind.TREND))


def test_an_event_goes_on_as_long_as_each_alarm_touches_the_one_before() -> None:
    alarms = [FIRST, later(5), later(6, merchant_id="m2"), later(10), later(40)]

    events = episodes(alarms)

    assert [[alarm.window_end for alarm in event.anomalies] for event in events] == [
        [FIRST.window_end, alarms[1].window_end, alarms[3].window_end],
        [alarms[2].window_end],
        [alarms[4].window_end],
    ]
    assert events[0].first is FIRST
