from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.gateway.rate import BURST_S, TokenBucket, bucket_of


def test_a_burst_is_taken_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=10, burst=50)
    assert bucket.take(50, now=0.0) is None
    assert bucket.take(1, now=0.0) == 0.1
    assert bucket.take(1, now=0.1) is None


def test_the_wait_is_what_it_takes() -> None:
    bucket = TokenBucket(rate=2, burst=10)
    assert bucket.take(10, now=5.0) is None
    assert (wait := bucket.take(6, now=5.0)) == 3.0
    assert bucket.take(6, now=5.0 + wait) is None


def test_a_request_above_the_burst_is_taken_from_a_full_bucket_and_paid_off() -> None:
    bucket = bucket_of(1.0)
    assert bucket.take(100, now=0.0) is None
    assert bucket.take(1, now=1.0) == 100 - BURST_S  # one to pay off 90, one more to take
    assert bucket.take(1, now=91.0) is None


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1)
    assert bucket.take(1, now=10.0) is None
    assert bucket.take(1, now=0.0) == 1.0
    assert bucket.take(1, now=10.5) == 0.5


@given(
    rate=st.floats(0.1, 1000),
    burst=st.floats(1, 500),
    asked=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 300)), max_size=60),
)
def test_no_more_is_taken_than_rate_burst_and_one_request(
    rate: float, burst: float, asked: list[tuple[float, int]]
) -> None:
    bucket, now, taken = TokenBucket(rate, burst), 0.0, 0
    for wait, events in asked:
        now += wait
        if bucket.take(events, now) is None:
            taken += events
    largest = max((events for _, events in asked), default=0)
    assert taken <= rate * now + burst + largest + 1e-6


@given(rate=st.floats(0.1, 1000), burst=st.floats(1, 500), first=st.integers(1, 600), events=st.integers(1, 600))
def test_who_waits_as_told_is_served(rate: float, burst: float, first: int, events: int) -> None:
    bucket = TokenBucket(rate, burst)
    bucket.take(first, 0.0)
    if (wait := bucket.take(events, 0.0)) is not None:
        assert bucket.take(events, wait * 1.000001 + 1e-9) is None
