"""Tails of counts against scipy's, which the test extra has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from streams.insights.tails import lower_tail, upper_tail


@pytest.fixture(scope="module")
def cases() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    mean = 10 ** rng.uniform(-2, 3, 2000)
    variance = mean * np.where(rng.random(2000) < 0.3, 1.0, 1.0 + rng.exponential(3.0, 2000))
    count = np.maximum(0.0, np.round(mean + rng.normal(0.0, 5.0, 2000) * np.sqrt(variance)))
    return count, mean, variance


def test_both_tails_are_scipys(cases: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    count, mean, variance = cases
    plain = variance == mean
    r = mean**2 / np.where(plain, 1.0, variance - mean)
    upper = np.where(plain, stats.poisson.sf(count - 1, mean), stats.nbinom.sf(count - 1, r, mean / variance))
    lower = np.where(plain, stats.poisson.cdf(count, mean), stats.nbinom.cdf(count, r, mean / variance))

    np.testing.assert_allclose(upper_tail(count, mean, variance), upper, rtol=1e-8)
    np.testing.assert_allclose(lower_tail(count, mean, variance), lower, rtol=1e-8)


def test_the_farthest_tails_keep_their_digits() -> None:
    assert upper_tail(400, 100.0, 150.0) == pytest.approx(stats.nbinom.sf(399, 200.0, 2 / 3), rel=1e-8)
    assert lower_tail(0, 90.0, 90.0) == pytest.approx(np.exp(-90.0), rel=1e-12)


def test_a_count_and_what_is_beyond_it_add_up_to_one() -> None:
    counts = np.arange(60)

    np.testing.assert_allclose(upper_tail(counts + 1, 20.0, 45.0) + lower_tail(counts, 20.0, 45.0), 1.0, rtol=1e-12)


def test_nothing_counted_is_no_more_than_sure() -> None:
    assert upper_tail(0, 3.0, 3.0) == 1.0


def test_a_variance_below_the_mean_is_poissons() -> None:
    assert upper_tail(9, 4.0, 1.0) == upper_tail(9, 4.0, 4.0)


def test_no_counts_give_no_chances() -> None:
    assert upper_tail(np.empty(0), np.empty(0), np.empty(0)).shape == (0,)
