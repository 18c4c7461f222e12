"""Confidence intervals by the percentile bootstrap (Efron 1979), of a figure and of the difference of two.

A figure is a function from row numbers to a number, so that any measure can be resampled, corpus BLEU too. Rows that
depend on each other (candidates of one question) are drawn together, as a group. The two figures of a difference are
computed on the same draws, which makes it paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
Statistic = Callable[[Rows], float]

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the bounds of its 95% confidence interval; NaN where there is nothing to measure."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """The same in another unit, such as percent."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class Resampling:
    """The draws of one data set; all figures of a report share them.

    `draws` holds the row numbers of each resample. Make one with `resampling`.
    """

    rows: Rows
    draws: tuple[Rows, ...]

    def interval(self, statistic: Statistic) -> Interval:
        """The figure on all rows, with its interval. Draws on which it is not defined (NaN) are left out."""
        return self._interval(statistic(self.rows), [statistic(draw) for draw in self.draws])

    def difference(self, statistic: Statistic, baseline: Statistic) -> Interval:
        """How much more the figure is than the baseline's, paired."""
        return self.interval(lambda rows: statistic(rows) - baseline(rows))

    @staticmethod
    def _interval(value: float, sample: Sequence[float]) -> Interval:
        defined = np.asarray([v for v in sample if not math.isnan(v)])
        if math.isnan(value) or not len(defined):
            return Interval(value, float("nan"), float("nan"))
        tail = 100 * (1 - LEVEL) / 2
        low, high = np.percentile(defined, [tail, 100 - tail])
        return Interval(value, float(low), float(high))


def resampling(
    count: int, *, seed: int, groups: Sequence[Hashable] | None = None, resamples: int = RESAMPLES
) -> Resampling:
    """Draws with replacement from `count` rows, or from whole groups of them.

    Args:
        groups: the group of each row; None where every row stands alone.

    Raises:
        ValueError: `groups` is not as long as there are rows.
    """
    rows = np.arange(count)
    if groups is not None and len(groups) != count:
        raise ValueError(f"{len(groups)} groups for {count} rows; expected one each")
    generator = np.random.default_rng(seed)
    if groups is None:
        draws = tuple(generator.integers(0, count, count) if count else rows for _ in range(resamples))
        return Resampling(rows, draws)
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    pools = [np.asarray(pool) for pool in members.values()]
    drawn: list[Rows] = []
    for _ in range(resamples):
        if pools:
            chosen = generator.integers(0, len(pools), len(pools))
            drawn.append(np.concatenate([pools[i] for i in chosen]))
    return Resampling(rows, tuple(drawn))


def mean_of(values: Sequence[float] | Sequence[bool]) -> Statistic:
    """The mean of values, one a row."""
    array = np.asarray(values, dtype=float)
    return lambda rows: float(array[rows].mean()) if len(rows) else float("nan")


def share_of(hits: Sequence[bool], among: Sequence[bool]) -> Statistic:
    """The share of rows `among` which there is a hit; NaN where there are none."""
    counted = np.asarray(among, dtype=bool)
    hit = np.asarray(hits, dtype=bool) & counted

    def share(rows: Rows) -> float:
        total = int(counted[rows].sum())
        return float(hit[rows].sum()) / total if total else float("nan")

    return share


def ratio_of(parts: Sequence[float], totals: Sequence[float]) -> Statistic:
    """The sum of parts over the sum of totals (a micro average); NaN where there are none."""
    part, total = np.asarray(parts, dtype=float), np.asarray(totals, dtype=float)

    def ratio(rows: Rows) -> float:
        whole = float(total[rows].sum())
        return float(part[rows].sum()) / whole if whole else float("nan")

    return ratio
