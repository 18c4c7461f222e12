"""Events in hand, and the order in which they may be acknowledged.

Faust's committed offset can pass an event that is not acknowledged once later ones are (`Consumer._new_offset`,
faust-streaming issue 606). So an event is acknowledged only when every earlier one of its partition is done: many can
be worked on at once, which is what a batching engine wants, and a crash still finds each unfinished one uncommitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Slot:
    ack: Callable[[], object]
    done: bool = False


class AckWindow:
    """Acknowledges each partition's events in the order in which they came."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], deque[_Slot]] = {}

    def enter(self, topic: str, partition: int, ack: Callable[[], object]) -> Callable[[], None]:
        """Take an event in. Gives the function to call when it is done."""
        slots = self._open.setdefault((topic, partition), deque())
        slot = _Slot(ack)
        slots.append(slot)

        def done() -> None:
            slot.done = True
            # No await in between: a commit can't see the later of two finished events without the earlier.
            while slots and slots[0].done:
                slots.popleft().ack()

        return done

    def __len__(self) -> int:
        """Events taken in and not yet acknowledged."""
        return sum(map(len, self._open.values()))
