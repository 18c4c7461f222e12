"""The ten queries of docs/queries.md give what Python counts from the same events; the page has what was measured."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest

from bench.queries import PAGE, RESULTS, figures, questions
from consumers.clickhouse.settle import TIERS, SettlePolicy, settle
from schemas.events import AnswerRoute, OrderEvent, OrderKind
from tests.consumers.clickhouse.test_views import FULL_BY_TYPE, store
from tests.consumers.harness import World

TEXT = PAGE.read_text(encoding="utf-8")
#: What the queries take for now.
NOW = datetime(2026, 3, 18, 15, 20, tzinfo=timezone.utc)
MONDAY = datetime(2026, 3, 16, tzinfo=timezone.utc)
MERCHANTS = [f"mfr-{number}" for number in (69, 2, *range(100, 112))]
LISTINGS = ["cj-1082185", "cj-2", "cj-3", "cj-4"]


def made_up_orders() -> list[OrderEvent]:
    """Baskets of the last 400 days, more of them lately; a fifth of the lines is paid back."""
    rng = random.Random(5)
    events: list[OrderEvent] = []

    def unique() -> uuid.UUID:
        return uuid.UUID(int=rng.getrandbits(128))

    for basket in range(500):
        at = NOW - timedelta(seconds=rng.randrange(1, rng.choice((7, 14, 40, 400)) * 86400))
        merchant, currency = rng.choice(MERCHANTS + MERCHANTS[:2] * 9), rng.choice(("USD", "USD", "EUR"))
        buyer = f"b-{rng.randint(1, 40)}"
        for line in range(1, rng.randint(1, 4) + 1):
            line_placed = OrderEvent(
                event_id=unique(),
                occurred_at=at,
                merchant_id=merchant,
                order_id=f"o-{basket}",
                line=line,
                listing_id=rng.choice(LISTINGS),
                kind=OrderKind.PLACED,
                quantity=rng.randint(1, 3),
                amount=Decimal(rng.randint(1, 5000)) / 100,
                currency=currency,
                buyer_id=buyer,
            )
            events.append(line_placed)
            if rng.random() < 0.2:
                back = min(NOW, at + timedelta(days=3))
                events.append(replace(line_placed, event_id=unique(), occurred_at=back, kind=OrderKind.REFUNDED))
    return events


ORDERS = made_up_orders()


def lately(days: float, merchant: str | None = None, currency: str | None = None) -> list[OrderEvent]:
    """Events of the last days."""
    return [
        order
        for order in ORDERS
        if order.occurred_at >= NOW - timedelta(days=days)
        and merchant in (None, order.merchant_id)
        and currency in (None, order.currency)
    ]


def placed(orders: Iterable[OrderEvent]) -> list[OrderEvent]:
    return [order for order in orders if order.kind is OrderKind.PLACED]


def worth(orders: Iterable[OrderEvent]) -> Decimal:
    """What was paid for the lines placed."""
    return sum((order.amount for order in placed(orders)), Decimal())


def grouped(orders: Iterable[OrderEvent], key: Callable[[OrderEvent], Any]) -> dict[Any, list[OrderEvent]]:
    groups: defaultdict[Any, list[OrderEvent]] = defaultdict(list)
    for order in orders:
        groups[key(order)].append(order)
    return {each: groups[each] for each in sorted(groups)}


def month_of(order: OrderEvent) -> date:
    return order.occurred_at.date().replace(day=1)


def hour_of_week(order: OrderEvent) -> tuple[int, int]:
    return order.occurred_at.isoweekday(), order.occurred_at.hour


def top_merchants() -> list[Any]:
    groups = grouped(lately(30), lambda order: (order.merchant_id, order.currency))
    rows = [(*key, len(placed(lines)), worth(lines)) for key, lines in groups.items()]
    return sorted(rows, key=lambda row: (-row[3], row[0]))[:10]


def week_against_week() -> list[Any]:
    lines = [order for order in lately(14, "mfr-69", "USD") if order.occurred_at >= MONDAY - timedelta(weeks=1)]
    return [
        (*hour, worth(o for o in group if o.occurred_at >= MONDAY), worth(o for o in group if o.occurred_at < MONDAY))
        for hour, group in grouped(lines, hour_of_week).items()
    ]


def refund_rate() -> list[Any]:
    rows = []
    for (month, currency), group in grouped(ORDERS, lambda order: (month_of(order), order.currency)).items():
        back = sum((order.amount for order in group if order.kind is OrderKind.REFUNDED), Decimal())
        rows.append((month, currency, worth(group), back, float(back) / float(worth(group))))
    return rows


def funnel() -> list[Any]:
    since = NOW.date() - timedelta(days=30)
    lines = [order for order in ORDERS if order.merchant_id == "mfr-69" and order.occurred_at.date() >= since]
    rows = [
        (
            listing,
            *((2, 1) if listing == "cj-2" else (0, 0)),
            len({(order.order_id, order.occurred_at.date()) for order in placed(group)}),
            sum(order.quantity for order in placed(group)),
        )
        for listing, group in grouped(lines, lambda order: order.listing_id).items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[0]))


def basket_sizes() -> list[Any]:
    baskets = grouped(placed(lately(30, "mfr-69", "USD")), lambda order: order.order_id).values()
    sizes = groupby(sorted(baskets, key=len), len)
    return [(size, len(same := list(group)), float(sum(map(worth, same))) / len(same)) for size, group in sizes]


def by_hour() -> list[Any]:
    return [
        (*hour, len(placed(group)), worth(group))
        for hour, group in grouped(lately(28, None, "USD"), hour_of_week).items()
    ]


def new_and_returning() -> list[Any]:
    mine = placed(order for order in ORDERS if order.merchant_id == "mfr-2")
    first = {buyer: min(map(month_of, group)) for buyer, group in grouped(mine, lambda order: order.buyer_id).items()}
    rows = []
    for month, group in grouped(mine, month_of).items():
        buyers = {order.buyer_id for order in group}
        new = sum(first[buyer] == month for buyer in buyers)
        rows.append((month, new, len(buyers) - new))
    return rows


def share_of_ten() -> list[Any]:
    rows = []
    lines = [order for order in ORDERS if order.currency == "USD" and month_of(order) >= date(2025, 3, 1)]
    for month, group in grouped(lines, month_of).items():
        of_merchants = sorted(map(worth, grouped(group, lambda order: order.merchant_id).values()), reverse=True)
        ten = sum(of_merchants[:10], Decimal())
        rows.append((month, worth(group), ten, float(ten) / float(worth(group))))
    return rows


def bought_together() -> list[Any]:
    lines = placed(lately(90, "mfr-2"))
    baskets = {order.order_id for order in lines if order.listing_id == LISTINGS[0]}
    both = {(order.listing_id, order.order_id) for order in lines if order.order_id in baskets}
    counts = Counter(listing for listing, _ in both if listing != LISTINGS[0])
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))


EXPECTED = [
    top_merchants,
    week_against_week,
    refund_rate,
    funnel,
    basket_sizes,
    by_hour,
    new_and_returning,
    share_of_ten,
    bought_together,
]


def ask(world: World, sql: str) -> list[Any]:
    return world.rows(sql.replace("now()", f"toDateTime('{NOW:%Y-%m-%d %H:%M:%S}', 'UTC')"))


def same(got: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Equal, floating-point numbers nearly."""
    exact, close = [], []
    for rows in (got, expected):
        exact.append([[x for x in row if not isinstance(x, float)] for row in rows])
        close.append([x for row in rows for x in row if isinstance(x, float)])
    return exact[0] == exact[1] and close[0] == pytest.approx(close[1])


@pytest.mark.integration
def test_the_queries_of_the_page_are_right(world: World) -> None:
    store(world, "orders", ORDERS)
    of_listing: dict[str, Any] = {"merchant_id": "mfr-69", "listing_id": "cj-2"}
    asked = [
        replace(
            FULL_BY_TYPE["QuestionAsked"], event_id=uuid.UUID(int=n), occurred_at=NOW - timedelta(days=n), **of_listing
        )
        for n in (1, 2)
    ]
    store(world, "questions", asked)
    drafted = FULL_BY_TYPE["AnswerDrafted"]
    store(world, "answers_drafted", [replace(drafted, occurred_at=NOW, route=AnswerRoute.AUTO, **of_listing)])
    *queries, health = questions(TEXT)
    for settled in (False, True):
        if settled:
            for tier in TIERS:
                settle(world.client, tier, SettlePolicy(margin_s=0, pause_s=0))
        for (question, sql), expected in zip(queries, EXPECTED, strict=True):
            assert same(ask(world, sql), expected()), (question, settled)
    world.client.command("OPTIMIZE TABLE orders FINAL")
    rows = {topic: (stored, last_event) for topic, stored, last_event, *_ in ask(world, health[1])}
    newest = max(order.occurred_at for order in ORDERS).replace(tzinfo=None)
    assert rows["orders.v1"] == (len(ORDERS), newest)


def test_the_page_has_the_figures_that_were_measured() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert figures(results) in TEXT
    assert [each["question"] for each in results["queries"]] == [question for question, _ in questions(TEXT)]
    assert len(results["queries"]) == 10
