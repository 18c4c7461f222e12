"""What is sent while things die: order lines that follow from their number, some again, some late, some broken.

Everything follows from the seed, so the sender needs to tell nobody what it sent: whoever checks makes the same again.
"""

from __future__ import annotations

import io
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from fastavro import schemaless_writer

from schemas.codec import Codec, frame
from schemas.records import parsed_schema
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS

REGISTRY = CommittedRegistry()
CODEC = Codec(REGISTRY)
#: Asked for once: the registry compares schemas each time.
_SCHEMA_ID = REGISTRY.id_of(ORDERS)

SENT_AGAIN = 0.03
LATE = 0.02
HELD_BACK = 0.01
BROKEN = 0.001
_HELD_AT_ONCE = 50
_KINDS = ("PLACED",) * 14 + ("PAID", "SHIPPED", "CANCELLED", "RETURNED", "REFUNDED", "REFUNDED")


@dataclass(frozen=True, slots=True)
class Workload:
    """The messages of one run.

    Attributes:
        rows: different order lines.
        seed: another seed makes other messages.
        began: time of the last order line but for its number; the others come 10 ms apart before it.
    """

    rows: int
    seed: int
    began: datetime

    def order(self, number: int) -> dict[str, Any]:
        """The order line of that number, 0 to `rows` - 1. Its id is the number."""
        rng = random.Random(self.seed << 32 | number)
        occurred_at = self.began - timedelta(milliseconds=10 * (self.rows - number))
        if rng.random() < LATE:
            occurred_at -= timedelta(seconds=rng.uniform(60, 30 * 86_400))
        return {
            "event_id": uuid.UUID(int=number),
            "occurred_at": occurred_at,
            "merchant_id": f"m-{rng.randrange(50)}",
            "order_id": f"o-{number // 3}",
            "line": number % 3 + 1,
            "listing_id": f"l-{rng.randrange(2_000)}",
            "kind": rng.choice(_KINDS),
            "quantity": rng.randrange(1, 5),
            "amount": Decimal(rng.randrange(50, 20_000)).scaleb(-2),
            "discount": Decimal(rng.randrange(1, 500)).scaleb(-2) if rng.random() < 0.2 else None,
            "currency": rng.choice(("EUR", "USD")),
            "buyer_id": f"b-{rng.randrange(10_000)}",
            "store": None,
        }

    def plan(self) -> Iterator[tuple[int, bytes | None]]:
        """What is sent, in order: the number of an order line, and None or the broken bytes that are made from it."""
        rng = random.Random(self.seed)
        held: list[int] = []
        for number in range(self.rows):
            if rng.random() < HELD_BACK:
                held.append(number)
            else:
                yield number, None
            if rng.random() < SENT_AGAIN:
                yield rng.randrange(number + 1), None
            if rng.random() < BROKEN:
                yield number, broken(number, rng, encoded(self.order(number)))
            if len(held) > _HELD_AT_ONCE:
                yield held.pop(rng.randrange(len(held))), None
        for number in held:
            yield number, None

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of all that is sent, in order."""
        for number, bad in self.plan():
            datum = self.order(number)
            yield datum["order_id"].encode(), encoded(datum) if bad is None else bad


def encoded(datum: dict[str, Any]) -> bytes:
    """The order line as a message."""
    body = io.BytesIO()
    schemaless_writer(body, parsed_schema(ORDERS.record), datum)
    return frame(_SCHEMA_ID, body.getvalue())


def broken(number: int, rng: random.Random, good: bytes) -> bytes:
    """Bytes that are no order, made from one, and like no others of the same run."""
    at = good.index(b"m-")  # the merchant
    choices = (
        good[: rng.randrange(44, len(good))],
        good + b"\0",
        good[:6] + b"z" * 4 + good[10:],
        good[:at] + b"\xff" + good[at + 1 :],
        frame(999_999, good[5:]),
        b"not an order, number %d" % number,
    )
    return rng.choice(choices)


def now() -> datetime:
    """The present to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0)
