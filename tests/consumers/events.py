"""Events for the tests of this room: real ones of every kind, and strategies that make many."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from decimal import Decimal

from hypothesis import strategies as st

from schemas.events import (
    AnswerDrafted,
    AnswerReviewed,
    AnswerRoute,
    Channel,
    Check,
    CopyRoute,
    DeadLetter,
    Decision,
    Event,
    Evidence,
    EvidenceSource,
    InsightKind,
    ListingEnriched,
    ListingPublished,
    Method,
    OpsInsight,
    OrderEvent,
    OrderKind,
    Provenance,
    QuestionAsked,
    Timings,
)

AT = datetime(2026, 3, 1, 9, 30, 15, 123000, tzinfo=timezone.utc)


def order(number: int, *, amount: Decimal = Decimal("12.34"), **more: object) -> OrderEvent:
    """An order line whose id is made from the number."""
    values: dict[str, object] = {
        "event_id": uuid.UUID(int=number),
        "occurred_at": AT,
        "merchant_id": f"m-{number % 7}",
        "order_id": f"o-{number}",
        "listing_id": f"l-{number % 100}",
        "kind": OrderKind.PLACED,
        "amount": amount,
        "currency": "EUR",
        **more,
    }
    return OrderEvent(**values)  # type: ignore[arg-type]


_PROVENANCE = Provenance(Method.MODEL, "a model", "ab" * 32, "an adapter", "local/int8", "v1", 94, 48)
_CHECKS = (
    Check("grounding", "draft", "unsupported_number", 3, 7, "12 cm"),
    Check("pii", "draft", "phone", 0, 9, ""),
)
_TIMINGS = Timings(1.5, 2.25, 3.125, 40.0, 46.875)

#: One event of each kind, with every optional field set, nested records, maps, and text beyond ASCII.
FULL: tuple[Event, ...] = (
    ListingPublished(
        event_id=uuid.UUID(int=1),
        occurred_at=AT,
        merchant_id="märchen & co",
        listing_id="l-1",
        title="Wollschal, 100 % Merino 🧣",
        description="It's \"soft\"\n\tand 'warm'; 纯羊毛",
        category="Mode > Schals",
        brand="O'Neill",
        attributes={"material": "羊毛", "länge": "180 cm", "empty": ""},
        price=Decimal("9999999999999999.99"),
        currency="EUR",
        language="de",
        tags=("schal", "围巾"),
        image_urls=("https://example.invalid/1.jpg",),
    ),
    QuestionAsked(
        event_id=uuid.UUID(int=2),
        occurred_at=AT,
        merchant_id="m-1",
        listing_id="l-1",
        question_id="q-1",
        text="Kann man mich unter 030 1234567 erreichen?",
        buyer_id="b-1",
        language="de",
        channel=Channel.LIVE,
    ),
    order(3, amount=Decimal("-12.34"), line=2, quantity=3, discount=Decimal("-0.01"), buyer_id="b-1", store="店"),
    ListingEnriched(
        event_id=uuid.UUID(int=4),
        occurred_at=AT,
        merchant_id="m-1",
        listing_id="l-1",
        source_event_id=uuid.UUID(int=1),
        language="zh-CN",
        provenance=_PROVENANCE,
        timings=_TIMINGS,
        titles=("羊毛围巾", "围巾"),
        description="柔软",
        highlights=("100% 羊毛",),
        marketing_line="暖",
        keywords=("围巾",),
        attributes={"material": "wool"},
        route=CopyRoute.PUBLISH,
        reason="grounded",
        checks=_CHECKS,
    ),
    AnswerDrafted(
        event_id=uuid.UUID(int=5),
        occurred_at=AT,
        merchant_id="m-1",
        listing_id="l-1",
        question_id="q-1",
        source_event_id=uuid.UUID(int=2),
        asked_at=AT,
        provenance=_PROVENANCE,
        timings=_TIMINGS,
        language="de",
        question="Kann man mich unter [PHONE] erreichen?",
        draft="",
        evidence=(Evidence("100 % Merino", EvidenceSource.TITLE, "", 11, 23, 0.75), Evidence("羊毛")),
        confidence=0.625,
        route=AnswerRoute.HUMAN,
        reason="no_evidence",
        redactions=("PHONE",),
        checks=_CHECKS,
    ),
    AnswerReviewed(
        event_id=uuid.UUID(int=6),
        occurred_at=AT,
        merchant_id="m-1",
        listing_id="l-1",
        question_id="q-1",
        draft_event_id=uuid.UUID(int=5),
        decision=Decision.EDIT,
        reviewer="r-1",
        answer="Ja.",
        note="shorter",
    ),
    OpsInsight(
        event_id=uuid.UUID(int=7),
        occurred_at=AT,
        merchant_id="m-1",
        metric="refunds",
        window_start=AT,
        window_end=AT,
        observed=12.0,
        expected=3.5,
        score=-4.25,
        provenance=Provenance(Method.NONE),
        kind=InsightKind.SPIKE,
        listing_ids=("l-1", "l-2"),
        text="Refunds rose.",
        suggestion="Look at l-1.",
    ),
    DeadLetter(
        event_id=uuid.UUID(int=8),
        occurred_at=AT,
        source_topic="questions.v1",
        source_partition=3,
        source_offset=1 << 40,
        stage="answer",
        error_class="BadBody",
        message="the body does not read",
        merchant_id="m-1",
        source_timestamp=AT,
        source_key=b"l-1",
        source_value=b"\x00\xff\xfe\x80broken",
        source_headers={"trace": b"\xff\x00"},
        attempts=3,
        replays=1,
    ),
)

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_money = st.decimals(Decimal("-9999999999999999.99"), Decimal("9999999999999999.99"), places=2)
_times = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)

orders = st.builds(
    OrderEvent,
    event_id=st.uuids(),
    occurred_at=_times,
    merchant_id=_text,
    order_id=_text,
    listing_id=_text,
    kind=st.sampled_from(OrderKind),
    amount=_money,
    currency=st.sampled_from(["EUR", "USD", "CNY"]),
    line=st.integers(-(2**31), 2**31 - 1),
    quantity=st.integers(0, 2**31 - 1),
    discount=st.none() | _money,
    buyer_id=st.none() | _text,
    store=st.none() | _text,
)
