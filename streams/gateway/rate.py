"""How many events a key may publish now: a token bucket. Pure; the time is passed in."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Unused allowance is saved up for so long: a device that was away sends what it has kept in one go.
BURST_S = 10.0


@dataclass(slots=True)
class TokenBucket:
    """Allowance that grows with the time, up to `burst`.

    A request of more than the bucket holds is taken when the bucket is full, and paid off afterwards: else a slow key
    could never send a large batch. So no more than `rate * seconds + burst + one request` is taken in any stretch.

    Attributes:
        rate: events a second.
        burst: events that can be saved up; at least one.
    """

    rate: float
    burst: float
    _level: float = field(init=False)
    _at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.burst = max(1.0, self.burst)
        self._level = self.burst

    def take(self, events: int, now: float) -> float | None:
        """Take so many events; else the seconds to wait until they can be taken.

        Args:
            now: seconds of a clock that never goes back.
        """
        if self._at is not None:
            self._level = min(self.burst, self._level + self.rate * max(0.0, now - self._at))
        self._at = now if self._at is None else max(self._at, now)
        wanted = min(float(events), self.burst)
        if self._level >= wanted:
            self._level -= events
            return None
        return (wanted - self._level) / self.rate


def bucket_of(events_per_s: float) -> TokenBucket:
    """A full bucket for a key of that rate."""
    return TokenBucket(events_per_s, events_per_s * BURST_S)
