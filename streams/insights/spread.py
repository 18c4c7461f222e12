"""How much a merchant's counts vary about what is expected of them, and how far they went before.

The variance is taken as `dispersion` times the mean (quasi-Poisson; McCullagh and Nelder, Generalized Linear Models,
2nd ed., 6.2). A merchant with few windows leans on all merchants together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DAY = 24
_PRIOR_WINDOWS = 15.0  # windows of its own that a merchant needs to weigh as much as all merchants
_PRIOR_COUNTS = 20.0  # the same for clumps, in counts
_LARGEST_CLUMP = 10.0  # more than this in an hour, beyond what is expected, is not a clump of lines
_MIDDLE = 0.455  # median of a chi-square variable with one degree of freedom
_ODD = 3.5  # standard deviations beyond which days of the past are set aside
_SLACK = 4.0  # counts on top of that, for a single clump
_ODD_DAYS = ((1, 1.0), (3, 1.5), (7, 2.0))  # in a row, and how much more than one day's their dispersion may be


def sums(hourly: Floats, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> Floats:
    """Sums [merchants, windows] over the columns [first, last) of each window."""
    running = np.concatenate([np.zeros((len(hourly), 1)), np.cumsum(hourly, axis=1)], axis=1)
    windows: Floats = running[:, last] - running[:, first]
    return windows


def clump_dispersion(counts: Floats, expected: Floats) -> Floats:
    """Variance over mean [merchants] that comes of clumps, such as the lines of one basket, from hourly counts.

    A clump falls into one hour and a true anomaly lasts, so rare clumps need not be clipped as anomalies here.
    """
    square = np.minimum((counts - expected) ** 2, 4.0 * expected + _LARGEST_CLUMP**2).sum(axis=1)
    total = expected.sum(axis=1)
    everyone = square.sum() / max(float(total.sum()), 1e-9)
    dispersion: Floats = (square + _PRIOR_COUNTS * everyone) / (total + _PRIOR_COUNTS)
    return dispersion


def middle_dispersion(by_day: Floats, expected: Floats, there: Flags) -> Floats:
    """Variance over mean [merchants] by the median of the squared residuals, which half of the days can't spoil."""
    square = np.where(there, (by_day - expected) ** 2 / np.maximum(expected, 1e-9), np.inf)
    days = there.sum(axis=1)
    middle = np.sort(square, axis=1)[np.arange(len(square)), np.maximum(days // 2 - 1, 0)]
    own = np.where(days > 0, middle, _MIDDLE) / _MIDDLE
    return _shrunk(own, days.astype(np.float64), np.where(there, expected, 0.0).sum(axis=1))


def window_dispersion(counts: Floats, expected: Floats, windows: tuple[int, ...]) -> Floats:
    """Variance over mean [merchants, windows] of sums over so many hours; what was set aside is 0 in both."""
    found = []
    for hours in windows:
        ends = np.arange(counts.shape[1], hours - 1, -min(hours, DAY))
        observed, usual = (sums(part, ends - hours, ends) for part in (counts, expected))
        total = usual.sum(axis=1)
        own = ((observed - usual) ** 2).sum(axis=1) / np.maximum(total, 1e-9)
        found.append(_shrunk(own, (usual > 0).sum(axis=1) * min(1.0, DAY / hours), total))
    return np.stack(found, axis=1)


def odd_days(by_day: Floats, expected: Floats, dispersion: Floats) -> Flags:
    """Days [merchants, days] that alone, or with their neighbours, were too far off to learn from."""
    odd = np.zeros(by_day.shape, np.bool_)
    days = by_day.shape[1]
    for width, grown in _ODD_DAYS:
        ends = np.arange(width, days + 1)
        observed, usual = (sums(part, ends - width, ends) for part in (by_day, expected))
        far = np.abs(observed - usual) > _ODD * np.sqrt(dispersion[:, None] * grown * usual) + _SLACK
        for back in range(width):
            odd[:, width - 1 - back : days - back] |= far
    return odd


def seen_twice(counts: Floats, expected: Floats, windows: tuple[int, ...], dispersion: Floats) -> tuple[Floats, Floats]:
    """How far up and how far down [merchants, windows] the past went twice, in standard deviations.

    The largest excursion is left out with the week around it, so a single past anomaly raises nothing.
    """
    up: list[Floats] = []
    down: list[Floats] = []
    for place, hours in enumerate(windows):
        ends = np.arange(counts.shape[1], hours - 1, -min(hours, DAY))
        observed, usual = (sums(part, ends - hours, ends) for part in (counts, expected))
        reach = (observed - usual) / np.sqrt(dispersion[:, [place]] * np.maximum(usual, 1e-9))
        reach = np.where(usual > 0, reach, 0.0)
        for found, signed in ((up, reach), (down, -reach)):
            apart = np.abs(ends - ends[signed.argmax(axis=1)][:, None]) > hours + 7 * DAY
            found.append(np.where(apart, signed, 0.0).max(axis=1))
    return np.stack(up, axis=1), np.stack(down, axis=1)


def _shrunk(own: Floats, windows: Floats, total: Floats) -> Floats:
    weight = np.sqrt(total)
    everyone = (own * weight).sum() / max(float(weight.sum()), 1e-9)
    shrunk: Floats = np.maximum(1.0, (windows * own + _PRIOR_WINDOWS * everyone) / (windows + _PRIOR_WINDOWS))
    return shrunk
