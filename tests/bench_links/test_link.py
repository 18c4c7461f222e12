"""What the link decides: statistics over many packets of a fixed seed, and what holds for any packets at all."""

from __future__ import annotations

import itertools
import random
import statistics
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.links.breaks import Calendar
from bench.links.link import Link, Way
from bench.links.profile import Direction, Loss, Profile, Wake, load, names
from tests.bench_links.probing import PACKET, round_trips, without_breaks

STEADY = ((0.0, 20.0), (1.0, 20.0))
WIDE = Direction(mbit_s=1000, queue_bytes=10_000_000)


def plain(**changes: object) -> Profile:
    """A link of 20 ms with nothing wrong, but for what is said."""
    return replace(Profile("plain", "", STEADY, 0.01, WIDE, WIDE), **changes)  # type: ignore[arg-type]


@cache
def probed(name: str) -> list[float | None]:
    """A probe every 0.2 s, which is what jitter was measured with, and keeps a radio that falls asleep awake."""
    return round_trips(Link(without_breaks(load(name)), seed=1), 30_000, 0.2)


@pytest.mark.parametrize("name", names())
def test_round_trips_and_loss_are_those_that_were_measured(name: str) -> None:
    profile, trips = load(name), probed(name)
    arrived = sorted(trip for trip in trips if trip is not None)
    cuts = statistics.quantiles(arrived, n=100)
    for share, tolerance in ((50, 0.04), (90, 0.3), (95, 0.08), (99, 0.10)):
        published = profile.measured.get(f"p{share}_ms")
        if published is not None:
            assert cuts[share - 1] == pytest.approx(published, rel=tolerance, abs=0.4), f"p{share}"
    assert 100 * (1 - len(arrived) / len(trips)) == pytest.approx(profile.measured.get("loss_percent", 0), rel=0.15)


@pytest.mark.parametrize("name", ["5g-sa", "5g-nsa", "lte-busy"])
def test_neighbouring_probes_differ_by_9_to_12_ms(name: str) -> None:
    arrived = [trip for trip in probed(name) if trip is not None]
    steps = [abs(after - before) for before, after in itertools.pairwise(arrived)]
    assert 9 <= statistics.fmean(steps) <= 12


def test_losses_come_in_bursts() -> None:
    way = replace(WIDE, loss=Loss(share=0.05, burst=4))
    link = Link(plain(up=way), seed=1)
    lost = [link.send(Way.UP, number * 0.01, PACKET) is None for number in range(200_000)]
    bursts = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / len(lost) == pytest.approx(0.05, rel=0.05)
    assert sum(lost) / bursts == pytest.approx(4, rel=0.05)
    assert link.counts(Way.UP).lost == sum(lost)
    assert link.counts(Way.DOWN).lost == 0


def test_a_full_queue_drops_its_tail_and_a_deep_one_makes_packets_late() -> None:
    # 12 Mb/s carry a packet of 1,500 bytes in a millisecond; 30 kB are 20 of them.
    link = Link(plain(up=Direction(mbit_s=12, queue_bytes=30_000)), seed=1)
    arrivals = [link.send(Way.UP, 0.0, 1500) for _ in range(50)]
    carried = [at for at in arrivals if at is not None]
    assert [at is not None for at in arrivals] == [True] * 20 + [False] * 30
    assert carried == pytest.approx([0.010 + 0.001 * (number + 1) for number in range(20)])
    assert link.counts(Way.UP).overflowed == 30
    # 5 ms later there is room for five.
    assert [link.send(Way.UP, 0.0051, 1500) is not None for _ in range(6)] == [True] * 5 + [False]


def test_stalls_come_as_often_and_last_as_long_as_the_profile_says() -> None:
    profile, hours = load("5g-sa"), 500
    assert profile.stalls is not None
    calendar = Calendar([profile.stalls], random.Random(1))
    waits = []
    for at in range(hours * 3600):
        calendar.forget(at)
        waits.append(calendar.pass_over(at, 0.0) - at)
    begun = [wait for before, wait in itertools.pairwise(waits) if before == 0 < wait]
    assert len(begun) / hours == pytest.approx(7, rel=0.1)
    assert 7 < max(waits) <= 8
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(7 * 4.5 / 3600, rel=0.1)


def test_what_waits_for_the_end_of_a_stall_comes_at_once() -> None:
    link = Link(plain(), seed=1)
    link.stall(1.0, 4.0)
    arrivals = [link.send(Way.DOWN, at, PACKET) for at in (1.5, 2.0, 4.9)]
    assert arrivals == pytest.approx([5.010] * 3, abs=1e-4)
    assert link.send(Way.DOWN, 6.0, PACKET) == pytest.approx(6.010, abs=1e-4)


def test_a_stall_holds_what_waits_already() -> None:
    link = Link(plain(up=Direction(mbit_s=12, queue_bytes=30_000)), seed=1)
    assert [link.send(Way.UP, 0.0, 1500) for _ in range(10)][-1] == pytest.approx(0.020)
    link.stall(0.005, 1.0)
    assert link.send(Way.UP, 0.006, 1500) == pytest.approx(1.021)


def test_in_an_outage_packets_are_lost_until_it_ends_or_is_ended() -> None:
    link = Link(plain(), seed=1)
    link.outage(1.0, 60.0)
    assert link.send(Way.UP, 1.0, PACKET) is None
    assert link.send(Way.DOWN, 60.9, PACKET) is None
    assert link.send(Way.UP, 61.0, PACKET) is not None
    link.outage(70.0, 60.0)
    link.back(75.0)
    assert link.send(Way.UP, 75.0, PACKET) is not None
    assert (link.counts(Way.UP).cut, link.counts(Way.DOWN).cut) == (1, 1)


WAKING = plain(wake=Wake(down_ms=((2, 80), (12, 462)), up_after_s=2, up_ms=80))


@pytest.mark.parametrize(("idle_s", "wait_ms"), [(1.9, 0), (2, 80), (11.9, 80), (12, 462), (3600, 462)])
def test_a_packet_to_an_idle_phone_waits_for_its_radio(idle_s: float, wait_ms: float) -> None:
    link = Link(WAKING, seed=1)
    link.send(Way.UP, 100.0, PACKET)
    began = link.last_packet() + idle_s
    arrived = link.send(Way.DOWN, began, PACKET)
    assert arrived == pytest.approx(began + 0.010 + wait_ms / 1000, abs=1e-4)
    # What follows, either way, finds it awake, or waits for the same moment.
    assert link.send(Way.UP, began + 0.001, PACKET) == pytest.approx(max(arrived, began + 0.011), abs=1e-4)
    assert link.send(Way.DOWN, began + 1.0, PACKET) == pytest.approx(began + 1.010, abs=1e-4)


def test_an_idle_phone_wakes_its_own_radio_sooner() -> None:
    link = Link(WAKING, seed=1)
    link.send(Way.UP, 100.0, PACKET)
    assert link.send(Way.UP, 130.0, PACKET) == pytest.approx(130.090, abs=1e-3)
    assert link.counts(Way.UP).woke == 2


PACKETS = st.lists(
    st.tuples(st.sampled_from(list(Way)), st.floats(0, 3), st.integers(20, 1500)), min_size=1, max_size=60
)


@given(packets=PACKETS, name=st.sampled_from(names()), seed=st.integers(0, 2**32))
def test_none_overtakes_another_or_is_quicker_than_the_link(
    packets: list[tuple[Way, float, int]], name: str, seed: int
) -> None:
    profile = load(name)
    link, at = Link(profile, seed), 0.0
    last = dict.fromkeys(Way, 0.0)
    for way, after, size in packets:
        at += after
        arrived = link.send(way, at, size)
        if arrived is None:
            continue
        kind = profile.up if way is Way.UP else profile.down
        quickest = at + size * 8 / (kind.mbit_s * 1e6) + profile.round_trip_ms[0][1] / 2000
        assert arrived >= max(last[way], quickest - 1e-9)
        last[way] = arrived


@given(packets=PACKETS, name=st.sampled_from(names()), seed=st.integers(0, 2**32), stalled=st.floats(0, 9))
def test_the_same_packets_have_the_same_fate(
    packets: list[tuple[Way, float, int]], name: str, seed: int, stalled: float
) -> None:
    def fates() -> list[float | None]:
        link, at = Link(load(name), seed), 0.0
        found = []
        for number, (way, after, size) in enumerate(packets):
            at += after
            if number == 5:
                link.stall(at, stalled)
            found.append(link.send(way, at, size))
        return found

    assert fates() == fates()


def test_another_seed_is_another_link() -> None:
    first, second = (round_trips(Link(load("5g-sa"), seed), 100, 0.2) for seed in (1, 2))
    assert first != second


@given(st.lists(st.integers(20, 1500), min_size=1, max_size=80), st.integers(1500, 20_000))
def test_the_queue_never_holds_more_than_it_may(sizes: list[int], room: int) -> None:
    link = Link(plain(down=Direction(mbit_s=1, queue_bytes=room)), seed=1)
    carried = [size for size in sizes if link.send(Way.DOWN, 0.0, size) is not None]
    assert sum(carried) <= room
    counts = link.counts(Way.DOWN)
    assert counts.sent == len(sizes) == len(carried) + counts.overflowed
