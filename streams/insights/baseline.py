"""What is usual for each merchant, from its past.

    expected = level of the merchant x profile of the hour of the week x factor that all merchants share

The level starts from the middle weeks of the past; then days that stand out are set aside and the rest are averaged,
later ones weighing more. So a past anomaly does not hide the next, and neither does a change of season.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.insights.factor import common_factor
from streams.insights.profile import DAY, WEEK, everyones_profile, own_profile
from streams.insights.series import Series
from streams.insights.spread import clump_dispersion, middle_dispersion, odd_days, seen_twice, window_dispersion

Floats = npt.NDArray[np.float64]

_HALF_LIFE = 21.0  # days after which a day weighs half
_PRIOR_COUNT = 0.5  # counts, at the level of the middle weeks, that every merchant is given
_LEAST_SHARE = 0.33  # of the mean that the middle weeks may say; for merchants whose weeks are mostly empty
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual for the merchants of one series. Windows are those that it was fitted for."""

    level: Floats  # [merchants] counts an hour
    level_error: Floats  # [merchants] its squared relative error
    profile: Floats  # [merchants, 168] share of the level in each hour of the week, mean 1
    dispersion: Floats  # [merchants, windows] variance over mean
    twice_up: Floats  # [merchants, windows] standard deviations above the expected that the past reached twice
    twice_down: Floats  # [merchants, windows] and below it
    known: npt.NDArray[np.bool_]  # [merchants] there for long enough to be judged

    def usual(self, first: int, last: float) -> Floats:
        """Counts [merchants] from hour `first` to `last`, numbered from 1970, without what moves everyone; `last` may
        lie within an hour."""
        hours = np.arange(first, int(np.ceil(last)))
        usual: Floats = self.level * (self.profile[:, hours % WEEK] @ np.minimum(1.0, last - hours))
        return usual


def fit(series: Series, until: int, windows: tuple[int, ...], most_days: int, least_days: int) -> Baseline:
    """The baseline from the hours before `until`, numbered from 1970.

    Args:
        windows: lengths, in hours, of the windows to be judged.
        most_days: of the past to look at, if the series has them.
        least_days: since its first count that a merchant needs to be judged.
    """
    days = min(most_days, (until - series.first_hour) // DAY)
    if days < max(7, least_days, max(windows) // DAY) or not series.merchants:
        return _nothing_known(len(series.merchants), len(windows))
    last = until - series.first_hour
    counts = series.counts[:, last - days * DAY : last].astype(np.float64)
    slots = np.arange(until - days * DAY, until) % WEEK
    age = np.where(counts.any(axis=1), days - (counts > 0).argmax(axis=1) // DAY, 0)
    there = np.arange(days) >= (days - age)[:, None]
    by_day = _by_day(counts)
    profile = np.tile(everyones_profile(counts.sum(axis=0), slots), (len(counts), 1))
    share = _by_day(profile[:, slots])
    level = _middle_weeks(by_day, share * there)
    clumps = clump_dispersion(counts, level[:, None] * profile[:, slots] * _hourly(there))
    recent = 0.5 ** (np.arange(days)[::-1] / _HALF_LIFE)
    for _ in range(_ROUNDS):
        dispersion = np.maximum(middle_dispersion(by_day, level[:, None] * share, there), clumps)
        factor, _ = common_factor(by_day, level[:, None] * share * there, dispersion[:, None])
        usable = there & ~odd_days(by_day, level[:, None] * share * factor * there, dispersion)
        weight = usable * recent
        level = ((weight * by_day).sum(axis=1) + _PRIOR_COUNT * level) / (
            (weight * share * factor).sum(axis=1) + _PRIOR_COUNT
        )
        expected = level[:, None] * profile[:, slots] * _hourly(usable * factor)
        profile = own_profile(counts * _hourly(usable), expected, profile, slots)
        share = _by_day(profile[:, slots])
    expected = level[:, None] * profile[:, slots] * _hourly(there * factor)
    usable_hours = _hourly(usable)
    by_window = window_dispersion(counts * usable_hours, expected * usable_hours, windows)
    by_window = np.maximum(by_window, clumps[:, None])
    up, down = seen_twice(counts, expected, windows, by_window)
    weight_of_counts = (weight * by_day).sum(axis=1) ** 2 / np.maximum((weight**2 * by_day).sum(axis=1), 1e-9)
    error = dispersion / np.maximum(weight_of_counts, 1.0)
    return Baseline(level, error, profile, by_window, up, down, age >= least_days)


def _nothing_known(merchants: int, windows: int) -> Baseline:
    none, each = np.zeros(merchants), np.ones((merchants, windows))
    return Baseline(none, none, np.ones((merchants, WEEK)), each, each, each, np.zeros(merchants, np.bool_))


def _by_day(hourly: Floats) -> Floats:
    days: Floats = hourly.reshape(len(hourly), -1, DAY).sum(axis=2)
    return days


def _hourly(by_day: npt.NDArray[np.float64 | np.bool_]) -> Floats:
    return np.repeat(by_day.astype(np.float64), DAY, axis=1)


def _middle_weeks(by_day: Floats, share: Floats) -> Floats:
    """Counts an hour [merchants]: the mean over weeks, without the quarter that is lowest and the quarter that is
    highest for their length."""
    weeks = by_day.shape[1] // 7
    counted, length = (part[:, -weeks * 7 :].reshape(-1, weeks, 7).sum(axis=2) for part in (by_day, share))
    ratio = np.sort(np.divide(counted, length, out=np.full(length.shape, np.inf), where=length > 0), axis=1)
    seen = (length > 0).sum(axis=1, keepdims=True)
    inner = (np.arange(weeks) >= seen // 4) & (np.arange(weeks) < seen - seen // 4)
    middle = np.where(inner, ratio, 0.0).sum(axis=1) / np.maximum(inner.sum(axis=1), 1)
    mean = by_day.sum(axis=1) / np.maximum(share.sum(axis=1), 1e-9)
    level: Floats = np.maximum(middle, _LEAST_SHARE * mean) + 1e-6
    return level
