"""Rows in ClickHouse of a shop, written straight into the raw tables, some of them twice."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

#: In the middle of a day, so that dates in another zone would differ.
LAST = datetime(2026, 3, 31, 23, 30, tzinfo=timezone.utc)
DAYS = 20
LISTINGS = tuple(f"l-{n}" for n in range(13))


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored, each event once, by table; a row is a dict by column."""

    orders: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    drafts: list[dict[str, Any]]
    reviews: list[dict[str, Any]]


def store(client: Client, merchant_id: str = "m-1") -> Stored:
    """Orders in two currencies, questions, drafts and reviews over `DAYS` days that end with `LAST`."""
    dice = random.Random(merchant_id)

    def at() -> datetime:
        return LAST - timedelta(seconds=dice.randrange(DAYS * 86_400))

    def row(**more: Any) -> dict[str, Any]:
        return {"event_id": uuid.UUID(int=dice.getrandbits(128)), "merchant_id": merchant_id, **more}

    orders = [
        row(
            occurred_at=at(), order_id=f"o-{n}", line=1, listing_id=dice.choice(LISTINGS), currency=currency,
            kind=dice.choice(("PLACED",) * 6 + ("CANCELLED", "RETURNED", "REFUNDED")), quantity=dice.randrange(1, 4),
            amount=Decimal(dice.randrange(100, 9999)) / 100, discount=Decimal("0.25"), buyer_id="buyer-of-nobody",
        )
        for n in range(300)
        for currency in [dice.choice(("EUR", "USD"))]
    ]  # fmt: skip
    questions = [row(occurred_at=at(), listing_id=dice.choice(LISTINGS), question_id=f"q-{n}") for n in range(120)]
    drafts = [
        row(
            occurred_at=asked["occurred_at"] + timedelta(milliseconds=dice.randrange(100, 9000)),
            listing_id=asked["listing_id"], question_id=asked["question_id"], asked_at=asked["occurred_at"],
            source_event_id=asked["event_id"], route=dice.choice(("AUTO", "REVIEW", "HUMAN")),
            question="does the secret word appear", draft="a secret answer",
        )
        for asked in questions[:100]
    ]  # fmt: skip
    reviews = [
        row(
            occurred_at=draft["occurred_at"] + timedelta(seconds=dice.randrange(10, 9000)),
            listing_id=draft["listing_id"], question_id=draft["question_id"], draft_event_id=draft["event_id"],
            decision=dice.choice(("APPROVE", "EDIT", "REJECT")), reviewer="r",
        )
        for draft in drafts
        if draft["route"] == "REVIEW"
    ]  # fmt: skip
    for table, rows in (
        ("orders", orders), ("questions", questions), ("answers_drafted", drafts), ("answers_reviewed", reviews)
    ):  # fmt: skip
        _insert(client, table, rows)
        _insert(client, table, rows[::7])
    listings = [row(occurred_at=LAST, listing_id=name, title="t") for name in LISTINGS]
    _insert(client, "listings", listings)
    _insert(
        client,
        "listings_enriched",
        [
            row(occurred_at=LAST, listing_id=name, source_event_id=uuid.UUID(int=1), route=route)
            for name, route in zip(LISTINGS, ("PUBLISH",) * 5 + ("REVIEW",) * 3, strict=False)
        ],
    )
    _insert(
        client,
        "insights",
        [
            row(
                occurred_at=LAST, metric="sales", kind="DROP",
                window_start=start, window_end=start + timedelta(hours=2), observed=3.0, expected=9.5, score=5.0,
                listing_ids=["l-1"], text=text, suggestion="Look at l-1.",
            )
            for start, text in (
                (LAST - timedelta(days=3), "Sales fell."),
                (LAST - timedelta(days=15), "Long ago."),
            )
        ],
    )  # fmt: skip
    return Stored(orders, questions, drafts, reviews)


def _insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    lines = "\n".join(json.dumps(row, default=_plain) for row in rows)
    client.raw_insert(table, insert_block=lines, fmt="JSONEachRow")


def _plain(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else str(value)
