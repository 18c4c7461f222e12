"""What stands out, and what does not, on counts whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from schemas.events import InsightKind
from streams.insights.detect import Anomaly, DetectionPolicy, adjusted, baselines_at, detect
from streams.insights.episodes import episodes
from streams.insights.series import HOUR, REFUNDS, Counts
from tests.support.noisy_merchants import NOW, START, drawn, rates, series

MERCHANTS = 12
AT = START + NOW * HOUR


@pytest.fixture
def counts() -> Counts:
    return drawn(rates(MERCHANTS, 40.0), seed=3)


def found(counts: Counts, now: int = NOW, **policy: object) -> list[Anomaly]:
    return detect([series(counts)], START + now * HOUR, replace(DetectionPolicy(), **policy))  # type: ignore[arg-type]


def test_a_usual_day_is_quiet(counts: Counts) -> None:
    assert found(counts) == []


def test_a_spike_is_found_with_what_was_expected(counts: Counts) -> None:
    truth = rates(MERCHANTS, 40.0)[8, NOW - 24 : NOW].sum()
    counts[8, NOW - 24 : NOW] *= 3

    (spike,) = found(counts)

    assert (spike.merchant_id, spike.kind, spike.more) == ("m8", InsightKind.SPIKE, True)
    assert spike.expected == pytest.approx(truth * (spike.window_end - spike.window_start) / (24 * HOUR), rel=0.6)
    assert spike.ratio > 2
    assert spike.score > 5
    assert spike.p_value < spike.q_value < 0.001
    assert spike.window_end == AT


def test_a_drop_is_found(counts: Counts) -> None:
    counts[11, NOW - 48 : NOW] = 0

    (drop,) = found(counts)

    assert (drop.merchant_id, drop.kind, drop.observed) == ("m11", InsightKind.DROP, 0)
    assert drop.score < 0


def test_a_fall_in_refunds_is_no_bad_news(counts: Counts) -> None:
    counts[11, NOW - 48 : NOW] = 0

    assert detect([series(counts, REFUNDS)], AT) == []


def test_what_lasts_a_week_is_a_trend(counts: Counts) -> None:
    counts[2, NOW - 168 : NOW] *= 2

    (trend,) = found(counts)

    assert (trend.kind, trend.more) == (InsightKind.TREND, True)


def test_a_change_too_small_to_matter_is_not_said(counts: Counts) -> None:
    large = drawn(rates(MERCHANTS, 4000.0), seed=3)
    large[5, NOW - 24 : NOW] = large[5, NOW - 24 : NOW] * 13 // 10

    assert found(large) == []
    assert [one.merchant_id for one in found(large, least_lift=1.1)] == ["m5"]


def test_what_moves_everyone_is_nobodys_anomaly(counts: Counts) -> None:
    closed, rush = counts.copy(), counts.copy()
    closed[:, NOW - 24 : NOW] = 0
    rush[:, NOW - 24 : NOW] *= 3

    assert found(closed) == []
    assert found(rush) == []


def test_one_large_merchant_does_not_make_the_others_stand_out(counts: Counts) -> None:
    counts[11] = drawn(rates(MERCHANTS, 40.0), seed=4)[11] * 10
    counts[11, NOW - 24 : NOW] *= 4

    assert [one.merchant_id for one in found(counts)] == ["m11"]


def test_who_sells_alone_is_held_against_itself() -> None:
    alone = drawn(rates(1, 100.0), seed=9)
    alone[0, NOW - 24 : NOW] *= 3

    assert [one.kind for one in found(alone)] == [InsightKind.SPIKE]


def test_a_past_anomaly_does_not_hide_the_next(counts: Counts) -> None:
    counts[8, NOW - 40 * 24 : NOW - 37 * 24] *= 6
    counts[8, NOW - 24 : NOW] *= 3

    (spike,) = found(counts)

    assert spike.merchant_id == "m8"
    assert spike.ratio > 2


def test_what_a_merchant_does_now_and_then_is_no_news(counts: Counts) -> None:
    for day in (20, 40, 60):
        counts[8, NOW - day * 24 : NOW - (day - 2) * 24] *= 4
    counts[8, NOW - 48 : NOW] *= 4

    assert found(counts) == []


def test_what_comes_after_now_has_no_part_in_it(counts: Counts) -> None:
    counts[8, NOW - 24 - 48 : NOW - 48] *= 3
    later = counts.copy()
    later[:, NOW - 48 :] = 10_000

    assert found(counts, NOW - 48) == found(later, NOW - 48) != []


def test_now_may_lie_within_an_hour(counts: Counts) -> None:
    counts[8, NOW - 24 : NOW] *= 3
    at = AT - timedelta(minutes=20)

    (spike,) = detect([series(counts)], at)

    assert spike.window_end == at
    assert spike.window_start.minute == 0


def test_a_new_merchant_is_left_alone(counts: Counts) -> None:
    counts[8, : NOW - (7 + 10) * 24] = 0
    counts[8, NOW - 24 : NOW] *= 5

    assert found(counts) == []


def test_nothing_ever_counted_is_quiet() -> None:
    assert found(np.zeros((4, NOW), np.int64)) == []


def test_too_short_a_past_is_quiet(counts: Counts) -> None:
    assert found(counts[:, : 15 * 24], 15 * 24) == []


def test_a_series_that_ends_too_soon_is_refused(counts: Counts) -> None:
    with pytest.raises(ValueError, match="ends before"):
        found(counts, NOW + 1)


def test_no_merchant_at_all_is_quiet() -> None:
    assert found(np.zeros((0, NOW), np.int64)) == []


def test_q_is_benjamini_and_hochbergs() -> None:
    chances = [0.03, 0.001, 0.0005, 0.2]
    one = Anomaly("m", "sales", InsightKind.SPIKE, START, AT, 9, 3.0, 3.0, 0.0, 1.0)

    result = adjusted([replace(one, p_value=chance) for chance in chances], tests=10)

    assert [each.p_value for each in result] == sorted(chances)
    assert [each.q_value for each in result] == pytest.approx([0.005, 0.005, 0.1, 0.5])


def test_false_alarms_stay_at_the_stated_rate() -> None:
    """On nothing but noise, with neither a least change nor what went before to quiet it."""
    policy = DetectionPolicy(alarms_a_day=0.5, least_lift=1.0, most_left=1.0, least_news=0.0, least_change=0.0)
    merchants, days = 20, 40
    year = [series(drawn(rates(merchants, 60.0, 100 + days), seed=11))]
    said: list[Anomaly] = []
    for day in range(100, 100 + days):
        baselines = baselines_at(year, START + day * 24 * HOUR, policy)
        for hour in range(0, 24, 6):
            now = START + (day * 24 + hour) * HOUR
            said += detect(year, now, policy, baselines)

    assert 0.1 * days <= len(episodes(said)) <= 0.75 * days  # 0.5, give or take what so few of them vary by
