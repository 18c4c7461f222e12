"""What becomes of an error."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from model.protocol import EngineClosed, EngineDeadline, EngineOverloaded, GenerationFailed, PromptTooLong
from schemas.registry import NotRegistered, RegistryUnavailable
from streams.delivery import (
    DeadLetterLimit,
    DeadLetterLimitReached,
    DeadLetterMeter,
    RetryPolicy,
    Verdict,
    verdict,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RegistryUnavailable("away"), Verdict.RETRY),
        (ConnectionRefusedError(), Verdict.RETRY),
        (EngineOverloaded("full"), Verdict.RETRY),
        (KafkaConnectionError(), Verdict.RETRY),
        (EngineDeadline("late"), Verdict.RETRY_BOUNDED),
        (asyncio.TimeoutError(), Verdict.RETRY_BOUNDED),
        (PromptTooLong("long"), Verdict.DEAD_LETTER),
        (GenerationFailed("nan"), Verdict.DEAD_LETTER),
        (MessageSizeTooLargeError(), Verdict.DEAD_LETTER),
        (ValueError("anything else"), Verdict.DEAD_LETTER),
        (EngineClosed("closing"), Verdict.STOP),
        (NotRegistered("push"), Verdict.STOP),
    ],
)
def test_each_error_has_its_verdict(error: Exception, expected: Verdict) -> None:
    assert verdict(error) is expected


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_pauses_double_up_to_the_longest(attempt: int, seed: int) -> None:
    policy = RetryPolicy(attempts=5, first_s=0.5, longest_s=8.0)
    bound = min(8.0, 0.5 * 2 ** min(attempt - 1, 60))
    assert bound / 2 <= policy.pause_s(attempt, Random(seed)) <= bound


def test_too_many_dead_letters_in_a_row_stop_the_worker() -> None:
    meter = DeadLetterMeter(DeadLetterLimit(share=1.0, window=1000, in_a_row=3))
    for dead in (True, True, False, True, True):
        meter.count("orders.v1", 0, dead=dead)
    meter.count("orders.v1", 1, dead=True)  # another partition has its own row
    with pytest.raises(DeadLetterLimitReached, match=r"3 dead letters in a row on orders\.v1/0"):
        meter.count("orders.v1", 0, dead=True)


def test_too_large_a_share_stops_the_worker_once_the_window_is_full() -> None:
    meter = DeadLetterMeter(DeadLetterLimit(share=0.5, window=10, in_a_row=100))
    for _ in range(4):
        meter.count("orders.v1", 0, dead=True)
        meter.count("orders.v1", 0, dead=False)
    meter.count("orders.v1", 0, dead=True)
    with pytest.raises(DeadLetterLimitReached, match="6 of the last 10"):
        meter.count("orders.v1", 0, dead=True)


def test_one_in_a_hundred_stops_nothing() -> None:
    meter = DeadLetterMeter(DeadLetterLimit())
    for number in range(1000):
        meter.count("orders.v1", 0, dead=number % 100 == 0)
    assert verdict(ValueError()) is Verdict.DEAD_LETTER
