"""Ctrl-C at a moment when nothing is lost by it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def until_ctrl_c(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The items, with Ctrl-C raised as KeyboardInterrupt while one is waited for, and not in the middle of its use.

    librdkafka calls back into Python, and an exception that starts there ends in a SystemError. A second Ctrl-C that
    comes before the first was heeded ends the process at once. For the main thread only.
    """
    waiting = asked = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if waiting:
            raise KeyboardInterrupt
        asked = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def interruptible() -> Iterator[Item]:
        nonlocal waiting
        while True:
            if asked:
                raise KeyboardInterrupt
            waiting = True
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                waiting = False
            yield item

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield interruptible()
    finally:
        signal.signal(signal.SIGINT, before)
