"""Whether the gateway's event loop still takes its turns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import final

_BEAT_S = 1.0


@final
class Turns:
    """Notes the loop's turns; asked by other threads.

    Args:
        stuck_after_s: a loop without a turn for so long is stuck.
    """

    def __init__(self, stuck_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stuck_after_s = stuck_after_s
        self._clock = clock
        self._last = clock()

    def stuck(self) -> str | None:
        """Why a restart would help; None where it would not."""
        silent_s = self._clock() - self._last
        return f"no turn of the event loop for {silent_s:.0f} s" if silent_s > self._stuck_after_s else None

    async def run(self) -> None:
        """Note the turns, for ever."""
        while True:
            self._last = self._clock()
            await asyncio.sleep(_BEAT_S)
