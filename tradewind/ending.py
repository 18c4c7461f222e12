"""How a long-running process comes to its end: asked, asked twice, or because it is stuck.

Ending at once loses nothing, at whatever moment: what was not acknowledged comes again, to whoever has the partition
next, and gets the same ids.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import structlog

from tradewind.cli.shared import Exit
from tradewind.health import Health, stuck

log = structlog.get_logger("tradewind")

#: What stopping may take beside the finishing of what is in hand: leaving groups, closing connections.
_TIDYING_S = 8.0
_LOOK_S = 1.0


def stop_once(stop: Callable[[], object], within_s: float) -> None:
    """Have SIGTERM and SIGINT call `stop`; a second one ends the process at once. For the main thread.

    Args:
        stop: sets what the process waits for; called in the main thread, between two instructions of Python.
        within_s: a process that has not ended by itself that long after, and some seconds for tidying, is ended.
    """

    def asked(number: int, _: object) -> None:
        restore()
        log.info("stopping", signal=signal.Signals(number).name, once_more="ends at once")
        threading.Thread(target=_end_late, args=(within_s + _TIDYING_S,), name="end-late", daemon=True).start()
        stop()

    def restore() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)


def end_if_stuck(health: Health, after_s: float) -> None:
    """Watch from a thread, and end the process when it has been stuck for so long; 0: never."""
    if after_s > 0:
        threading.Thread(target=_watch, args=(health, after_s), name="watchdog", daemon=True).start()


def _watch(health: Health, after_s: float) -> None:
    since: float | None = None
    while True:
        time.sleep(_LOOK_S)
        why = stuck(health)
        if why is None:
            since = None
            continue
        since = since or time.monotonic()
        if time.monotonic() - since >= after_s:
            log.error("ending, for it is stuck; what was in hand comes again", why=why, setting="TRADEWIND_STUCK_END_S")
            _end(Exit.FAILED)


def _end_late(after_s: float) -> None:
    time.sleep(after_s)
    log.warning("gave up stopping in order; what was in hand comes again", after_s=after_s)
    _end(Exit.UNFINISHED)


def _end(code: Exit) -> NoReturn:
    """Without the interpreter's own tidying, which waits for threads that may never end."""
    sys.stderr.flush()
    os._exit(int(code))
