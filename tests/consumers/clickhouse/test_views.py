"""The analysts' views, against numbers worked out by hand."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from consumers.clickhouse.container import container
from consumers.clickhouse.insert import insert, token_of
from consumers.clickhouse.positions import Log
from schemas.events import (
    AnswerDrafted,
    AnswerReviewed,
    AnswerRoute,
    CopyRoute,
    DeadLetter,
    Decision,
    Event,
    ListingEnriched,
    ListingPublished,
    Method,
    OrderKind,
    Provenance,
    QuestionAsked,
)
from schemas.records import schema_json
from tests.consumers.events import AT, FULL, order
from tests.consumers.harness import World

pytestmark = pytest.mark.integration

FULL_BY_TYPE: dict[str, Any] = {type(event).__name__: event for event in FULL}
MINUTE = datetime(2026, 3, 1, 9, 30)
AHEAD = timedelta(minutes=10)


def store(world: World, name: str, events: Sequence[Event], topic_id: str = "topic_1") -> None:
    """Put events into a table, as the sink does, twice: the views must not see the second time."""
    for attempt in (1, 2):
        log = Log(name, f"{topic_id}_{attempt}")
        framed = [world.codec.encode_event(event) for event in events]
        partitions, offsets = [0] * len(events), range(len(events))
        schema = schema_json(type(events[0]).__name__)
        file = container(schema, topic_id, partitions, offsets, framed, sync=bytes(16))
        insert(world.client, world.tables[name], file, token_of(log, partitions, offsets))


def test_orders_by_merchant_minute(world: World) -> None:
    line = {"merchant_id": "m", "order_id": "o-1"}
    store(
        world,
        "orders",
        [
            order(1, **line, amount=Decimal("10.10"), quantity=2, discount=Decimal("0.90")),
            order(2, **line, line=2, amount=Decimal("5.05")),
            order(3, **line, amount=Decimal("10.10"), kind=OrderKind.CANCELLED),
            order(4, merchant_id="m", order_id="o-2", amount=Decimal("1.00"), currency="USD"),
            order(5, **line, amount=Decimal("3.33"), kind=OrderKind.REFUNDED, occurred_at=AT + timedelta(minutes=1)),
            order(6, **line, kind=OrderKind.RETURNED, occurred_at=AT + timedelta(minutes=1)),
        ],
    )
    zero = Decimal("0.00")
    assert world.rows("SELECT * FROM orders_by_merchant_minute ORDER BY minute, currency") == [
        ("m", MINUTE, "EUR", 1, 2, 3, Decimal("15.15"), Decimal("0.90"), 1, 0, zero),
        ("m", MINUTE, "USD", 1, 1, 1, Decimal("1.00"), zero, 0, 0, zero),
        ("m", MINUTE + timedelta(minutes=1), "EUR", 0, 0, 0, zero, zero, 0, 1, Decimal("3.33")),
    ]


def test_answer_routes(world: World) -> None:
    drafted: AnswerDrafted = FULL_BY_TYPE["AnswerDrafted"]
    routes = [(AnswerRoute.AUTO, "grounded", 0.9, 100), (AnswerRoute.AUTO, "grounded", 0.7, 300)]
    routes += [(AnswerRoute.AUTO, "grounded", 0.8, 200), (AnswerRoute.HUMAN, "no_evidence", 0.0, 50)]
    store(
        world,
        "answers_drafted",
        [
            replace(
                drafted,
                event_id=uuid.UUID(int=number),
                route=route,
                reason=reason,
                confidence=confidence,
                occurred_at=AT + timedelta(milliseconds=ms),
            )
            for number, (route, reason, confidence, ms) in enumerate(routes)
        ],
    )
    auto, human = world.rows("SELECT * FROM answer_routes ORDER BY route")
    assert auto[:6] == ("m-1", date(2026, 3, 1), "AUTO", "grounded", 3, 0.75)
    assert auto[6:] == (pytest.approx(0.8), 200.0, 300.0)
    assert human[2:] == ("HUMAN", "no_evidence", 1, 0.25, 0.0, 50.0, 50.0)


def test_enrichment_coverage(world: World) -> None:
    listing: ListingPublished = FULL_BY_TYPE["ListingPublished"]
    copy: ListingEnriched = FULL_BY_TYPE["ListingEnriched"]

    def seen(number: int, merchant: str) -> ListingPublished:
        return replace(listing, event_id=uuid.UUID(int=number), listing_id=f"l-{number}", merchant_id=merchant)

    def enriched(number: int, of: int, route: CopyRoute, method: Method, seconds: int = 0) -> ListingEnriched:
        return replace(
            copy,
            event_id=uuid.UUID(int=number),
            merchant_id="m",
            listing_id=f"l-{of}",
            route=route,
            provenance=Provenance(method),
            occurred_at=AT + timedelta(seconds=seconds),
        )

    store(world, "listings", [seen(1, "m"), seen(2, "m"), seen(3, "m"), seen(4, "m"), seen(5, "other")])
    store(
        world,
        "listings_enriched",
        [
            enriched(11, 1, CopyRoute.PUBLISH, Method.MODEL),
            enriched(12, 2, CopyRoute.REVIEW, Method.TEMPLATE),
            enriched(13, 2, CopyRoute.PUBLISH, Method.MODEL, seconds=9),
            enriched(14, 3, CopyRoute.REVIEW, Method.TEMPLATE),
        ],
    )
    assert world.rows("SELECT * FROM enrichment_coverage ORDER BY merchant_id, route") == [
        ("m", "PUBLISH", "MODEL", 4, 2, 0.5),
        ("m", "REVIEW", "TEMPLATE", 4, 1, 0.25),
        ("other", "", "", 1, 0, 0.0),
    ]


def test_pipeline_health(world: World) -> None:
    letter: DeadLetter = FULL_BY_TYPE["DeadLetter"]
    store(world, "orders", [order(1), order(2, occurred_at=AT + timedelta(days=1))])
    store(world, "dead_letters", [replace(letter, source_topic="orders.v1")])
    health = {
        topic: rest
        for topic, *rest in world.rows(
            "SELECT topic, rows, last_event_at, seconds_since_insert BETWEEN 0 AND 600, dead_letters "
            "FROM pipeline_health"
        )
    }
    assert len(health) == 8
    at = AT.replace(tzinfo=None)
    # Rows: each was stored twice, and may be merged by now.
    assert health["orders.v1"] in ([n, at + timedelta(days=1), 1, 1] for n in (2, 3, 4))
    assert health["dead-letters.v1"] in ([n, at, 1, 0] for n in (1, 2))
    assert health["listings.v1"] == [0, None, None, 0]


def test_pipeline_health_tells_lag_tokens_and_wrong_clocks(world: World) -> None:
    now = datetime.now(timezone.utc)
    store(world, "orders", [order(1, occurred_at=now - timedelta(seconds=40)), order(2, occurred_at=now + AHEAD)])
    store(world, "answers_drafted", [FULL_BY_TYPE["AnswerDrafted"]])
    world.client.command(
        "INSERT INTO sink_progress (topic, partition, next_offset, end_offset, lag, at) VALUES "
        "('orders.v1', 0, 1, 9, 8, now64(3) - 10), ('orders.v1', 0, 5, 9, 4, now64(3)), "
        "('orders.v1', 1, 2, 3, 1, now64(3))"
    )
    health = "SELECT lag, lag_at > now() - 60, ahead, freshness_s < 60 FROM pipeline_health WHERE topic = 'orders.v1'"
    # It was stored twice, and may be merged by now.
    assert world.rows(health) in ([(5, 1, ahead, 1)] for ahead in (1, 2))
    assert world.rows("SELECT lag, lag_at FROM pipeline_health WHERE topic = 'listings.v1'") == [(None, None)]
    assert world.rows("SELECT count() FROM orders FINAL WHERE _ahead") == [(1,)]
    tokens = "SELECT prompt_tokens, completion_tokens FROM pipeline_health WHERE topic = 'answers-drafted.v1'"
    assert world.rows(tokens) == [(94, 48)]


def test_refund_rates(world: World) -> None:
    line = {"merchant_id": "m", "order_id": "o-1"}
    store(
        world,
        "orders",
        [
            order(1, **line, amount=Decimal("30.00")),
            order(2, **line, line=2, amount=Decimal("10.00")),
            order(3, **line, amount=Decimal("10.00"), kind=OrderKind.REFUNDED),
            order(4, **line, kind=OrderKind.RETURNED),
            order(5, **line, kind=OrderKind.CANCELLED),
            order(6, **line, amount=Decimal("1.00"), kind=OrderKind.REFUNDED, occurred_at=AT + timedelta(days=1)),
        ],
    )
    sold, later = world.rows("SELECT * FROM refund_rates ORDER BY day")
    assert sold[:9] == ("m", AT.date(), "EUR", 2, 1, 1, 1, Decimal("40.00"), Decimal("10.00"))
    assert sold[9:] == (0.25, 0.5)
    assert later[3:] == (0, 0, 1, 0, Decimal("0.00"), Decimal("1.00"), None, None)


def question(number: int, **more: Any) -> QuestionAsked:
    return replace(FULL_BY_TYPE["QuestionAsked"], event_id=uuid.UUID(int=number), occurred_at=AT, **more)


def draft(number: int, route: AnswerRoute, seconds: int = 1, **more: Any) -> AnswerDrafted:
    values = {"merchant_id": "m", "listing_id": "l", "asked_at": AT, **more}
    drafted: AnswerDrafted = FULL_BY_TYPE["AnswerDrafted"]
    return replace(
        drafted, event_id=uuid.UUID(int=number), route=route, occurred_at=AT + timedelta(seconds=seconds), **values
    )


def review(number: int, of: int, decision: Decision, seconds: int) -> AnswerReviewed:
    reviewed: AnswerReviewed = FULL_BY_TYPE["AnswerReviewed"]
    return replace(
        reviewed,
        event_id=uuid.UUID(int=number),
        draft_event_id=uuid.UUID(int=of),
        decision=decision,
        occurred_at=AT + timedelta(seconds=seconds),
        merchant_id="m",
        listing_id="l",
    )


def store_answers(world: World) -> None:
    """Four drafts: one sent, three looked at; of one the second decision counts."""
    routes = [AnswerRoute.AUTO, AnswerRoute.REVIEW, AnswerRoute.REVIEW, AnswerRoute.HUMAN]
    store(world, "answers_drafted", [draft(n, route, n + 1) for n, route in enumerate(routes)])
    decisions = [(1, Decision.APPROVE, 12), (2, Decision.REJECT, 13), (2, Decision.EDIT, 33), (3, Decision.REJECT, 34)]
    store(world, "answers_reviewed", [review(n, *each) for n, each in enumerate(decisions)])


def test_listing_funnel(world: World) -> None:
    store(world, "questions", [question(n, merchant_id="m", listing_id="l") for n in range(5)])
    store_answers(world)
    ordered = {"merchant_id": "m", "listing_id": "l", "order_id": "o"}
    next_day = AT + timedelta(days=1)
    store(
        world,
        "orders",
        [
            order(1, **ordered, quantity=3),
            order(2, **ordered, line=2),
            order(3, **ordered, occurred_at=next_day, kind=OrderKind.CANCELLED),
            order(4, **{**ordered, "listing_id": "other"}),
        ],
    )
    assert world.rows("SELECT * FROM listing_funnel ORDER BY listing_id, day") == [
        ("m", "l", AT.date(), 5, 4, 3, 1, 4),
        ("m", "l", next_day.date(), 0, 0, 0, 0, 0),
        ("m", "other", AT.date(), 0, 0, 0, 1, 1),
    ]


def test_answer_service_level(world: World) -> None:
    store_answers(world)
    store(world, "answers_drafted", [draft(9, AnswerRoute.AUTO, merchant_id="other")])
    mine, other = world.rows("SELECT * FROM answer_service_level ORDER BY merchant_id")
    assert mine[:6] == ("m", AT.date(), 4, 0.25, 0.5, 0.25)
    assert mine[6:9] == (3, 1, pytest.approx(1 / 3))
    # Drafts after 1, 2, 3 and 4 s; decisions 10, 30 and 30 s after theirs.
    assert mine[9:] == (3000.0, 4000.0, 30.0, 30.0)
    assert other[2:] == (1, 1.0, 0.0, 0.0, 0, 0, None, 1000.0, 1000.0, None, None)


def test_every_view_and_every_column_of_it_is_explained(world: World) -> None:
    views = world.rows("SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    assert {name for name, _ in views if not name.startswith("_")} == {
        "orders_by_merchant_minute",
        "answer_routes",
        "enrichment_coverage",
        "pipeline_health",
        "merchant_sales",
        "merchant_days",
        "listing_hours",
        "listing_days",
        "listing_funnel",
        "refund_rates",
        "answer_service_level",
    }
    assert all(comment for _, comment in views)
    columns = world.rows("SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''")
    assert columns == []
