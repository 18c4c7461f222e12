"""A TCP proxy before the gateway that cuts answers: Kafka has the events, and the device is never told.

Where packets can't be emulated it is also the link: it can hold everything back.
"""

from __future__ import annotations

import asyncio
import random
from typing import final

from tests.faults.wire import Wire

#: What the gateway begins an answer with that acknowledges something.
_ACKNOWLEDGED = (b"HTTP/1.1 202", b"HTTP/1.1 207")


@final
class Door(Wire):
    """A way to a server on this machine; use as a context manager.

    Args:
        host: where it listens.
        target_port: of the server, on 127.0.0.1.
        cut_share: so many of the acknowledging answers are cut.

    Attributes:
        cut_answers: how many were.
    """

    def __init__(self, host: str, target_port: int, cut_share: float, seed: int) -> None:
        super().__init__(target_port, host=host)
        self._cut_share = cut_share
        self._rng = random.Random(seed)
        self.cut_answers = 0

    def _lets_through(self, answer: bytes) -> bool:
        if answer.startswith(_ACKNOWLEDGED) and self._rng.random() < self._cut_share:
            self.cut_answers += 1
            return False
        return True

    def _end(self, writer: asyncio.StreamWriter) -> None:
        # As of a link that is gone: nobody says goodbye.
        writer.transport.abort()
