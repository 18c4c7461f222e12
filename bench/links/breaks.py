"""When the link stands still: stalls and handovers that come by themselves, and stalls on command."""

from __future__ import annotations

import random
from bisect import insort
from collections.abc import Sequence

from bench.links.profile import Breaks

_HOUR_S = 3600.0


class Calendar:
    """Moments at which a link's time stops, made as far ahead as they are asked for.

    Args:
        kinds: what comes by itself.
    """

    def __init__(self, kinds: Sequence[Breaks], rng: random.Random) -> None:
        # A generator each, so that one kind's moments don't depend on how far another was looked ahead.
        self._kinds = [(kind, random.Random(rng.random())) for kind in kinds if kind.per_hour > 0]
        self._next = [own.expovariate(kind.per_hour / _HOUR_S) for kind, own in self._kinds]
        self._known: list[tuple[float, float]] = []

    def add(self, at: float, seconds: float) -> None:
        """Let the link stand still from that moment on."""
        insort(self._known, (at, at + seconds))

    def pass_over(self, at: float, running: float) -> float:
        """The moment at which the link has run for so many seconds since `at`, with what it stood still in between."""
        self._look_ahead(at + running)
        number = 0
        while number < len(self._known):
            begin, end = self._known[number]
            number += 1
            if end <= at:
                continue
            if at < begin:
                if at + running <= begin:
                    break
                running -= begin - at
            at = end
            self._look_ahead(at + running)
        return at + running

    def forget(self, before: float) -> None:
        """Drop what is over; nobody asks about an earlier moment again."""
        while self._known and self._known[0][1] < before:
            self._known.pop(0)

    def _look_ahead(self, until: float) -> None:
        for number, (kind, own) in enumerate(self._kinds):
            while self._next[number] <= until:
                begin = self._next[number]
                end = begin + own.uniform(kind.shortest_s, kind.longest_s)
                insort(self._known, (begin, end))
                self._next[number] = end + own.expovariate(kind.per_hour / _HOUR_S)
