"""What is asked of ClickHouse. The views say what a number means; here they are read, and summed over days at most."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from difflib import get_close_matches
from math import isnan
from typing import Any

from clickhouse_connect.driver.client import Client

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

#: Listings in the funnel, and insights in the list: what a reader looks at.
TOP_LISTINGS = 10
MOST_INSIGHTS = 50
_CANDIDATES = 200
_NEAR = 3

# What bears a time after it was stored was dated by a wrong clock.
_FRESH = """
SELECT maxOrNull(least(occurred_at, _inserted_at)), maxOrNull(_inserted_at)
FROM
(
    SELECT merchant_id, occurred_at, _inserted_at FROM orders
    UNION ALL SELECT merchant_id, occurred_at, _inserted_at FROM questions
    UNION ALL SELECT merchant_id, occurred_at, _inserted_at FROM listings
    UNION ALL SELECT merchant_id, occurred_at, _inserted_at FROM answers_drafted
)
WHERE merchant_id = {merchant:String}
"""
_SALES = """
SELECT day, currency, orders, lines, units, sales, discounts
FROM merchant_days
WHERE merchant_id = {merchant:String} AND day >= {first:Date} AND day < {end:Date}
ORDER BY day, currency
"""
_REFUNDS = """
SELECT day, currency, lines, returned_lines, refunded_lines, cancelled_lines, sales, refunds,
    refund_rate, line_refund_rate
FROM refund_rates
WHERE merchant_id = {merchant:String} AND day >= {first:Date} AND day < {end:Date}
ORDER BY day, currency
"""
_FUNNEL = """
SELECT day, sum(questions), sum(drafts), sum(answers), sum(orders), sum(units)
FROM listing_funnel
WHERE merchant_id = {merchant:String} AND day >= {first:Date} AND day < {end:Date}
GROUP BY day
ORDER BY day
"""
_LISTINGS = """
SELECT listing_id, sum(questions) AS asked, sum(drafts), sum(answers), sum(orders) AS ordered, sum(units)
FROM listing_funnel
WHERE merchant_id = {merchant:String} AND day >= {first:Date} AND day < {end:Date}
GROUP BY listing_id
ORDER BY asked DESC, ordered DESC, listing_id
LIMIT {most:UInt32}
"""
_SERVICE = """
SELECT day, drafts, auto_share, review_share, human_share, reviewed, accepted, acceptance,
    draft_p50_ms, draft_p95_ms, review_p50_s, review_p95_s
FROM answer_service_level
WHERE merchant_id = {merchant:String} AND day >= {first:Date} AND day < {end:Date}
ORDER BY day
"""
_COVERAGE = """
SELECT route, method, listings_seen, listings_enriched, share
FROM enrichment_coverage
WHERE merchant_id = {merchant:String}
ORDER BY listings_enriched DESC, route, method
"""
_INSIGHTS = """
SELECT window_start, window_end, metric, kind, observed, expected, listing_ids, text, suggestion,
    count() OVER () AS found
FROM insights FINAL
WHERE merchant_id = {merchant:String}
    AND window_start < toDateTime({end:Date}, 'UTC') AND window_end > toDateTime({first:Date}, 'UTC')
ORDER BY window_start DESC, metric, event_id
LIMIT {most:UInt32}
"""
# Spelling is compared here where there are few merchants, and by ClickHouse first where there are many.
_NEIGHBOURS = """
SELECT merchant_id
FROM (SELECT DISTINCT merchant_id FROM orders UNION DISTINCT SELECT DISTINCT merchant_id FROM listings)
ORDER BY ngramDistanceCaseInsensitiveUTF8(merchant_id, {merchant:String}), merchant_id
LIMIT {most:UInt32}
"""


def ask(client: Client, merchant_id: str, period: Period) -> Facts | None:
    """What is known of the merchant in the period; None where no event of this merchant was ever stored.

    Raises:
        clickhouse_connect.driver.exceptions.ClickHouseError: no answer, or not the tables and views that are expected.
    """
    made_at = datetime.now(timezone.utc)
    (happened, stored), *_ = _rows(client, _FRESH, merchant=merchant_id)
    if happened is None:
        return None
    this = {"merchant": merchant_id, "first": period.first, "end": period.end}
    both = {**this, "first": period.before.first}
    insights = list(_rows(client, _INSIGHTS, **this, most=MOST_INSIGHTS))
    return Facts(
        merchant_id,
        period,
        made_at,
        Freshness(_utc(happened), _utc(stored)),
        sales=tuple(SalesDay(*row) for row in _rows(client, _SALES, **both)),
        refunds=tuple(RefundDay(*row) for row in _rows(client, _REFUNDS, **both)),
        funnel=tuple(FunnelDay(*row) for row in _rows(client, _FUNNEL, **both)),
        listings=tuple(ListingFunnel(*row) for row in _rows(client, _LISTINGS, **this, most=TOP_LISTINGS)),
        service=tuple(ServiceDay(*row) for row in _rows(client, _SERVICE, **both)),
        coverage=tuple(Coverage(*row) for row in _rows(client, _COVERAGE, merchant=merchant_id)),
        insights=tuple(_insight(row) for row in reversed(insights)),
        insights_found=insights[0][-1] if insights else 0,
    )


def near_names(client: Client, merchant_id: str) -> list[str]:
    """Merchants whose name is spelt like this one, the nearest first."""
    names = [name for (name,) in _rows(client, _NEIGHBOURS, merchant=merchant_id, most=_CANDIDATES)]
    return get_close_matches(merchant_id, names, n=_NEAR)


def _insight(row: tuple[Any, ...]) -> Insight:
    start, end, metric, kind, observed, expected, listing_ids, text, suggestion, _ = row
    return Insight(_utc(start), _utc(end), metric, kind, observed, expected, tuple(listing_ids), text, suggestion)


def _rows(client: Client, sql: str, **parameters: Any) -> Iterator[tuple[Any, ...]]:
    for row in client.query(sql, parameters=parameters).result_rows:
        # A share of nothing is not a number; here that is one thing, None.
        yield tuple(None if isinstance(value, float) and isnan(value) else value for value in row)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
