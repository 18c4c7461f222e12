"""Whether a sink works: what its loop notes, and what that means.

*Live* is false only where a restart helps: the loop takes no turn. A table that takes no rows, because ClickHouse is
away, makes a sink unready, never dead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: By check: why it fails, or None where all is well.
Findings = dict[str, str | None]

#: A table that has been taking the same rows for so long is told.
_PATIENCE_S = 30.0


@dataclass
class SinkVitals:
    """Written by the loop's thread, read by any.

    Attributes:
        stuck_s: a loop that takes no turn for so long is stuck.
        state: what the sink does instead of storing: starting, waiting for partitions, stopping; empty while it stores.
        storing: by table, when the batch that is being stored was begun.
    """

    stuck_s: float
    clock: Callable[[], float] = time.monotonic
    state: str = "it is starting"
    storing: Mapping[str, float] = field(default_factory=dict)
    _turn_at: float | None = None

    def turn(self) -> None:
        """The loop has got on: a turn, or a call to a service that came back."""
        self._turn_at = self.clock()

    def silent_s(self) -> float:
        """Since the loop's last turn."""
        return 0.0 if self._turn_at is None else self.clock() - self._turn_at

    def live(self) -> Findings:
        """What is stuck."""
        silent_s = self.silent_s()
        return {"loop": f"the loop has taken no turn for {silent_s:.0f} s" if silent_s > self.stuck_s else None}

    def ready(self) -> Findings:
        """What keeps it from storing now."""
        now = self.clock()
        slow = {table: now - since for table, since in self.storing.items() if now - since > _PATIENCE_S}
        return {
            "running": self.state or None,
            "tables": "; ".join(f"{table} has been taking one batch for {s:.0f} s" for table, s in sorted(slow.items()))
            or None,
        }
