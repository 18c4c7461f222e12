"""Dead letters of the sink, and when there are too many."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from consumers.clickhouse.errors import TooManyDeadLetters
from consumers.clickhouse.reject import DeadLetterLimit, inbound
from schemas.codec import Rejected
from schemas.dead_letters import Inbound
from tests.consumers.messages import FakeMessage

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
WHY = Rejected("BadBody", "the body does not read")


def test_a_client_message_is_taken_as_it_came() -> None:
    message = FakeMessage(
        topic="questions.v1",
        partition=3,
        offset=77,
        key=b"\xffkey",
        value=b"\x00\xff",
        headers=[("trace", b"\xfe"), ("nothing", None), ("text", "é")],
        timestamp=(1, 1_772_000_000_123),
    )
    assert inbound(message) == Inbound(
        topic="questions.v1",
        partition=3,
        offset=77,
        timestamp_ms=1_772_000_000_123,
        key=b"\xffkey",
        value=b"\x00\xff",
        headers={"trace": b"\xfe", "nothing": b"", "text": "é".encode()},
    )


def test_a_message_without_value_key_headers_and_time() -> None:
    plain = inbound(FakeMessage(value=None, timestamp=(0, -1)))
    assert (plain.key, plain.value, plain.headers, plain.timestamp_ms) == (None, None, {}, None)


def limit(share: float = 0.5, window: int = 100, in_a_row: int = 10) -> DeadLetterLimit:
    return DeadLetterLimit(share, window, in_a_row)


def test_nothing_but_dead_letters_stops_the_sink_before_they_are_made() -> None:
    row = limit(in_a_row=10)
    row.observe("orders", 5, among=5)
    with pytest.raises(TooManyDeadLetters, match="10 messages in a row for the table orders"):
        row.observe("orders", 5, among=5)


def test_a_good_message_ends_the_row() -> None:
    row = limit(in_a_row=10)
    for _ in range(5):
        row.observe("orders", 9, among=9)
        row.observe("orders", 0, among=1000)


def test_more_than_the_share_of_a_window_stops_the_sink() -> None:
    share = limit(share=0.5, window=100, in_a_row=1000)
    share.observe("orders", 49, among=50)
    with pytest.raises(TooManyDeadLetters, match="51 of the last 100 messages"):
        share.observe("orders", 2, among=50)


def test_the_share_is_taken_anew_for_each_window() -> None:
    share = limit(share=0.5, window=100, in_a_row=1000)
    for _ in range(10):
        share.observe("orders", 50, among=100)
