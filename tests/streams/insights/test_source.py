"""The counts, as ClickHouse gives them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError

from consumers.clickhouse.migrate import migrate
from model.tasks.insight_facts import Driver
from schemas.events import InsightKind
from streams.insights.detect import Anomaly
from streams.insights.series import CANCELLATIONS, METRICS, REFUNDS, SALES, UNANSWERED, Series
from streams.insights.source import ClickHouseSource, SourceAway
from tests.support.stack import ClickHouseEndpoint
from tradewind.settings import Settings

pytestmark = pytest.mark.integration

NOW = datetime(2026, 3, 31, 12, 20, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
START = NOW.replace(minute=0) - 24 * HOUR


@pytest.fixture
def client(database: ClickHouseEndpoint) -> Iterator[Client]:
    """A client of a database with our tables."""
    migrate(
        Settings(
            clickhouse_url=database.url,
            clickhouse_username=database.user,
            clickhouse_password=database.password,
            clickhouse_database=database.database,
        )
    )
    with clickhouse_connect.get_client(dsn=database.dsn, autogenerate_session_id=False) as opened:
        yield opened


def store(client: Client, table: str, *rows: dict[str, Any]) -> None:
    """Rows of a table; of what is not given, the defaults."""
    given = {"_log": "test", "_partition": 0, "_offset": 0}
    for row in rows:
        full = {"event_id": uuid.uuid4(), **row, **given}
        client.insert(table, [list(full.values())], list(full))


def order(
    at: datetime, listing: str = "l-1", kind: str = "PLACED", merchant: str = "m-1", **more: Any
) -> dict[str, Any]:
    name = f"o-{uuid.uuid4()}"
    row = {"occurred_at": at, "merchant_id": merchant, "order_id": name, "listing_id": listing, "kind": kind}
    return {**row, "amount": 1, "currency": "EUR", **more}


def counted(series: list[Series]) -> dict[str, dict[str, dict[int, int]]]:
    """Counts that are not 0, by metric, merchant and hour from the start."""
    return {
        one.metric: {
            merchant: {int(hour): int(one.counts[number, hour]) for hour in one.counts[number].nonzero()[0]}
            for number, merchant in enumerate(one.merchants)
        }
        for one in series
    }


def anomaly(metric: str, observed: int, expected: float, start: datetime = NOW - 6 * HOUR) -> Anomaly:
    kind = InsightKind.SPIKE if observed > expected else InsightKind.DROP
    return Anomaly("m-1", metric, kind, start, NOW, observed, expected, 5.0, 1e-9, 1e-7)


def test_orders_are_counted_by_hour(client: Client) -> None:
    twice = {**order(START + HOUR), "event_id": uuid.uuid4()}
    store(client, "orders", twice, twice)
    store(
        client,
        "orders",
        order(START - HOUR),
        order(START + HOUR),
        order(START + 2 * HOUR, currency="USD", merchant="m-2"),
        order(START + 2 * HOUR, kind="REFUNDED", merchant="m-2"),
        order(START + 24 * HOUR, kind="CANCELLED", merchant="m-2"),
        order(NOW + HOUR),
    )
    series = ClickHouseSource(lambda: client).counts(START, NOW)
    assert [one.metric for one in series] == list(METRICS)
    assert {one.counts.shape[1] for one in series} == {25}
    found = counted(series)
    assert found[SALES] == {"m-1": {1: 2}, "m-2": {2: 1}}
    assert found[REFUNDS] == {"m-1": {}, "m-2": {2: 1}}
    assert found[CANCELLATIONS] == {"m-1": {}, "m-2": {24: 1}}


def ask(client: Client, question: str, at: datetime, listing: str = "l-1") -> None:
    store(
        client,
        "questions",
        {"occurred_at": at, "merchant_id": "m-1", "listing_id": listing, "question_id": question},
    )


def draft(client: Client, question: str, at: datetime, asked_at: datetime, route: str) -> None:
    row = {"occurred_at": at, "merchant_id": "m-1", "listing_id": "l-1", "question_id": question, "asked_at": asked_at}
    store(client, "answers_drafted", {**row, "source_event_id": uuid.uuid4(), "route": route})


def review(client: Client, question: str, at: datetime, decision: str) -> None:
    row = {"occurred_at": at, "merchant_id": "m-1", "listing_id": "l-1", "question_id": question}
    store(client, "answers_reviewed", {**row, "draft_event_id": uuid.uuid4(), "decision": decision, "reviewer": "r"})


def test_a_question_counts_when_its_patience_ends_without_an_answer(client: Client) -> None:
    asked = START + 2 * HOUR
    soon, late = asked + HOUR / 2, asked + 2 * HOUR
    for question in ("never", "auto", "auto late", "approved", "rejected", "left to a person", "just now"):
        ask(client, question, NOW - HOUR / 2 if question == "just now" else asked)
    ask(client, "never", asked + timedelta(seconds=1))  # sent again under another event
    draft(client, "auto", soon, asked, "AUTO")
    draft(client, "auto late", late, asked, "AUTO")
    draft(client, "approved", soon, asked, "REVIEW")
    review(client, "approved", soon, "APPROVE")
    draft(client, "rejected", soon, asked, "REVIEW")
    review(client, "rejected", soon, "REJECT")
    draft(client, "left to a person", soon, asked, "HUMAN")
    source = ClickHouseSource(lambda: client)
    assert counted(source.counts(START, NOW))[UNANSWERED] == {"m-1": {3: 4}}
    patient = ClickHouseSource(lambda: client, patience=3 * HOUR)
    assert counted(patient.counts(START, NOW))[UNANSWERED] == {"m-1": {5: 3}}


def test_listings_drive_a_drop_by_their_own_usual(client: Client) -> None:
    at = NOW - 3 * HOUR
    for weeks in range(1, 5):
        store(client, "orders", *(order(at - weeks * WEEK, "l-down") for _ in range(8)))
        store(client, "orders", *(order(at - weeks * WEEK, "l-same") for _ in range(5)))
        store(client, "orders", order(at - weeks * WEEK - 12 * HOUR, "l-at-night"))
    store(client, "orders", *(order(at, "l-same") for _ in range(5)), order(at, "l-down"), order(at, "l-up"))
    store(client, "orders", *(order(at - WEEK, "l-other", merchant="m-2") for _ in range(40)))
    source = ClickHouseSource(lambda: client)
    assert source.drivers(anomaly(SALES, 7, 13.0), 3) == (Driver("l-down", 1, 8.0),)


def test_the_strongest_come_first_and_only_so_many(client: Client) -> None:
    at = NOW - HOUR
    for number, listing in ((3, "l-3"), (9, "l-9"), (6, "l-6")):
        store(client, "orders", *(order(at, listing, "REFUNDED") for _ in range(number)))
    source = ClickHouseSource(lambda: client)
    assert source.drivers(anomaly(REFUNDS, 18, 0.0), 2) == (Driver("l-9", 9, 0.0), Driver("l-6", 6, 0.0))
    assert source.drivers(anomaly(CANCELLATIONS, 18, 0.0), 2) == ()


def test_a_window_of_more_than_a_week_is_held_against_two_weeks(client: Client) -> None:
    window = NOW - WEEK - HOUR / 3
    store(client, "orders", *(order(NOW - days * timedelta(days=1), "l-1") for days in (1, 6)))
    store(client, "orders", *(order(NOW - 2 * WEEK - days * timedelta(days=1), "l-1") for days in (1, 2, 3, 6)))
    source = ClickHouseSource(lambda: client)
    assert source.drivers(anomaly(SALES, 0, 9.0, window), 3) == ()
    assert source.drivers(anomaly(SALES, 2, 2.0, window), 3) == ()
    store(client, "orders", *(order(NOW - 4 * WEEK - days * timedelta(days=1), "l-1") for days in (1, 2, 3, 6)))
    assert source.drivers(anomaly(SALES, 2, 4.0, window), 3) == (Driver("l-1", 2, 4.0),)


def test_listings_drive_unanswered_questions(client: Client) -> None:
    for number in range(7):
        ask(client, f"q-{number}", NOW - 2 * HOUR, "l-1" if number else "l-2")
    ask(client, "earlier", NOW - 2 * HOUR - WEEK)
    source = ClickHouseSource(lambda: client)
    expected = (Driver("l-1", 6, 0.25), Driver("l-2", 1, 0.0))
    assert source.drivers(anomaly(UNANSWERED, 7, 0.5), 3) == expected


def test_a_question_that_fails_is_told_without_its_words(client: Client) -> None:
    client.command("DROP VIEW merchant_sales")
    with pytest.raises(SourceAway, match=r"^DatabaseError$"):
        ClickHouseSource(lambda: client).counts(START, NOW)


def test_while_nobody_answers_the_source_is_away() -> None:
    def refuse() -> Client:
        raise OperationalError("connection refused")

    with pytest.raises(SourceAway, match="OperationalError"):
        ClickHouseSource(refuse).counts(START, NOW)
