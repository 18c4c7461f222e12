"""How long the waits are."""

from __future__ import annotations

import random
import threading

import pytest

from consumers.clickhouse.backoff import Backoff, Cancelled

BACKOFF = Backoff(first_s=0.5, longest_s=8.0)


class Largest(random.Random):
    """Always draws the upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_limit_doubles_up_to_the_longest() -> None:
    waits = [BACKOFF.pause_s(attempt, Largest()) for attempt in range(1, 8)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert BACKOFF.pause_s(10_000, Largest()) == 8.0


def test_waits_are_spread_over_the_whole_range() -> None:
    rng = random.Random(1)
    waits = [BACKOFF.pause_s(5, rng) for _ in range(200)]
    assert min(waits) < 1.0
    assert max(waits) > 7.0


def test_a_cancelled_wait_ends_at_once() -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        Backoff(1000.0, 1000.0).wait(1, Largest(), cancel)
