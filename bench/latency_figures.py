"""From moments and counts to the figures of `latency.py`, and to its tables. Pure functions."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from rich.table import Table

Figures = dict[str, Any]
KeyT = TypeVar("KeyT")


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Moments, in seconds from the start, at which buyers ask: a Poisson process, for they don't agree on a pace."""
    rng, at, moments = random.Random(seed), 0.0, list[float]()
    while (at := at + rng.expovariate(rate)) < seconds:
        moments.append(at)
    return moments


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all are not above (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def waits_ms(began: Mapping[KeyT, float], ended: Mapping[KeyT, float], only: Collection[KeyT]) -> list[float]:
    """Milliseconds between two moments, in seconds, of each of `only` that has both."""
    return [(ended[each] - began[each]) * 1000 for each in only if each in began and each in ended]


def summary(waits: Sequence[float]) -> Figures:
    """How long, in milliseconds, and how many there were."""
    if not waits:
        return {"count": 0, "p50_ms": None, "p99_ms": None, "max_ms": None}
    return {
        "count": len(waits),
        "p50_ms": round(percentile(waits, 0.5)),
        "p99_ms": round(percentile(waits, 0.99)),
        "max_ms": round(max(waits)),
    }


def events_a_second(timestamps_ms: Sequence[int]) -> float:
    """Rate from the first result to the last.

    Raises:
        ValueError: there are fewer than two, or all are of one moment.
    """
    span = max(timestamps_ms, default=0) - min(timestamps_ms, default=0)
    if span <= 0:
        raise ValueError(f"{len(timestamps_ms)} results within {span} ms make no rate; send more")
    return (len(timestamps_ms) - 1) / span * 1000


_PARTS = (("all", "all"), ("the model was asked", "model"), ("a guard or the listing decided", "no_model"))


def question_table(rows: Sequence[Figures]) -> Table:
    """Waits by pace of the questions."""
    table = Table("questions/s", "what", "readable p50 ms", "p99 ms", "in ClickHouse p50 ms", "p99 ms", "n",
                  title="From a question to its draft")  # fmt: skip
    for row in rows:
        for title, part in _PARTS:
            read, seen = row[part]["readable"], row[part]["in_clickhouse"]
            table.add_row(
                f"{row['questions_s']:g}",
                title,
                *(str(figures[name]) for figures in (read, seen) for name in ("p50_ms", "p99_ms")),
                str(read["count"]),
            )
    return table


def path_table(rows: Sequence[Figures]) -> Table:
    """Rates of the paths."""
    table = Table("path", "workers", "events/s", "per worker", title="Without the model")
    for row in rows:
        table.add_row(
            row["what"], str(row["workers"]), f"{row['events_s']:,.0f}", f"{row['events_s'] / row['workers']:,.0f}"
        )
    return table
