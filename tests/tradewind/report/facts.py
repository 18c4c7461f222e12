"""Facts of a made-up merchant, the same each time."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from tradewind.report.facts import (
    Coverage,
    Facts,
    Freshness,
    FunnelDay,
    Insight,
    ListingFunnel,
    RefundDay,
    SalesDay,
    ServiceDay,
)
from tradewind.report.period import Period

PERIOD = Period(date(2026, 11, 24), 30)
NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


def empty_facts(merchant_id: str = "m-1", period: Period = PERIOD) -> Facts:
    """A merchant of whom the period has nothing."""
    fresh = Freshness(NOON - timedelta(minutes=5), NOON - timedelta(seconds=42))
    return Facts(merchant_id, period, NOON, fresh, (), (), (), (), (), (), (), 0)


def full_facts(
    merchant_id: str = "m-1",
    period: Period = PERIOD,
    *,
    currencies: tuple[str, ...] = ("EUR", "JPY"),
    listing_ids: tuple[str, ...] = tuple(f"listing-{n}" for n in range(10)),
    text: str = "Sales fell to 12 where 40 were expected.",
) -> Facts:
    """A merchant with something in each section, in the period and in the one before."""
    dice = random.Random(7)
    days = [*period.before.days(), *period.days()]
    sold = [(day, currency) for day in days for currency in currencies if dice.random() < 0.9]
    sales = tuple(
        SalesDay(day, currency, n, n + 3, n + 9, Decimal(n * 1234) / 100, Decimal(n) / 10)
        for day, currency in sold
        for n in [dice.randrange(1, 900)]
    )
    refunds = tuple(
        RefundDay(row.day, row.currency, row.lines, 2, 1, 3, row.sales, row.sales / 20, 0.05, 1 / row.lines)
        for row in sales
    )
    funnel = tuple(FunnelDay(day, 30, 28, 20, dice.randrange(50), 77) for day in days)
    listings = tuple(
        ListingFunnel(name, 40 - n, 38 - n, 30 - n, dice.randrange(200), 99) for n, name in enumerate(listing_ids)
    )
    service = tuple(
        ServiceDay(day, 28, 14 / 28, 7 / 28, 7 / 28, 4, 3, 0.75, dice.uniform(300, 600), dice.uniform(2000, 9000),
                   dice.uniform(200, 900), dice.uniform(4000, 90_000))
        for day in days
        if dice.random() < 0.9
    )  # fmt: skip
    coverage = (
        Coverage("PUBLISH", "MODEL", 120, 80, 80 / 120),
        Coverage("REVIEW", "MODEL", 120, 20, 20 / 120),
        Coverage("PUBLISH", "TEMPLATE", 120, 5, 5 / 120),
    )
    insights = tuple(
        Insight(start, start + timedelta(hours=2), "sales", kind, 12.0, 40.5, listing_ids[:2], text, "Check the price.")
        for start, kind in (
            (datetime.combine(period.first, datetime.min.time(), timezone.utc) - timedelta(hours=1), "DROP"),
            (datetime.combine(period.last, datetime.min.time(), timezone.utc) - timedelta(days=5), "SPIKE"),
            (datetime.combine(period.last, datetime.min.time(), timezone.utc) - timedelta(days=5, hours=-3), "SPIKE"),
        )
    )
    fresh = Freshness(NOON - timedelta(minutes=5), NOON - timedelta(seconds=42))
    return Facts(
        merchant_id, period, NOON, fresh, sales, refunds, funnel, listings, service, coverage, insights, len(insights)
    )
