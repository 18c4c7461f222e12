"""Runs a step until it succeeds, gives up, or must stop, as `delivery.py` rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

    async def __call__(self, step: Callable[[], Awaitable[ResultT]]) -> tuple[ResultT, int]:
        """The step's result, and how many tries it took.

        Raises:
            GaveUp: it failed for good.
            Exception: the step's own error, where the verdict is to stop.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await step(), attempt
            except Exception as error:
                ruling = verdict(error)
                if ruling is Verdict.STOP:
                    raise
                spent = ruling is Verdict.RETRY_BOUNDED and attempt >= self._policy.attempts
                if ruling is Verdict.DEAD_LETTER or spent:
                    raise GaveUp(error, attempt) from error
                name = type(error).__name__
            pause = self._policy.pause_s(attempt, self._random)
            metrics.RETRIES.labels(self._stage, name).inc()
            log.warning("trying again", stage=self._stage, error_class=name, attempt=attempt, pause_s=round(pause, 3))
            await self._sleep(pause)
