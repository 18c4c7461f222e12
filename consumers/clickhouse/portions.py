"""Work that is too large for one statement, cut along merchants, and along days where one merchant is too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

_Key = TypeVar("_Key", str, date)


@dataclass(frozen=True, slots=True)
class Portion:
    """Merchants in the order of their ids, and days; None is no bound.

    Attributes:
        merchant_from: the first merchant.
        merchant_before: the one after the last.
        day_from: the first day.
        day_before: the one after the last.
        rows: about how much work it is.
    """

    merchant_from: str | None = None
    merchant_before: str | None = None
    day_from: date | None = None
    day_before: date | None = None
    rows: int = 0

    def condition(self, chunk: str) -> str:
        """SQL that is true for what belongs to this portion.

        Args:
            chunk: column that has the time.
        """
        bounds = (
            (self.merchant_from, "merchant_id >= {merchant_from:String}"),
            (self.merchant_before, "merchant_id < {merchant_before:String}"),
            (self.day_from, f"toDate({chunk}) >= {{day_from:Date}}"),
            (self.day_before, f"toDate({chunk}) < {{day_before:Date}}"),
        )
        return " AND ".join(sql for bound, sql in bounds if bound is not None) or "1"

    def parameters(self) -> dict[str, str | date]:
        """What the condition's parameters stand for."""
        bounds = {
            "merchant_from": self.merchant_from,
            "merchant_before": self.merchant_before,
            "day_from": self.day_from,
            "day_before": self.day_before,
        }
        return {name: bound for name, bound in bounds.items() if bound is not None}


def portions(
    merchants: Sequence[tuple[str, int]], days_of: Callable[[str], Sequence[tuple[date, int]]], limit: int
) -> list[Portion]:
    """Portions that cover everything between them, each of `limit` rows or of one merchant's day.

    Args:
        merchants: rows of each, in the order of their ids.
        days_of: rows of each day of a merchant, in order; asked for those with more than `limit` rows.
        limit: rows of one portion at most, where a day has no more.
    """
    found: list[Portion] = []
    groups = _groups(merchants, limit)
    for number, (first, rows) in enumerate(groups):
        after = groups[number + 1][0] if number + 1 < len(groups) else None
        start = first if number else None
        if rows <= limit:
            found.append(Portion(start, after, rows=rows))
            continue
        # Too large: one merchant. Those without rows before the next one come with each of its days.
        days = _groups(days_of(first), limit)
        for each, (day, day_rows) in enumerate(days):
            before = days[each + 1][0] if each + 1 < len(days) else None
            found.append(Portion(start, after, day if each else None, before, day_rows))
    return found


def _groups(counts: Sequence[tuple[_Key, int]], limit: int) -> list[tuple[_Key, int]]:
    """Neighbours together while they stay within the limit: the first of each group, and its rows."""
    groups: list[tuple[_Key, int]] = []
    for key, rows in counts:
        if groups and groups[-1][1] + rows <= limit:
            groups[-1] = (groups[-1][0], groups[-1][1] + rows)
        else:
            groups.append((key, rows))
    return groups
