"""How long to wait before the next try."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass


class Cancelled(Exception):
    """The wait was given up because the work is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: a random wait up to a limit that doubles with each try.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Attributes:
        first_s: limit of the first wait, in seconds.
        longest_s: the limit grows no further than this, in seconds.
    """

    first_s: float
    longest_s: float

    def pause_s(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait after the attempt of this number, counted from 1."""
        # No limit is reached later than by the 64th doubling, and a float holds that.
        return rng.uniform(0, min(self.longest_s, self.first_s * 2 ** min(attempt - 1, 64)))

    def wait(self, attempt: int, rng: random.Random, cancel: threading.Event) -> None:
        """Wait that long.

        Raises:
            Cancelled: the event was set.
        """
        if cancel.wait(self.pause_s(attempt, rng)):
            raise Cancelled
