"""What becomes of an error: tried again, put aside as a dead letter, or reason to stop. One policy for all agents.

*Transient* errors (a timeout, a refused connection, a full queue) say nothing about the message: it is tried again in
place, with exponential backoff and jitter, while its partition waits. *Permanent* ones (bad framing, a text that no
model takes) go to the dead letters with the message's bytes. And when dead letters are no longer the exception, the
worker stops, for then the fault is not in the messages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum
from random import Random

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from model.protocol import EngineClosed, EngineDeadline, EngineError
from schemas.registry import NotRegistered, RegistryUnavailable

#: What Kafka's authorizer says; no message is at fault, and the next one would fare no better.
FORBIDDEN = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)


class Verdict(Enum):
    """What to do about an error."""

    RETRY = "until it passes: something that we depend on is away"
    RETRY_BOUNDED = "a set number of times: the message itself may be the cause"
    DEAD_LETTER = "never: the message is at fault"
    STOP = "the worker can't go on"


def verdict(error: BaseException) -> Verdict:
    """What to do about an error that processing a message raised."""
    if isinstance(error, (EngineClosed, NotRegistered, *FORBIDDEN)):
        return Verdict.STOP
    if isinstance(error, (EngineDeadline, asyncio.TimeoutError, TimeoutError)):
        return Verdict.RETRY_BOUNDED
    if isinstance(error, EngineError):
        return Verdict.RETRY if error.transient else Verdict.DEAD_LETTER
    if isinstance(error, KafkaError):
        # A refusal of the record itself (too large, say) is permanent; whatever else Kafka says may pass.
        return Verdict.RETRY if error.retriable else Verdict.DEAD_LETTER
    if isinstance(error, (RegistryUnavailable, ConnectionError)):
        return Verdict.RETRY
    return Verdict.DEAD_LETTER


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses between tries: doubled each time up to the longest, with full jitter.

    Full jitter is the scheme of https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/.

    Attributes:
        attempts: tries in all where they are bounded.
        first_s: upper bound of the first pause, in seconds.
        longest_s: upper bound of any pause, in seconds.
    """

    attempts: int = 8
    first_s: float = 0.2
    longest_s: float = 30.0

    def pause_s(self, attempt: int, random: Random) -> float:
        """Pause after the attempt of that number, from 1, in seconds."""
        bound: float = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 32))
        return random.uniform(bound / 2, bound)


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """How many dead letters are too many.

    Attributes:
        share: of the last `window` messages of a partition.
        window: messages that the share is taken over; fewer trip nothing but the row.
        in_a_row: dead letters of a partition one after the other.
    """

    share: float = 0.5
    window: int = 200
    in_a_row: int = 100


class DeadLetterLimitReached(Exception):
    """Too many messages of a partition are dead letters; the worker must stop."""


class DeadLetterMeter:
    """Counts the dead letters of each partition against the limit."""

    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self._recent: dict[tuple[str, int], deque[bool]] = {}
        self._row: dict[tuple[str, int], int] = {}

    def count(self, topic: str, partition: int, *, dead: bool) -> None:
        """Count one message.

        Raises:
            DeadLetterLimitReached: it was one dead letter too many.
        """
        place = (topic, partition)
        recent = self._recent.setdefault(place, deque(maxlen=self._limit.window))
        recent.append(dead)
        self._row[place] = self._row.get(place, 0) + 1 if dead else 0
        if not dead:
            return
        advice = "; look at them (tradewind deadletters ls), mend the producer, and start again"
        if self._row[place] >= self._limit.in_a_row:
            raise DeadLetterLimitReached(f"{self._row[place]} dead letters in a row on {topic}/{partition}{advice}")
        if len(recent) == self._limit.window and sum(recent) > self._limit.share * len(recent):
            raise DeadLetterLimitReached(
                f"{sum(recent)} of the last {len(recent)} messages of {topic}/{partition} are dead letters{advice}"
            )
