"""What the report says, against a recount of the events that were stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from tests.consumers.harness import settings_for
from tests.support.stack import ClickHouseEndpoint
from tests.tradewind.report.reading import Page
from tests.tradewind.report.stored import LAST, LISTINGS, Stored, store
from tradewind.report.ask import ask, near_names
from tradewind.report.facts import Facts
from tradewind.report.page import page
from tradewind.report.period import Period

pytestmark = pytest.mark.integration
WEEK = Period(LAST.date(), 7)


@pytest.fixture
def client(database: ClickHouseEndpoint) -> Iterator[Client]:
    settings = settings_for("127.0.0.1:1", database, "report")
    migrate(settings)
    with open_client(settings) as client:
        yield client


def _asked(client: Client, merchant_id: str = "m-1", period: Period = WEEK) -> Facts:
    facts = ask(client, merchant_id, period)
    assert facts is not None
    return facts


def _placed(stored: Stored, period: Period) -> list[dict[str, Any]]:
    return [row for row in stored.orders if row["kind"] == "PLACED" and row["occurred_at"].date() in period]


def test_it_is_a_recount(client: Client) -> None:
    stored = store(client)
    store(client, "m-2")
    facts = _asked(client)
    sales = {(row.day, row.currency): row for row in facts.sales}
    for period in (WEEK, WEEK.before):
        by_key: dict[tuple[date, str], list[dict[str, Any]]] = {}
        for line in _placed(stored, period):
            by_key.setdefault((line["occurred_at"].date(), line["currency"]), []).append(line)
        told = {key: row for key, row in sales.items() if key[0] in period and row.lines}
        assert told.keys() == by_key.keys()
        for key, lines in by_key.items():
            row = told[key]
            assert (row.orders, row.lines) == (len({line["order_id"] for line in lines}), len(lines))
            assert row.units == sum(line["quantity"] for line in lines)
            assert row.sales == sum(line["amount"] for line in lines)
            assert row.discounts == Decimal("0.25") * len(lines)
    for row in facts.refunds:
        lines = [
            line for line in stored.orders if (line["occurred_at"].date(), line["currency"]) == (row.day, row.currency)
        ]
        kinds = Counter(line["kind"] for line in lines)
        assert (row.cancelled_lines, row.returned_lines, row.refunded_lines) == (
            kinds["CANCELLED"], kinds["RETURNED"], kinds["REFUNDED"]
        )  # fmt: skip
        assert row.refunds == sum(line["amount"] for line in lines if line["kind"] == "REFUNDED")
        assert (row.refund_rate is None) == (row.sales == 0)


def test_the_funnel_is_a_recount(client: Client) -> None:
    stored = store(client)
    facts = _asked(client)
    in_week = {
        "questions": [row for row in stored.questions if row["occurred_at"].date() in WEEK],
        "drafts": [row for row in stored.drafts if row["occurred_at"].date() in WEEK],
        "orders": _placed(stored, WEEK),
    }
    answers = [row for row in stored.drafts if row["route"] == "AUTO"]
    answers += [row for row in stored.reviews if row["decision"] != "REJECT"]
    in_week["answers"] = [row for row in answers if row["occurred_at"].date() in WEEK]
    by_listing = {name: Counter(row["listing_id"] for row in rows) for name, rows in in_week.items()}
    expected = sorted(
        ({"listing_id": name} | {kind: counts[name] for kind, counts in by_listing.items()} for name in LISTINGS),
        key=lambda row: (-row["questions"], -row["orders"], row["listing_id"]),
    )
    told = [asdict(row) for row in facts.listings]
    assert [{name: row[name] for name in expected[0]} for row in told] == expected[:10]
    for name, rows in in_week.items():
        assert sum(getattr(row, name) for row in facts.funnel if row.day in WEEK) == len(rows)


def test_the_service_level_coverage_and_insights_are_a_recount(client: Client) -> None:
    stored = store(client)
    facts = _asked(client)
    drafts = [row for row in stored.drafts if row["asked_at"].date() in WEEK]
    told = [row for row in facts.service if row.day in WEEK]
    assert sum(row.drafts for row in told) == len(drafts)
    for name in ("AUTO", "REVIEW", "HUMAN"):
        share = f"{name.lower()}_share"
        routed = sum(round(getattr(row, share) * row.drafts) for row in told)
        assert routed == sum(row["route"] == name for row in drafts)
    ids = {row["event_id"] for row in drafts}
    decisions = Counter(row["decision"] for row in stored.reviews if row["draft_event_id"] in ids)
    assert sum(row.reviewed for row in told) == sum(decisions.values())
    assert sum(row.accepted for row in told) == decisions["APPROVE"]
    slowest = max(row["occurred_at"] - row["asked_at"] for row in drafts) / timedelta(milliseconds=1)
    assert max(row.draft_p95_ms or 0 for row in told) <= slowest
    assert {row.route: row.listings_enriched for row in facts.coverage if row.listings_enriched} == {
        "PUBLISH": 5, "REVIEW": 3
    }  # fmt: skip
    assert {row.listings_seen for row in facts.coverage} == {len(LISTINGS)}
    assert [(row.text, row.window_start) for row in facts.insights] == [("Sales fell.", LAST - timedelta(days=3))]
    assert facts.insights_found == 1


def test_the_page_has_these_numbers_and_no_buyer(client: Client) -> None:
    stored = store(client)
    facts = _asked(client)
    html = page(facts)
    found = Page(html)
    placed = _placed(stored, WEEK)
    for currency in ("EUR", "USD"):
        amount = sum(row["amount"] for row in placed if row["currency"] == currency)
        assert f"Sales in {currency}: {amount:,.2f} {currency}," in found.text
    assert f"Orders: {len(placed):,}," in found.text
    head, *rows = found.tables["Sales by day and currency"]
    assert sum(int(row[head.index("Units")]) for row in rows) == sum(row["quantity"] for row in placed)
    assert sum(Decimal(row[head.index("Sales")].replace(",", "")) for row in rows) == sum(
        row["amount"] for row in placed
    )
    for private in ("buyer-of-nobody", "secret"):
        assert private not in html


def test_a_merchant_without_events_has_neighbours(client: Client) -> None:
    for name in ("mfr-69", "mfr-6990", "shop-of-another"):
        store(client, name)
    assert ask(client, "mfr-96", WEEK) is None
    assert near_names(client, "mfr-6") == ["mfr-69", "mfr-6990"]
    assert near_names(client, "') OR 1 = 1 --") == []
    assert ask(client, "' OR '1' = '1", WEEK) is None


def test_a_quiet_period_is_told_from_an_unknown_merchant(client: Client) -> None:
    store(client)
    facts = _asked(client, period=Period(date(2020, 1, 1), 5))
    assert facts.nothing_in_period
    assert facts.fresh.happened == LAST
    assert not _asked(client).nothing_in_period
