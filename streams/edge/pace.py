"""How much to send at once, how long to wait for the answer, and how long between tries. Pure: no clock, no chance.

Times in seconds. A link of a phone is not slow so much as uneven: it stands still for seconds and then goes on. So what
was measured steers the size of requests, and patience has a floor that no measurement lowers.
"""

from __future__ import annotations

from random import Random

from streams.edge.policy import EdgePolicy

_GAIN, _DEVIATION_GAIN = 1 / 8, 1 / 4  # RFC 6298


class Pace:
    """Size of the next request: additive increase, multiplicative decrease, on the time to acknowledgement.

    Attributes:
        size: bytes of JSON.
        events: at most so many.
    """

    def __init__(self, policy: EdgePolicy) -> None:
        self._policy = policy
        self.size = policy.batch_first_bytes
        self.events = policy.batch_events

    def acknowledged(self, size: int, events: int, seconds: float) -> None:
        """So much was acknowledged after so long."""
        policy = self._policy
        if seconds <= policy.ack_target_s:
            # A request that was not full says nothing about a fuller one.
            if size >= self.size / 2 or events >= self.events:
                self.size = min(policy.batch_most_bytes, self.size + policy.batch_step_bytes)
        else:
            # To what would have met the target, if time follows size; at most by half, for it does not quite.
            share = max(0.5, policy.ack_target_s / seconds)
            self.size = max(policy.batch_least_bytes, min(self.size, int(max(size, self.size / 2) * share)))

    def failed(self) -> None:
        """No answer, or none in time."""
        self.size = max(self._policy.batch_least_bytes, self.size // 2)

    def too_large(self, size: int, events: int) -> None:
        """The gateway does not take so much at once; the size may grow again, the number of events does not."""
        self.size = max(self._policy.batch_least_bytes, min(self.size, size // 2))
        self.events = max(1, min(self.events, events // 2))


class Patience:
    """How long to wait for an answer: RFC 6298 on the times to acknowledgement, doubled while none comes."""

    def __init__(self, policy: EdgePolicy) -> None:
        self._policy = policy
        self._doublings = 0
        self.smooth_s: float | None = None
        self._deviation_s = 0.0

    @property
    def timeout_s(self) -> float:
        """Give up after so long."""
        policy = self._policy
        measured = 0.0 if self.smooth_s is None else self.smooth_s + 4 * self._deviation_s
        return min(policy.timeout_most_s, max(policy.timeout_least_s, measured) * 2.0**self._doublings)

    def answered(self, seconds: float) -> None:
        """An answer came after so long."""
        self._doublings = 0
        if self.smooth_s is None:
            self.smooth_s, self._deviation_s = seconds, seconds / 2
            return
        self._deviation_s += _DEVIATION_GAIN * (abs(seconds - self.smooth_s) - self._deviation_s)
        self.smooth_s += _GAIN * (seconds - self.smooth_s)

    def timed_out(self) -> None:
        """None came. How long it would have taken is not known, so nothing is learnt but patience (Karn)."""
        if self.timeout_s < self._policy.timeout_most_s:
            self._doublings += 1


class Backoff:
    """Pauses between tries that fail: random between 0 and a bound that doubles (full jitter)."""

    def __init__(self, policy: EdgePolicy, rng: Random) -> None:
        self._policy = policy
        self._rng = rng
        self.failures = 0

    def pause_s(self, retry_after_s: float | None = None) -> float:
        """How long to wait after one more failure; never less than what the gateway asks for, within the policy."""
        policy = self._policy
        bound = min(policy.backoff_most_s, policy.backoff_first_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        asked = min(max(0.0, retry_after_s or 0.0), policy.retry_after_most_s)
        if asked:  # who is told when wants to be believed; spread, for others were told the same
            bound = min(bound, max(policy.backoff_first_s, asked))
        return asked + self._rng.uniform(0.0, bound)

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
