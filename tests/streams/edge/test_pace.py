"""How much at once and how long to wait: on links that are made up, with a clock that is only a number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.edge.pace import Backoff, Pace, Patience
from streams.edge.policy import EdgePolicy

POLICY = EdgePolicy()


@dataclass
class MadeUpLink:
    """A link of so many bytes a second and a round trip of so many seconds, which stands still at times."""

    bytes_per_s: float
    round_trip_s: float
    stalls: list[tuple[float, float]]
    now: float = 0.0

    def send(self, size: int) -> float:
        """How long it takes until the acknowledgement is there."""
        began = self.now
        self.now += self.round_trip_s + size / self.bytes_per_s
        for at, lasts in self.stalls:
            if began <= at < self.now:
                self.now += lasts
        return self.now - began


def acknowledgements(link: MadeUpLink, pace: Pace, patience: Patience, count: int) -> Iterator[tuple[int, float, bool]]:
    """Send full requests: of each its size, how long it took, and whether it was given up before."""
    for _ in range(count):
        size, timeout = pace.size, patience.timeout_s
        took = link.send(size)
        if took > timeout:
            patience.timed_out()
            pace.failed()
        else:
            patience.answered(took)
            pace.acknowledged(size, POLICY.batch_events, took)
        yield size, took, took > timeout


@settings(deadline=None)
@given(
    bytes_per_s=st.floats(2_000, 20e6),
    round_trip_s=st.floats(0.007, 0.35),
    stalls=st.lists(st.tuples(st.floats(20, 60), st.floats(1, 8)), max_size=6),
)
def test_no_stall_of_eight_seconds_makes_one_resend(
    bytes_per_s: float, round_trip_s: float, stalls: list[tuple[float, float]]
) -> None:
    link, pace, patience = MadeUpLink(bytes_per_s, round_trip_s, []), Pace(POLICY), Patience(POLICY)
    list(acknowledgements(link, pace, patience, 10))  # it gets to know the link
    at = link.now
    for well_s, lasts_s in stalls:  # a mobile link stands still about seven times an hour, not twice within a request
        at += well_s
        link.stalls.append((at, lasts_s))
        at += lasts_s
    assert not any(given_up for _, _, given_up in acknowledgements(link, pace, patience, 60))


@given(bytes_per_s=st.floats(20_000, 20e6), round_trip_s=st.floats(0.007, 0.35))
def test_requests_come_to_take_about_as_long_as_they_should(bytes_per_s: float, round_trip_s: float) -> None:
    link, pace = MadeUpLink(bytes_per_s, round_trip_s, []), Pace(POLICY)
    last = list(acknowledgements(link, pace, Patience(POLICY), 100))[-20:]
    for size, took, _ in last:
        step_s = POLICY.batch_step_bytes / bytes_per_s
        assert took <= POLICY.ack_target_s + step_s + 1e-6 or size == POLICY.batch_least_bytes
    # And it does not give away the link either: its requests are at least half of what would meet the target.
    ideal = (POLICY.ack_target_s - round_trip_s) * bytes_per_s
    assert max(size for size, _, _ in last) >= min(POLICY.batch_most_bytes, max(POLICY.batch_least_bytes, ideal / 2))


moves = st.lists(
    st.one_of(
        st.tuples(st.just("acknowledged"), st.integers(1, 2**21), st.integers(1, 2000), st.floats(0.001, 60)),
        st.tuples(st.just("failed")),
        st.tuples(st.just("too_large"), st.integers(1, 2**21), st.integers(1, 2000)),
    ),
    max_size=60,
)


@given(moves)
def test_sizes_stay_within_their_bounds(moves: list[tuple[str, ...]]) -> None:
    pace = Pace(POLICY)
    for name, *arguments in moves:
        before = pace.size
        getattr(pace, name)(*arguments)
        assert POLICY.batch_least_bytes <= pace.size <= POLICY.batch_most_bytes
        assert 1 <= pace.events <= POLICY.batch_events
        assert pace.size <= before + POLICY.batch_step_bytes
        if name != "acknowledged":
            assert pace.size <= before


def test_a_request_that_was_not_full_teaches_nothing() -> None:
    pace = Pace(POLICY)
    pace.acknowledged(200, 1, 0.05)
    assert pace.size == POLICY.batch_first_bytes


def test_413_halves_what_was_sent() -> None:
    pace = Pace(POLICY)
    pace.too_large(50_000, 200)
    assert (pace.size, pace.events) == (25_000, 100)


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 120)), max_size=100))
def test_patience_has_a_floor_and_an_end(waits: list[float | None]) -> None:
    patience = Patience(POLICY)
    for wait in waits:
        before = patience.timeout_s
        if wait is None:
            patience.timed_out()
            assert patience.timeout_s >= before
        else:
            patience.answered(wait)
        assert POLICY.timeout_least_s <= patience.timeout_s <= POLICY.timeout_most_s


def test_patience_doubles_while_no_answer_comes_and_is_what_was_measured_after_one() -> None:
    patience = Patience(POLICY)
    seen = []
    for _ in range(4):
        seen.append(patience.timeout_s)
        patience.timed_out()
    assert seen == [15.0, 30.0, 60.0, 60.0]
    patience.answered(0.1)
    assert patience.timeout_s == 15.0


def test_a_link_that_is_slow_by_itself_gets_more_patience() -> None:
    patience = Patience(POLICY)
    for _ in range(20):
        patience.answered(10.0)
        patience.answered(14.0)
    assert patience.timeout_s > 18.0


@given(
    seed=st.integers(0, 2**32),
    asked=st.lists(st.one_of(st.none(), st.floats(0, 10_000)), min_size=1, max_size=80),
)
def test_pauses_are_within_their_bounds(seed: int, asked: list[float | None]) -> None:
    backoff = Backoff(POLICY, Random(seed))
    for number, retry_after in enumerate(asked):
        pause = backoff.pause_s(retry_after)
        least = min(retry_after or 0.0, POLICY.retry_after_most_s)
        bound = min(POLICY.backoff_most_s, POLICY.backoff_first_s * 2**number)
        assert least <= pause <= least + bound


def test_devices_that_were_told_the_same_do_not_come_back_together() -> None:
    pauses = sorted(Backoff(POLICY, Random(device)).pause_s(5.0) for device in range(1_000))
    assert pauses[0] >= 5.0
    assert len({int(pause * 100) for pause in pauses}) > 20
    backoffs = [Backoff(POLICY, Random(device)) for device in range(1_000)]
    for _ in range(10):  # after an outage of a minute
        pauses = [backoff.pause_s() for backoff in backoffs]
    assert max(sum(start <= pause < start + 1 for pause in pauses) for start in range(15)) < 120


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"max_events": 0}, "EdgePolicy.max_events: more than 0 is needed, found 0"),
        ({"when_full": "explode"}, "one of refuse, drop_oldest is needed, found 'explode'"),
        ({"batch_first_bytes": 1}, "batch_least_bytes <= batch_first_bytes"),
        ({"timeout_least_s": 100.0}, "timeout_least_s <= timeout_most_s"),
        ({"keep_awake_s": -1.0}, "EdgePolicy.keep_awake_s"),
    ],
)
def test_a_policy_that_makes_no_sense(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        EdgePolicy(**wrong)  # type: ignore[arg-type]
