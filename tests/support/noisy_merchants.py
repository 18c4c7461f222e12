"""Merchants whose counts are Poisson's about a known season, for tests of what is drawn from them."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np

from streams.insights.series import SALES, Counts, Series

START = datetime(2016, 12, 31, tzinfo=timezone.utc)
DAYS = 100
NOW = 100 * 24  # hours after the start


def rates(merchants: int, a_day: float, days: int = DAYS) -> np.ndarray:
    """Expected counts [merchants, hours]: busy evenings and weekends, the merchants from a third of `a_day` up."""
    hour = np.arange(days * 24)
    season = (1.0 + 0.8 * np.sin((hour - 14) * np.pi / 12)) * np.where(hour // 24 % 7 < 2, 1.4, 0.84)
    return np.geomspace(a_day / 3, a_day * 3, merchants)[:, None] * season / 24


def drawn(expected: np.ndarray, seed: int) -> Counts:
    return np.random.default_rng(seed).poisson(expected).astype(np.int64)


def series(counts: Counts, metric: str = SALES) -> Series:
    return Series(metric, tuple(f"m{number}" for number in range(len(counts))), START, counts)
