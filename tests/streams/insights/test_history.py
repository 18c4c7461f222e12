"""The counts from one look to the next."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np

from streams.insights.detect import DetectionPolicy, detect
from streams.insights.history import Detector, joined
from streams.insights.series import Series

START = datetime(2026, 3, 3, tzinfo=timezone.utc)


def test_the_new_hours_take_the_place_of_the_old() -> None:
    old = Series("sales", ("a", "c"), START, np.array([[1, 2, 3, 4], [5, 6, 7, 8]]))
    new = Series("sales", ("b", "c"), START + timedelta(hours=2), np.array([[9, 10], [11, 12]]))
    both = joined(old, new)
    assert both.merchants == ("a", "b", "c")
    assert both.start == START
    assert both.counts.tolist() == [[1, 2, 0, 0], [0, 0, 9, 10], [5, 6, 11, 12]]
    assert old.counts.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def shop(hours: int) -> Series:
    """Three merchants with 10 orders an hour, one of which sold nothing in the last 30."""
    counts = np.full((3, hours), 10)
    counts[1, -30:] = 0
    return Series("sales", ("a", "b", "c"), START, counts)


def test_the_detector_finds_the_same_with_baselines_that_it_kept() -> None:
    hours = 24 * 40
    now = START + timedelta(hours=hours)
    detector = Detector(DetectionPolicy())
    found = [detector([shop(hours)], now) for _ in range(2)]
    assert found[0] == found[1] == detect([shop(hours)], now, DetectionPolicy())
    assert [anomaly.merchant_id for anomaly in found[0]] == ["b"]


def test_nobody_there_is_nothing_to_find() -> None:
    nobody = Series("sales", (), START, np.zeros((0, 960), np.int64))
    assert Detector(DetectionPolicy())([nobody], START + timedelta(days=40)) == []
