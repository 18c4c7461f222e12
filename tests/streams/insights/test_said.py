"""What is news, and what was said already."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from itertools import permutations

import pytest

from schemas.events import InsightKind, OpsInsight, Provenance
from streams.insights.detect import Anomaly
from streams.insights.said import QUIET, Streak, Subject, event_id_of, is_news, last_said, streaks_after, subject_of

NOW = datetime(2026, 3, 3, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
SUBJECT = Subject("m-1", "sales", False)


def anomaly(at: datetime = NOW, observed: int = 12, expected: float = 40.0, hours: int = 6) -> Anomaly:
    kind = InsightKind.SPIKE if observed > expected else InsightKind.DROP
    return Anomaly("m-1", "sales", kind, at - hours * HOUR, at, observed, expected, -4.0, 1e-9, 1e-7)


def insight(at: datetime = NOW, observed: float = 12, expected: float = 40.0, number: int = 1) -> OpsInsight:
    return OpsInsight(
        event_id=uuid.UUID(int=number),
        occurred_at=at,
        merchant_id="m-1",
        metric="sales",
        window_start=at - 6 * HOUR,
        window_end=at,
        observed=observed,
        expected=expected,
        score=-4.0,
        provenance=Provenance(),
    )


def seen(*times: datetime) -> Streak:
    streaks: dict[Subject, Streak] = {}
    for at in times:
        streaks = streaks_after(streaks, [anomaly(at)], at)
    return streaks[SUBJECT]


def test_what_is_seen_hour_by_hour_is_one_streak() -> None:
    assert seen(*(NOW + n * HOUR for n in range(30))) == Streak(NOW - 6 * HOUR, NOW + 29 * HOUR)


def test_a_short_pause_does_not_end_a_streak_and_a_long_one_does() -> None:
    paused = NOW + 6 * HOUR + QUIET
    assert seen(NOW, paused) == Streak(NOW - 6 * HOUR, paused)
    assert seen(NOW, paused + HOUR) == Streak(paused - 5 * HOUR, paused + HOUR)


def test_a_streak_that_ended_is_forgotten() -> None:
    streaks = streaks_after({}, [anomaly()], NOW)
    assert streaks_after(streaks, [], NOW + QUIET) == streaks
    assert streaks_after(streaks, [], NOW + QUIET + HOUR) == {}


def test_the_other_direction_is_another_subject() -> None:
    streaks = streaks_after({}, [anomaly(), anomaly(observed=90)], NOW)
    assert set(streaks) == {SUBJECT, SUBJECT._replace(more=True)}


def test_what_was_never_said_is_news() -> None:
    assert is_news(anomaly(), seen(NOW), None)


def test_what_goes_on_is_no_news() -> None:
    later = NOW + 48 * HOUR
    assert not is_news(anomaly(later), seen(*(NOW + n * HOUR for n in range(49))), insight())


def test_what_came_back_is_news() -> None:
    later = NOW + 48 * HOUR
    assert is_news(anomaly(later), seen(NOW, later), insight())


@pytest.mark.parametrize(
    ("observed", "expected", "news"),
    [(12, 40.0, False), (6, 40.0, False), (5, 40.0, True), (0, 40.0, True), (30, 100.0, False), (20, 40.0, False)],
)
def test_what_became_twice_as_bad_is_news(observed: int, expected: float, news: bool) -> None:
    # 12 of 40 is 13/41 with one added to each; half of that is reached at 5 of 40
    assert is_news(anomaly(NOW + HOUR, observed, expected), seen(NOW, NOW + HOUR), insight()) is news


def test_a_spike_grows_as_well() -> None:
    before = insight(observed=80)
    streak = streaks_after({}, [anomaly(observed=80)], NOW)[SUBJECT._replace(more=True)]
    assert not is_news(anomaly(NOW, 150), streak, before)
    assert is_news(anomaly(NOW, 161), streak, before)


def test_the_last_word_counts_in_whatever_order_it_is_read() -> None:
    words = [insight(NOW + n * HOUR, number=n) for n in range(3)]
    for order in permutations(words):
        assert last_said(order) == {SUBJECT: words[2]}


def test_what_is_said_is_about_what_was_seen() -> None:
    assert subject_of(insight()) == subject_of(anomaly()) == SUBJECT


def test_who_says_the_next_word_an_hour_later_makes_the_same_event() -> None:
    assert event_id_of(anomaly(), insight()) == event_id_of(anomaly(NOW + HOUR), insight())


def test_other_words_have_other_ids() -> None:
    told = [anomaly(), anomaly(NOW + HOUR), anomaly(observed=90)]
    ids = {event_id_of(each, None) for each in told} | {event_id_of(told[0], insight(number=n)) for n in (1, 2)}
    assert len(ids) == 5
    assert event_id_of(anomaly(), None) == event_id_of(anomaly(), None)
