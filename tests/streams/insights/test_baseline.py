"""What is usual, on counts whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from streams.insights.baseline import Baseline, fit
from streams.insights.factor import common_factor
from streams.insights.profile import WEEK, everyones_profile, folded
from streams.insights.series import Counts, hours_since_epoch
from streams.insights.spread import clump_dispersion, odd_days, seen_twice, sums
from tests.support.noisy_merchants import NOW, START, drawn, rates, series

UNTIL = hours_since_epoch(START) + NOW
WINDOWS = (6, 24, 168)


def fitted(counts: Counts) -> Baseline:
    return fit(series(counts), UNTIL, WINDOWS, most_days=84, least_days=14)


def test_levels_and_weeks_are_recovered() -> None:
    truth = rates(10, 60.0, 107)
    baseline = fitted(drawn(truth, seed=1)[:, :NOW])

    coming = truth[:, NOW : NOW + 168]
    usual = np.stack([baseline.usual(UNTIL + hour, UNTIL + hour + 1) for hour in range(168)], axis=1)
    np.testing.assert_allclose(usual.sum(axis=1), coming.sum(axis=1), rtol=0.1)
    busy = np.corrcoef(usual[-1], coming[-1])[0, 1]
    assert busy > 0.97


def test_plain_noise_has_a_dispersion_of_one() -> None:
    dispersion = fitted(drawn(rates(10, 60.0), seed=1)).dispersion

    assert dispersion.min() >= 1.0
    assert dispersion.mean() == pytest.approx(1.1, abs=0.2)


def test_clumps_raise_the_dispersion_of_who_has_them() -> None:
    counts = drawn(rates(10, 60.0), seed=1)
    counts[7] = drawn(rates(10, 60.0) / 5, seed=2)[7] * 5

    dispersion = fitted(counts).dispersion

    assert dispersion[7].min() > 3.5
    assert np.delete(dispersion, 7, axis=0).max() < 2.5


def test_a_past_anomaly_leaves_level_and_spread_as_they_were() -> None:
    counts = drawn(rates(10, 60.0), seed=1)
    spoiled = counts.copy()
    spoiled[7, NOW - 30 * 24 : NOW - 23 * 24] *= 8

    before, after = fitted(counts), fitted(spoiled)

    assert after.level[7] == pytest.approx(before.level[7], rel=0.1)
    assert after.dispersion[7].max() < 3.0  # with that week in it, it would be over 200
    assert after.twice_up[7].max() < 4.0


def test_part_of_an_hour_counts_for_its_part() -> None:
    baseline = fitted(drawn(rates(3, 60.0), seed=1))

    whole = baseline.usual(UNTIL, UNTIL + 1)
    np.testing.assert_allclose(baseline.usual(UNTIL, UNTIL + 0.25), whole / 4)
    np.testing.assert_allclose(baseline.usual(UNTIL, UNTIL), 0.0)


def test_a_merchant_is_known_after_its_first_weeks() -> None:
    counts = drawn(rates(3, 60.0), seed=1)
    counts[1, : NOW - 10 * 24] = 0
    counts[2] = 0

    assert fitted(counts).known.tolist() == [True, False, False]


def test_the_common_factor_is_what_the_others_did() -> None:
    usual = np.full((9, 1), 100.0)
    counts = usual * 0.5
    counts[0] = 900.0

    factor, error = common_factor(counts, usual, np.ones((9, 1)))

    assert factor.ravel() == pytest.approx([0.5] * 9, abs=0.06)
    assert (error < 0.01).all()


def test_nobody_moves_nobody() -> None:
    factor, _ = common_factor(np.array([[300.0]]), np.array([[100.0]]), np.ones((1, 1)))

    assert factor.tolist() == [[1.0]]


def test_a_profile_of_nothing_is_flat() -> None:
    np.testing.assert_allclose(everyones_profile(np.zeros(2 * WEEK), np.arange(2 * WEEK) % WEEK), 1.0)


def test_weeks_are_folded_from_any_hour() -> None:
    hours = np.arange(400)
    slots = (hours + 13) % WEEK

    week = folded(hours[None].astype(float), 13)

    np.testing.assert_allclose(week[0], np.bincount(slots, hours, WEEK))


def test_sums_are_those_of_the_columns() -> None:
    values = np.arange(10.0)[None]

    assert sums(values, np.array([0, 4]), np.array([3, 10])).tolist() == [[3.0, 39.0]]


def test_odd_days_are_the_spoiled_ones() -> None:
    expected = np.full((1, 30), 50.0)
    by_day = expected.copy()
    by_day[0, 12] = 200.0

    odd = odd_days(by_day, expected, np.ones(1))

    assert odd[0, 12]
    assert not odd[0, :6].any()
    assert not odd[0, 19:].any()


def test_once_is_not_twice() -> None:
    expected = np.full((2, 60 * 24), 2.0)
    counts = expected.copy()
    counts[:, 240:264] = 8.0
    counts[1, 960:984] = 6.0

    up, down = seen_twice(counts, expected, (24,), np.ones((2, 1)))

    assert up[:, 0] == pytest.approx([0.0, 96.0 / np.sqrt(48.0)])
    assert down[:, 0].tolist() == [0.0, 0.0]


def test_lines_that_come_by_fives_have_a_clump_of_five() -> None:
    rng = np.random.default_rng(8)
    counts = rng.poisson(0.05, (1, 2000)) * 5.0

    assert clump_dispersion(counts, np.full((1, 2000), 0.25))[0] == pytest.approx(5.0, rel=0.3)
