"""What a worker's vitals mean: stuck, or only waiting for what is away."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from streams.delivery import RetryPolicy
from streams.health import Failing, Limits, Vitals, liveness, readiness
from streams.retrying import Retrier, Tries

WELL = Vitals(loop_silent_s=1.0)
LIMITS = Limits(stuck_s=120.0, event_s=1800.0)


def reasons(vitals: Vitals) -> tuple[list[str], list[str]]:
    """Why it is not alive, and why it is not ready."""
    live, ready = liveness(vitals, LIMITS), readiness(vitals)
    return [why for why in live.values() if why], [why for why in ready.values() if why]


def test_all_is_well() -> None:
    assert reasons(WELL) == ([], [])
    assert set(readiness(WELL)) == {"running", "model", "partitions", "books", "delivery"}


@pytest.mark.parametrize(
    ("vitals", "why"),
    [
        (Vitals(121.0), "the event loop has taken no turn for 121 s"),
        (Vitals(1.0, engine_stalled_s=130.0), "the engine has been in one step for 130 s"),
        (Vitals(1.0, engine_short_of_memory_s=500.0), "no step of the engine has had enough memory for 500 s"),
        (Vitals(1.0, oldest_try_s={"answer": 1801.0, "enrich": 3.0}), "answer: an event takes 1801 s already"),
    ],
)
def test_what_a_restart_helps_against_is_stuck(vitals: Vitals, why: str) -> None:
    assert reasons(vitals)[0] == [why]


@pytest.mark.parametrize(
    ("vitals", "why"),
    [
        (Vitals(1.0, unassigned={"tradewind-enrich"}), "waiting for partitions of tradewind-enrich"),
        (Vitals(1.0, unread=["listing-book"]), "still reading listing-book"),
        (Vitals(1.0, stopping=True), "it is stopping"),
        (
            Vitals(1.0, failing={"answer": Failing(3600.0, "RegistryUnavailable")}),
            "answer: trying again for 3600 s (RegistryUnavailable)",
        ),
    ],
)
def test_what_is_away_or_to_come_makes_it_unready_and_not_dead(vitals: Vitals, why: str) -> None:
    assert reasons(vitals) == ([], [why])


def test_a_hiccup_is_not_told() -> None:
    assert reasons(Vitals(1.0, failing={"answer": Failing(5.0, "ConnectionError")})) == ([], [])


def test_an_event_that_waits_for_the_books_is_not_stuck() -> None:
    """The books wait for Kafka, which no restart brings back."""
    assert reasons(Vitals(1.0, oldest_try_s={"answer": 9000.0}, unread=["listing-book"]))[0] == []


async def test_tries_tell_what_is_under_way_and_what_fails() -> None:
    tries, seen = Tries(), list[tuple[bool, str]]()

    async def step() -> str:
        seen.append((tries.under_way is not None, tries.error if tries.failing else ""))
        if len(seen) < 3:
            raise ConnectionError
        return "done"

    async def sleep(_: float) -> None:
        seen_between.append((tries.under_way, tries.error))

    seen_between: list[tuple[float | None, str]] = []
    retry = Retrier("answer", RetryPolicy(1, 0.1, 1.0), Random(1), sleep)
    assert await asyncio.wait_for(retry(step, tries), 10) == ("done", 3)
    assert seen == [(True, ""), (True, "ConnectionError"), (True, "ConnectionError")]
    assert seen_between == [(None, "ConnectionError")] * 2
    assert (tries.under_way, tries.failing) == (None, None)
