"""What ClickHouse says of one merchant, as values. No buyer and no text of a buyer is among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tradewind.report.period import Period


@dataclass(frozen=True, slots=True)
class SalesDay:
    """One row of `merchant_days`, which is `merchant_sales` by day."""

    day: date
    currency: str
    orders: int
    lines: int
    units: int
    sales: Decimal
    discounts: Decimal


@dataclass(frozen=True, slots=True)
class RefundDay:
    """One row of `refund_rates`; a rate is None on a day without sales."""

    day: date
    currency: str
    lines: int
    returned_lines: int
    refunded_lines: int
    cancelled_lines: int
    sales: Decimal
    refunds: Decimal
    refund_rate: float | None
    line_refund_rate: float | None


@dataclass(frozen=True, slots=True)
class FunnelDay:
    """One day of `listing_funnel`, all listings."""

    day: date
    questions: int
    drafts: int
    answers: int
    orders: int
    units: int


@dataclass(frozen=True, slots=True)
class ListingFunnel:
    """One listing of `listing_funnel`, all days of the period."""

    listing_id: str
    questions: int
    drafts: int
    answers: int
    orders: int
    units: int


@dataclass(frozen=True, slots=True)
class ServiceDay:
    """One row of `answer_service_level`; what there was nothing to measure of is None."""

    day: date
    drafts: int
    auto_share: float | None
    review_share: float | None
    human_share: float | None
    reviewed: int
    accepted: int
    acceptance: float | None
    draft_p50_ms: float | None
    draft_p95_ms: float | None
    review_p50_s: float | None
    review_p95_s: float | None


@dataclass(frozen=True, slots=True)
class Coverage:
    """One row of `enrichment_coverage`: as it is now, whatever the period."""

    route: str
    method: str
    listings_seen: int
    listings_enriched: int
    share: float


@dataclass(frozen=True, slots=True)
class Insight:
    """What stood out in a window."""

    window_start: datetime
    window_end: datetime
    metric: str
    kind: str
    observed: float
    expected: float
    listing_ids: tuple[str, ...]
    text: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """When the merchant's newest event happened, and when the last one was stored."""

    happened: datetime
    stored: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a report is made of. Rows by day are of the period and of the one before it."""

    merchant_id: str
    period: Period
    made_at: datetime
    fresh: Freshness
    sales: tuple[SalesDay, ...]
    refunds: tuple[RefundDay, ...]
    funnel: tuple[FunnelDay, ...]
    listings: tuple[ListingFunnel, ...]
    service: tuple[ServiceDay, ...]
    coverage: tuple[Coverage, ...]
    insights: tuple[Insight, ...]
    insights_found: int

    @property
    def nothing_in_period(self) -> bool:
        """Whether the period has no row of any kind."""
        days = [row.day for rows in (self.sales, self.refunds, self.funnel, self.service) for row in rows]
        return not self.insights and not any(day in self.period for day in days)
