"""How good the radio is at a moment: delays that have a given distribution and change gradually."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from heapq import heappop, heappush
from statistics import NormalDist

#: The weather changes so often; between two changes it is the same for every packet.
STEP_S = 0.01
#: After so many times its memory what the weather was says nothing of what it is.
_FORGOTTEN = 20.0
#: Ends of the distribution in standard deviations: one moment in a thousand is outside, and gets the end's value.
_EDGE = 3.1


class Marginal:
    """Turns a standard normal number into a value of the wanted distribution: exact at its points, straight between.

    Args:
        points: (share of values not above, value), ascending from share 0 to share 1.
    """

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        normal = NormalDist()
        inner = [(normal.inv_cdf(share), value) for share, value in points[1:-1]]
        whole = [(-_EDGE, points[0][1]), *inner, (_EDGE, points[-1][1])]
        self._places = [place for place, _ in whole]
        self._values = [value for _, value in whole]

    def at(self, score: float) -> float:
        """The value at so many standard deviations from the median."""
        places, values = self._places, self._values
        after = bisect_right(places, score)
        if after == 0:
            return values[0]
        if after == len(places):
            return values[-1]
        before = after - 1
        share = (score - places[before]) / (places[after] - places[before])
        return values[before] + share * (values[after] - values[before])


class Weather:
    """An autoregressive process of first order, AR(1), whose stationary distribution is the marginal.

    It goes by time, not by packets: it is the same whatever is sent, and two directions can share it. Of moments before
    the last one that was asked for it gives what it gave for that last one.
    """

    def __init__(self, marginal: Marginal, memory_s: float, rng: random.Random) -> None:
        self._marginal = marginal
        self._rng = rng
        self._keep = math.exp(-STEP_S / memory_s)
        self._fresh = math.sqrt(1 - self._keep**2)
        self._forget = int(_FORGOTTEN * memory_s / STEP_S) + 1
        self._step = 0
        self._score = rng.gauss(0, 1)
        self._value = self._answered = marginal.at(self._score)
        self._to_answer: list[tuple[float, float]] = []

    def at(self, moment: float) -> float:
        """The value then."""
        step = int(moment / STEP_S)
        if step > self._step:
            # What is forgotten anyway need not be walked through.
            for number in range(max(self._step + 1, step - self._forget), step + 1):
                self._score = self._keep * self._score + self._fresh * self._rng.gauss(0, 1)
                self._value = self._marginal.at(self._score)
                heappush(self._to_answer, (number * STEP_S + self._value, self._value))
            self._step = step
        # Also here, or else nobody would ever take away what a link without answers gathers.
        self._answer_until(moment)
        return self._value

    def answering(self, moment: float) -> float:
        """The value that a packet had which arrives at that moment, where the value is how many seconds it takes.

        What was measured is round trips. A probe's way back has its way there's weather, so that both together have
        the distribution that was measured, however quickly the weather changes.
        """
        self.at(moment)
        return self._answered

    def _answer_until(self, moment: float) -> None:
        while self._to_answer and self._to_answer[0][0] <= moment:
            self._answered = heappop(self._to_answer)[1]
