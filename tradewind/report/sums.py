"""What is added up over days, and how; amounts of different currencies never are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from tradewind.report.facts import RefundDay, SalesDay, ServiceDay
from tradewind.report.period import Period


class OfDay(Protocol):
    """A row with its day."""

    @property
    def day(self) -> date:
        """The day."""


Row = TypeVar("Row", bound=OfDay)


def within(rows: Iterable[Row], period: Period) -> list[Row]:
    """Rows of the period."""
    return [row for row in rows if row.day in period]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts of one currency."""
    return sum(amounts, Decimal(0))


def currencies(rows: Sequence[SalesDay] | Sequence[RefundDay]) -> list[str]:
    """Their currencies, the one with the most lines first."""
    lines: dict[str, int] = {}
    for row in rows:
        lines[row.currency] = lines.get(row.currency, 0) + row.lines
    return sorted(lines, key=lambda currency: (-lines[currency], currency))


def refund_rate(rows: Iterable[RefundDay]) -> float | None:
    """Refunds as a share of sales; None without sales."""
    kept = list(rows)
    sales = total(row.sales for row in kept)
    return float(total(row.refunds for row in kept) / sales) if sales else None


def routed(rows: Iterable[ServiceDay], share: Callable[[ServiceDay], float | None]) -> float | None:
    """A route's share of all drafts of some days, from its share of each day; None without drafts."""
    kept = list(rows)
    drafts = sum(row.drafts for row in kept)
    # A day's share times its drafts is a count, and shares are added up by counts.
    return sum(round((share(row) or 0.0) * row.drafts) for row in kept) / drafts if drafts else None


def acceptance(rows: Iterable[ServiceDay]) -> float | None:
    """The share of reviewed drafts that were accepted; None without reviews."""
    kept = list(rows)
    reviewed = sum(row.reviewed for row in kept)
    return sum(row.accepted for row in kept) / reviewed if reviewed else None
