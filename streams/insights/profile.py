"""How a merchant's counts spread over the hours of a week.

168 slots, from Thursday 00:00 UTC, where 1970 began. A profile has mean 1. Few counts can't tell 168 hours apart, so
each estimate is the mean of a gamma posterior: it leans on what is known with more counts, the more so the fewer it has
itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Hours = npt.NDArray[np.int64]

WEEK, DAY = 168, 24
_PRIOR = 40.0  # counts that a slot needs to weigh as much as what it leans on
_SLOTS = np.arange(WEEK)


def everyones_profile(total: Floats, slots: Hours) -> Floats:
    """The profile [168] of all merchants together: leans on its days of the week times its hours of the day.

    Args:
        total: [hours] counts of all merchants.
        slots: [hours] the hour of the week of each.
    """
    seen = np.bincount(slots, minlength=WEEK)
    rate = np.bincount(slots, total, WEEK) / np.maximum(seen, 1)
    mean = max(float(rate.mean()), 1e-9)
    grid = rate.reshape(7, DAY)
    product = np.outer(grid.mean(axis=1), grid.mean(axis=0)).ravel() / mean
    profile: Floats = (rate * seen + _PRIOR * product / mean + 1e-6) / (seen + _PRIOR / mean)
    profile /= profile.mean()
    return profile


def own_profile(counts: Floats, expected: Floats, profile: Floats, slots: Hours) -> Floats:
    """The profiles [merchants, 168], bent by each merchant's own days of the week, then by its own hours of the day.

    Args:
        counts: [merchants, hours].
        expected: the same, by `profile`.
        profile: [merchants, 168] as known so far.
        slots: [hours] the hour of the week of each.
    """
    counts, expected = folded(counts, int(slots[0])), folded(expected, int(slots[0]))
    for number, of_slot in ((7, _SLOTS // DAY), (DAY, _SLOTS % DAY)):
        member = np.eye(number)[of_slot]
        lean = ((counts @ member + _PRIOR) / (expected @ member + _PRIOR))[:, of_slot]
        profile, expected = profile * lean, expected * lean
    bent: Floats = profile / profile.mean(axis=1, keepdims=True)
    return bent


def folded(hourly: Floats, first: int) -> Floats:
    """Sums [merchants, 168] by the hour of the week of counts [merchants, hours]; `first` is that of the first."""
    before = -hourly.shape[1] % WEEK
    weeks = np.pad(hourly, ((0, 0), (before, 0))).reshape(len(hourly), -1, WEEK)
    week: Floats = np.roll(weeks.sum(axis=1), first - before, axis=1)
    return week
