"""Counts per merchant and hour, as the detector reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

SALES = "sales"  # order lines placed
REFUNDS = "refunds"  # order lines refunded
CANCELLATIONS = "cancellations"  # order lines cancelled
UNANSWERED = "unanswered_questions"  # questions that got no answer by themselves
METRICS = (SALES, REFUNDS, CANCELLATIONS, UNANSWERED)

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of many merchants, in hours without gaps.

    The last hour may be the running one: it then holds what came in so far. Hours are those of UTC, so there are
    168 in every week, whatever clocks do.
    """

    metric: str
    merchants: tuple[str, ...]
    start: datetime  # of the first hour, in UTC
    counts: Counts  # [merchants, hours]

    def __post_init__(self) -> None:
        if hour_of(self.start) != self.start:
            raise ValueError(f"{self.metric}: start must be a full hour, not {self.start.isoformat()}")
        if self.counts.ndim != 2 or len(self.counts) != len(self.merchants):
            raise ValueError(
                f"{self.metric}: counts must be [{len(self.merchants)} merchants, hours], not {self.counts.shape}"
            )

    @property
    def first_hour(self) -> int:
        """Hours from 1970 to the start."""
        return hours_since_epoch(self.start)


def series_of(
    metric: str,
    rows: Iterable[tuple[str, datetime, int]],
    start: datetime,
    end: datetime,
    merchants: Sequence[str] = (),
) -> Series:
    """The series over [start, end) of rows (merchant, any time in the hour, count).

    Rows of the same hour are summed, so minutes will do; rows out of the span are left out; hours without a row
    count 0. Merchants are those of the rows and those named, sorted.

    Raises:
        ValueError: a time without a zone.
    """
    first = hours_since_epoch(start)
    hours = hours_since_epoch(end - timedelta(microseconds=1)) - first + 1
    kept = [(merchant, hours_since_epoch(at) - first, count) for merchant, at, count in rows]
    names = tuple(sorted({merchant for merchant, _, _ in kept}.union(merchants)))
    place = {name: number for number, name in enumerate(names)}
    counts = np.zeros((len(names), max(0, hours)), np.int64)
    for merchant, hour, count in kept:
        if 0 <= hour < hours:
            counts[place[merchant], hour] += count
    return Series(metric, names, hour_of(start), counts)


def hour_of(at: datetime) -> datetime:
    """The start of the hour, in UTC."""
    return _EPOCH + hours_since_epoch(at) * HOUR


def hours_since_epoch(at: datetime) -> int:
    """Full hours from 1970 in UTC.

    Raises:
        ValueError: a time without a zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"a time needs a zone, {at.isoformat()} has none; give it in UTC")
    return (at - _EPOCH) // HOUR
