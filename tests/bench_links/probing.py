"""Probes through the decision alone: no clock, no packets."""

from __future__ import annotations

import heapq
from dataclasses import replace

from bench.links.link import Link, Way
from bench.links.profile import Profile

PACKET = 92


def without_breaks(profile: Profile) -> Profile:
    """The link while it runs: what was measured of delays is of packets, not of moments without any."""
    return replace(profile, stalls=None, handovers=None)


def round_trips(link: Link, count: int, every_s: float) -> list[float | None]:
    """Milliseconds from probe to answer of so many probes; None for those that were lost on either way."""
    found: list[float | None] = [None] * count
    events = [(number * every_s, Way.UP, number) for number in range(count)]
    order = {Way.UP: 0, Way.DOWN: 1}
    queue = [(at, order[way], number, way) for at, way, number in events]
    while queue:
        at, _, number, way = heapq.heappop(queue)
        arrived = link.send(way, at, PACKET)
        if arrived is None:
            continue
        if way is Way.UP:
            heapq.heappush(queue, (arrived, order[Way.DOWN], number, Way.DOWN))
        else:
            found[number] = (arrived - number * every_s) * 1000
    return found
