"""Waiting for what comes about in other processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from clickhouse_connect.driver.exceptions import Error as ClickHouseError


def until(condition: Callable[[], bool], what: str, deadline_s: float, poll_s: float = 0.05) -> None:
    """Wait for the condition; while ClickHouse is away it is not met.

    Raises:
        TimeoutError: it does not come about.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        with suppress(ClickHouseError):
            if condition():
                return
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}")
        time.sleep(poll_s)


async def come_true(condition: Callable[[], bool], what: str, deadline_s: float = 10.0, poll_s: float = 0.005) -> None:
    """The same within an event loop, which goes on meanwhile.

    Raises:
        TimeoutError: it does not come about.
    """
    give_up = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}")
        await asyncio.sleep(poll_s)
