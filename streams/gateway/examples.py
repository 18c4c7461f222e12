"""Examples for the documentation. A test sends the events to a gateway, and holds the answers against their schemas."""

from __future__ import annotations

from typing import Any

EVENTS: dict[str, dict[str, Any]] = {
    "listings": {
        "event_id": "7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11",
        "listing_id": "l-1042",
        "title": "Oak side table, round, 45 cm",
        "attributes": {"material": "oak", "diameter": "45 cm"},
        "price": "129.00",
        "currency": "EUR",
        "language": "en",
        "tags": ["table", "oak"],
    },
    "questions": {
        "event_id": "0b8c7f52-8f0a-4e0d-a6d1-5f5b6b0f2a77",
        "listing_id": "l-1042",
        "question_id": "q-77",
        "text": "Is the top solid oak or veneer?",
        "channel": "APP",
    },
    "orders": {
        "event_id": "3c9a1d64-6c1e-4d0b-9d1a-9b6a2f1e5c20",
        "occurred_at": "2026-03-01T09:30:00Z",
        "order_id": "o-9001",
        "listing_id": "l-1042",
        "kind": "PLACED",
        "quantity": 1,
        "amount": "129.00",
        "currency": "EUR",
    },
}

_TAKEN_ITEM = {
    "status": 202,
    "event_id": "3c9a1d64-6c1e-4d0b-9d1a-9b6a2f1e5c20",
    "topic": "orders.v1",
    "partition": 3,
    "offset": 123,
}
TAKEN = {"accepted": 1, "rejected": 0, "items": [_TAKEN_ITEM]}


def _example(status: int, title: str, code: str, detail: str, **more: Any) -> dict[str, Any]:
    return {"type": f"urn:tradewind:problem:{code}", "title": title, "status": status, "detail": detail, **more}


_FIELD = {
    "field": "amount",
    "expected": "an amount with at most 2 decimals",
    "found": "'1.234'",
    "mend": "write it like 19.99, without a currency sign",
}
_INVALID = _example(
    422,
    "Unprocessable Entity",
    "invalid_event",
    "the event is no OrderEvent; fields says what to mend",
    fields=[_FIELD],
)
PARTLY = {"accepted": 1, "rejected": 1, "items": [_TAKEN_ITEM, {"index": 1, **_INVALID}]}

WELL = {"ok": True, "checks": {"kafka": {"ok": True}}}
UNREADY = {"ok": False, "checks": {"kafka": {"ok": False, "why": "Kafka does not answer"}}}

#: By status, what it may look like.
PROBLEMS: dict[int, list[dict[str, Any]]] = {
    400: [
        _example(
            400, "Bad Request", "not_json", "no JSON from line 1, column 9 on; send JSON (RFC 8259)", line=1, column=9
        )
    ],
    401: [
        _example(401, "Unauthorized", "no_key", "no API key; send it as the header Authorization: Bearer tw_..."),
    ],
    403: [
        _example(
            403,
            "Forbidden",
            "other_merchant",
            "merchant_id is not the key's; leave it out, or use that merchant's own key",
        )
    ],
    408: [
        _example(
            408,
            "Request Timeout",
            "body_too_slow",
            "the body was not whole after 30 s; send fewer events at once over a slow link",
        )
    ],
    413: [
        _example(
            413,
            "Request Entity Too Large",
            "too_many_events",
            "one request takes at most 2000 events; send them in several",
        )
    ],
    415: [
        _example(
            415,
            "Unsupported Media Type",
            "media_type_unknown",
            "Content-Type may be one of application/json, application/avro, avro/binary, in UTF-8",
        )
    ],
    422: [_INVALID],
    429: [
        _example(
            429,
            "Too Many Requests",
            "rate_limited",
            "this key may publish 1000 events/s; try again in 2.0 s, or have a key made with a higher --rate",
        )
    ],
    500: [_example(500, "Internal Server Error", "fault", "a fault of ours; it is in the log")],
    503: [
        _example(
            503,
            "Service Unavailable",
            "not_acknowledged",
            "Kafka has not acknowledged the event in time, and may still; send it again with the same event_id",
        )
    ],
}
