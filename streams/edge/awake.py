"""Whether a draft is expected, which is when a radio is worth keeping awake. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

#: More than these are not told apart: something is expected, and that is all that counts.
_MOST = 10_000


class Expected:
    """Questions that were sent, and whose drafts have not come.

    Args:
        expect_s: a draft that has not come after so long is expected no more.
    """

    def __init__(self, expect_s: float) -> None:
        self._expect_s = expect_s
        self._until: OrderedDict[str, float] = OrderedDict()

    def sent(self, event_ids: Iterable[str], now: float) -> None:
        """These questions were acknowledged."""
        for event_id in event_ids:
            self._until[event_id] = now + self._expect_s
        while len(self._until) > _MOST:
            self._until.popitem(last=False)

    def came(self, event_id: str) -> None:
        """The draft for this question."""
        self._until.pop(event_id, None)

    def any(self, now: float) -> bool:
        """Whether one is expected."""
        while self._until:
            event_id, until = next(iter(self._until.items()))
            if until > now:
                return True
            del self._until[event_id]
        return False
