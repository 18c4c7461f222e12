"""The plain z-score: each window against the same hours of the weeks before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.insights_year import YEAR
from schemas.events import InsightKind
from streams.insights.detect import Anomaly, DetectionPolicy
from streams.insights.series import HOUR, Series

WEEK = 168
WEEKS = 12  # as much past as our own policy has
LEAST = 3.0  # standard deviations


def z_scores(
    year: Sequence[Series], steps: range, policy: DetectionPolicy, *, floors: bool, least: float = LEAST
) -> list[Anomaly]:
    """What stands out at each step by its mean and standard deviation over up to 12 weeks (8 at the year's start), at
    most one per merchant and metric, in order of time; the score is z.

    Args:
        floors: whether changes too small to matter by our policy are left out, as ours are.
    """
    found: list[tuple[int, Anomaly]] = []
    ends = np.array(steps)
    for series in year:
        running = np.concatenate([np.zeros((len(series.counts), 1)), np.cumsum(series.counts, axis=1)], axis=1)
        shape = (len(policy.windows), len(series.counts), len(ends))
        z, observed, mean = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for place, hours in enumerate(policy.windows):
            past = []
            for week in range(WEEKS + 1):
                last = ends - week * WEEK
                whole = last - hours >= 0
                sums = running[:, np.maximum(last, 0)] - running[:, np.maximum(last - hours, 0)]
                past.append(np.where(whole, sums, np.nan))
            observed[place] = past[0]
            mean[place] = np.nanmean(past[1:], axis=0)
            # Where nothing ever came, any count would be infinitely far; one count is the least that can be told.
            z[place] = (observed[place] - mean[place]) / np.maximum(np.nanstd(past[1:], axis=0, ddof=1), 1.0)
        if floors:
            lift = (observed >= policy.least_lift * mean) | (observed <= policy.most_left * mean)
            z[~(lift & (np.abs(observed - mean) >= policy.least_change))] = 0.0
        if series.metric not in policy.drops:
            z = np.maximum(z, 0.0)
        surest = np.abs(z).argmax(axis=0)
        for merchant, step in zip(*np.nonzero(np.abs(z).max(axis=0) >= least), strict=True):
            cell = (surest[merchant, step], merchant, step)
            now = YEAR + int(ends[step]) * HOUR
            found.append(
                (
                    int(step),
                    Anomaly(
                        merchant_id=series.merchants[merchant],
                        metric=series.metric,
                        kind=InsightKind.SPIKE if z[cell] > 0 else InsightKind.DROP,
                        window_start=now - policy.windows[cell[0]] * HOUR,
                        window_end=now,
                        observed=int(observed[cell]),
                        expected=float(mean[cell]),
                        score=float(z[cell]),
                        p_value=float("nan"),
                        q_value=float("nan"),
                    ),
                )
            )
    return [anomaly for _, anomaly in sorted(found, key=lambda pair: pair[0])]
