"""Days that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Period:
    """So many whole days in UTC, the last of them included."""

    last: date
    length: int

    @property
    def first(self) -> date:
        """The first day."""
        return self.last - timedelta(days=self.length - 1)

    @property
    def end(self) -> date:
        """The day after the last."""
        return self.last + timedelta(days=1)

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        return Period(self.first - timedelta(days=1), self.length)

    def days(self) -> list[date]:
        """Each day, in order."""
        return [self.first + timedelta(days=day) for day in range(self.length)]

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last
