"""Counts per merchant and hour."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from streams.insights.series import HOUR, REFUNDS, Series, hours_since_epoch, series_of

START = datetime(2017, 3, 1, tzinfo=timezone.utc)


def test_minutes_are_summed_to_hours_and_gaps_are_zero() -> None:
    rows = [
        ("b", START + timedelta(minutes=3), 2),
        ("b", START + timedelta(minutes=59), 1),
        ("a", START + timedelta(hours=2), 5),
    ]

    series = series_of(REFUNDS, rows, START, START + 3 * HOUR)

    assert series.merchants == ("a", "b")
    assert series.counts.tolist() == [[0, 0, 5], [3, 0, 0]]


def test_rows_out_of_the_span_are_left_out_and_named_merchants_are_kept() -> None:
    rows = [("a", START - HOUR, 7), ("a", START + 2 * HOUR, 7)]

    series = series_of(REFUNDS, rows, START, START + 2 * HOUR, merchants=["z"])

    assert series.merchants == ("a", "z")
    assert not series.counts.any()


def test_a_span_that_ends_within_an_hour_takes_that_hour_in() -> None:
    series = series_of(REFUNDS, [], START, START + timedelta(minutes=90), merchants=["a"])

    assert series.counts.shape == (1, 2)


def test_hours_are_utcs_however_a_time_is_written() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before, after = (datetime(2017, 3, 26, hour, tzinfo=berlin) for hour in (1, 3))  # 02:00 does not exist

    assert hours_since_epoch(after) - hours_since_epoch(before) == 1


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        hours_since_epoch(datetime(2017, 3, 1))


def test_a_start_within_an_hour_is_refused() -> None:
    with pytest.raises(ValueError, match="full hour"):
        Series(REFUNDS, ("a",), START + timedelta(minutes=5), np.zeros((1, 2), np.int64))


def test_counts_of_other_merchants_are_refused() -> None:
    with pytest.raises(ValueError, match="1 merchants"):
        Series(REFUNDS, ("a",), START, np.zeros((2, 2), np.int64))
