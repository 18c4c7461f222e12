"""The decision: a packet of this size at this moment arrives then, or is lost. No clock, no socket.

A packet waits while the radio wakes up, waits for those before it (the queue, at the link's rate), is in the air for as
long as the weather says, and none overtakes another. While the link stands still nothing of that goes on.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from enum import Enum

from bench.links.breaks import Calendar
from bench.links.profile import Direction, Loss, Profile, Wake
from bench.links.weather import Marginal, Weather


class Way(Enum):
    """Which way a packet goes."""

    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Counts:
    """What became of the packets of one way.

    Attributes:
        lost: in the air, by chance.
        overflowed: the queue was full.
        cut: the link was away.
    """

    sent: int = 0
    lost: int = 0
    overflowed: int = 0
    cut: int = 0
    woke: int = 0


class Link:
    """A phone's link, both ways. Ask in the order of time; answers follow from profile, seed and packets.

    Moments are seconds from any beginning, 0 or later.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        rng = random.Random(f"{seed} {profile.name}")
        one_way = Marginal([(share, ms / 2000) for share, ms in profile.round_trip_ms])
        weather = Weather(one_way, profile.memory_s, random.Random(rng.random()))
        self._delay = {Way.UP: weather.at, Way.DOWN: weather.answering}
        kinds = [kind for kind in (profile.stalls, profile.handovers) if kind is not None]
        self._calendar = Calendar(kinds, random.Random(rng.random()))
        self._radio = _Radio(profile.wake)
        self._ways = {
            Way.UP: _OneWay(profile.up, random.Random(rng.random())),
            Way.DOWN: _OneWay(profile.down, random.Random(rng.random())),
        }
        self._away_until = 0.0

    def send(self, way: Way, at: float, size: int) -> float | None:
        """When a packet of so many bytes arrives that is sent at that moment; None where it is lost."""
        one = self._ways[way]
        one.counts.sent += 1
        if at < self._away_until:
            one.counts.cut += 1
            return None
        self._calendar.forget(at)
        awake = self._radio.awake(way, at)
        one.counts.woke += awake > at
        left = one.transmit(at, awake, size, self._calendar)
        if left is None:
            return None
        return one.arrive(self._calendar.pass_over(left, self._delay[way](left)))

    def stall(self, at: float, seconds: float) -> None:
        """Let the link stand still for so long; packets wait, those that are under way as well."""
        self._calendar.add(at, seconds)
        for one in self._ways.values():
            one.delay(at, seconds)

    def outage(self, at: float, seconds: float) -> None:
        """Let the link be away for so long; packets are lost, those that are under way as well."""
        self._away_until = at + seconds
        for one in self._ways.values():
            one.clear(at)

    def back(self, at: float) -> None:
        """End an outage before its time."""
        self._away_until = min(self._away_until, at)

    def counts(self, way: Way) -> Counts:
        """What became of the packets so far."""
        return self._ways[way].counts

    def last_packet(self) -> float:
        """When the radio last had something to carry."""
        return self._radio.last


class _Radio:
    """Falls asleep without packets."""

    def __init__(self, wake: Wake) -> None:
        self._wake = wake
        self._waking_until = 0.0
        self.last = 0.0

    def awake(self, way: Way, at: float) -> float:
        """When it is awake for a packet of now, which is what wakes it."""
        idle = at - self.last
        wait_ms = 0.0
        if way is Way.UP:
            if self._wake.up_ms and idle >= self._wake.up_after_s:
                wait_ms = self._wake.up_ms
        else:
            for after_s, ms in self._wake.down_ms:
                if idle >= after_s:
                    wait_ms = ms
        # What comes while it wakes up waits for the same moment.
        self._waking_until = max(self._waking_until, at + wait_ms / 1000)
        self.last = max(at, self._waking_until)
        return self.last


class _OneWay:
    """Queue, rate and loss of one direction."""

    def __init__(self, kind: Direction, rng: random.Random) -> None:
        self._second_per_byte = 8 / (kind.mbit_s * 1e6)
        self._room = kind.queue_bytes
        self._loss = _BurstyLoss(kind.loss, rng)
        self._free_at = 0.0
        self._last_arrival = 0.0
        self._waiting: deque[tuple[float, int]] = deque()
        self._backlog = 0
        self.counts = Counts()

    def transmit(self, at: float, awake: float, size: int, calendar: Calendar) -> float | None:
        """When the packet's last bit has left."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= at:
            self._backlog -= waiting.popleft()[1]
        # The one that is being sent has a place of its own, so that an empty queue takes any packet.
        if waiting and self._backlog + size > self._room:
            self.counts.overflowed += 1
            return None
        left = calendar.pass_over(max(at, awake, self._free_at), size * self._second_per_byte)
        self._free_at = left
        waiting.append((left, size))
        self._backlog += size
        if self._loss.next():  # lost in the air: it took its time there all the same
            self.counts.lost += 1
            return None
        return left

    def arrive(self, at: float) -> float:
        self._last_arrival = max(self._last_arrival, at)
        return self._last_arrival

    def delay(self, at: float, seconds: float) -> None:
        self._waiting = deque((left + seconds, size) if left > at else (left, size) for left, size in self._waiting)
        if self._free_at > at:
            self._free_at += seconds
        if self._last_arrival > at:
            self._last_arrival += seconds

    def clear(self, at: float) -> None:
        self._waiting.clear()
        self._backlog = 0
        self._free_at = min(self._free_at, at)
        self._last_arrival = min(self._last_arrival, at)


class _BurstyLoss:
    """Gilbert and Elliott's two states, a step a packet."""

    def __init__(self, loss: Loss, rng: random.Random) -> None:
        self._rng = rng
        self._end = 1 / loss.burst
        # In the long run as many bursts begin as end: share_good * begin = share_bad * end.
        self._begin = loss.share / (1 - loss.share) * self._end
        self._bad = False

    def next(self) -> bool:
        """Whether the next packet is lost."""
        if self._begin == 0:
            return False
        chance = self._end if self._bad else self._begin
        if self._rng.random() < chance:
            self._bad = not self._bad
        return self._bad
