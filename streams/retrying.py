"""Runs a step until it succeeds, gives up, or must stop, as `delivery.py` rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import structlog

from streams import metrics
from streams.delivery import RetryPolicy, Verdict, verdict

log = structlog.get_logger("tradewind.streams")

ResultT = TypeVar("ResultT")


class GaveUp(Exception):
    """A step failed for good. Says what kind of error it was, and not its words: those may quote a buyer."""

    def __init__(self, error: Exception, attempts: int) -> None:
        self.error_class = type(error).__name__
        self.attempts = attempts
        self.why = f"{self.error_class} while processing, after {attempts} " + ("try" if attempts == 1 else "tries")
        super().__init__(self.why)


@dataclass(slots=True)
class Tries:
    """How it stands with the tries of one event, for whoever asks meanwhile. Times are `time.monotonic`'s.

    Attributes:
        under_way: when the present try began; None between two.
        failing: when the first one of a row failed; None while none did.
        error: the class of the last failure.
    """

    under_way: float | None = None
    failing: float | None = None
    error: str = ""


class Retrier:
    """Tries steps again under one policy.

    Args:
        stage: who tries, for logs and metrics.
        policy: how often and with which pauses.
        random: source of the jitter.
        sleep: how to pause, for tests.
    """

    def __init__(
        self,
        stage: str,
        policy: RetryPolicy,
        random: Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._stage = stage
        self._policy = policy
        self._random = random
        self._sleep = sleep

    async def __call__(self, step: Callable[[], Awaitable[ResultT]], tries: Tries | None = None) -> tuple[ResultT, int]:
        """The step's result, and how many tries it took.

        Args:
            tries: where to note how it stands.

        Raises:
            GaveUp: it failed for good.
            Exception: the step's own error, where the verdict is to stop.
        """
        attempt = 0
        tries = tries or Tries()
        while True:
            attempt += 1
            tries.under_way = time.monotonic()
            try:
                result = await step()
                tries.failing = None
                return result, attempt
            except Exception as error:
                ruling = verdict(error)
                if ruling is Verdict.STOP:
                    raise
                spent = ruling is Verdict.RETRY_BOUNDED and attempt >= self._policy.attempts
                if ruling is Verdict.DEAD_LETTER or spent:
                    raise GaveUp(error, attempt) from error
                name = type(error).__name__
            finally:
                tries.under_way = None
            tries.failing, tries.error = tries.failing or time.monotonic(), name
            pause = self._policy.pause_s(attempt, self._random)
            metrics.RETRIES.labels(self._stage, name).inc()
            log.warning("trying again", stage=self._stage, error_class=name, attempt=attempt, pause_s=round(pause, 3))
            await self._sleep(pause)
