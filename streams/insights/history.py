"""The counts that the detector looks at, and its baselines, kept from one look to the next.

The whole past is read once an hour; in between only the days that the windows reach back over. An event that comes
later than that counts from the next hour on, and only in the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from streams.insights.baseline import Baseline
from streams.insights.detect import Anomaly, DetectionPolicy, baselines_at, detect
from streams.insights.series import HOUR, Series, hour_of
from streams.insights.source import Source

#: How far back a worker that begins to speak looks for what is going on already.
REPLAY = timedelta(days=3)


class History:
    """The series, up to date at each look. Its calls block.

    Args:
        policy: how much of the past the detector wants.
    """

    def __init__(self, source: Source, policy: DetectionPolicy) -> None:
        self._source = source
        self._recent = max(policy.windows) * HOUR
        self._whole = timedelta(days=policy.history) + self._recent + REPLAY
        self._series: list[Series] = []
        self._hour: datetime | None = None

    def at(self, now: datetime) -> list[Series]:
        """The series of all metrics up to now.

        Raises:
            SourceAway: they can't be read.
        """
        hour = hour_of(now)
        if self._hour != hour:
            self._series = self._source.counts(hour - self._whole, now)
            self._hour = hour
        else:
            fresh = self._source.counts(hour - self._recent, now)
            self._series = [joined(old, new) for old, new in zip(self._series, fresh, strict=True)]
        return self._series


class Detector:
    """The detector, with its baselines kept for the hour: they rest on what is older than the longest window."""

    def __init__(self, policy: DetectionPolicy) -> None:
        self._policy = policy
        self._key: object = None
        self._baselines: list[Baseline] = []

    def __call__(self, series: Sequence[Series], now: datetime) -> list[Anomaly]:
        """What stands out at `now`."""
        peopled = [one for one in series if one.merchants]
        key = (hour_of(now), [(one.metric, one.merchants) for one in peopled])
        if self._key != key:
            self._baselines = baselines_at(peopled, now, self._policy)
            self._key = key
        return detect(peopled, now, self._policy, self._baselines) if peopled else []


def joined(old: Series, new: Series) -> Series:
    """The old series with the hours of the new one in place of its own. Both end with the same hour."""
    names = tuple(sorted({*old.merchants, *new.merchants}))
    counts = np.zeros((len(names), old.counts.shape[1]), np.int64)
    counts[_places(names, old.merchants)] = old.counts
    first = new.first_hour - old.first_hour
    counts[:, first:] = 0
    counts[_places(names, new.merchants), first:] = new.counts
    return replace(old, merchants=names, counts=counts)


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    place = {name: number for number, name in enumerate(names)}
    return [place[name] for name in wanted]
