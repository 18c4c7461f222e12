"""What the devices of `edge_faults.py` send and get. It follows from device and number: nobody tells anybody."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from schemas.events import AnswerDrafted, InsightKind, OpsInsight, Provenance, Timings

_NAMES = uuid.UUID("0b1c6a2e-9c1b-4f0f-8a60-7c1f5d3e2a91")
_BEGAN = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
_KINDS = ("PLACED", "PAID", "SHIPPED", "CANCELLED", "RETURNED", "REFUNDED")


def merchant(device: int) -> str:
    """Each device belongs to a merchant of its own."""
    return f"m-{device}"


def order_id_of(device: int, number: int) -> uuid.UUID:
    """The event id of a device's order line of that number."""
    return uuid.uuid5(_NAMES, f"order {device} {number}")


def order(device: int, number: int) -> dict[str, Any]:
    """The order line, as the device puts it; the gateway adds the merchant."""
    rng = random.Random(device << 32 | number)
    return {
        "event_id": order_id_of(device, number),
        "occurred_at": _BEGAN + timedelta(milliseconds=number),
        "order_id": f"o-{device}-{number // 3}",
        "line": number % 3 + 1,
        "listing_id": f"l-{rng.randrange(500)}",
        "kind": rng.choice(_KINDS),
        "quantity": rng.randrange(1, 5),
        "amount": Decimal(rng.randrange(50, 20_000)).scaleb(-2),
        "currency": rng.choice(("EUR", "USD")),
        "store": f"scanner {device}",
    }


def groups(device: int, seed: int, start: int, end: int) -> Iterator[range]:
    """Numbers as they are put together: one scan at a time, or a handful, or what piled up somewhere."""
    rng = random.Random(f"{seed} {device} {start}")
    while start < end:
        size = min(end - start, rng.choice((1, 1, 1, 5, 20, 100)))
        yield range(start, start + size)
        start += size


def pushed(device: int, number: int) -> AnswerDrafted | OpsInsight:
    """Something for the device's merchant, as an agent would write it."""
    event_id = uuid.uuid5(_NAMES, f"pushed {device} {number}")
    if number % 2:
        return OpsInsight(
            event_id=event_id,
            occurred_at=_BEGAN,
            merchant_id=merchant(device),
            metric="sales",
            window_start=_BEGAN,
            window_end=_BEGAN + timedelta(hours=1),
            observed=float(number),
            expected=1.0,
            score=4.0,
            provenance=Provenance(),
            kind=InsightKind.SPIKE,
            text=f"Insight {number} for {merchant(device)}.",
        )
    return AnswerDrafted(
        event_id=event_id,
        occurred_at=_BEGAN,
        merchant_id=merchant(device),
        listing_id=f"l-{number % 500}",
        question_id=f"q-{number}",
        source_event_id=uuid.uuid5(_NAMES, f"question {device} {number}"),
        asked_at=_BEGAN,
        provenance=Provenance(),
        timings=Timings(),
        language="en",
        draft=f"Draft {number} for {merchant(device)}.",
    )
