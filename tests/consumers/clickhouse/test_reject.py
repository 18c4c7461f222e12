"""Dead letters of the sink, and when there are too many."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone

import pytest

from consumers.clickhouse.errors import TooManyDeadLetters
from consumers.clickhouse.reject import DeadLetterLimit, Refusal, dead_letter, replays_in
from schemas.codec import Rejected
from schemas.events import derived_id
from tests.consumers.messages import FakeMessage

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
WHY = Rejected("BadBody", "the body does not read")


def test_a_dead_letter_has_the_original_bytes_and_place() -> None:
    message = FakeMessage(
        topic="questions.v1",
        partition=3,
        offset=77,
        key=b"\xffkey",
        value=b"\x00\xff",
        headers=[("trace", b"\xfe"), ("tradewind-replays", b"1"), ("nothing", None), ("text", "é")],
        timestamp=(1, 1_772_000_000_123),
    )
    letter = dead_letter(Refusal(message, WHY), NOW)
    assert letter.event_id == derived_id("dead-letter", "questions.v1", 3, 77)
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("questions.v1", 3, 77)
    assert (letter.source_key, letter.source_value) == (b"\xffkey", b"\x00\xff")
    assert letter.source_headers == {
        "trace": b"\xfe",
        "tradewind-replays": b"1",
        "nothing": b"",
        "text": "é".encode(),
    }
    assert letter.source_timestamp == datetime.fromtimestamp(1_772_000_000, timezone.utc).replace(microsecond=123000)
    assert (letter.stage, letter.error_class, letter.replays, letter.occurred_at) == ("sink", "BadBody", 1, NOW)


def test_a_message_without_value_key_headers_and_time() -> None:
    letter = dead_letter(Refusal(FakeMessage(value=None, timestamp=(0, -1)), WHY), NOW)
    assert (letter.source_key, letter.source_value, letter.source_headers) == (None, None, {})
    assert letter.source_timestamp is None
    assert isinstance(letter.event_id, uuid.UUID)


@pytest.mark.parametrize(
    ("header", "count"), [(None, 0), (b"2", 2), (b"", 0), (b"-1", 0), (b"x", 0), (b"9" * 400, 0), (b"\xff", 0)]
)
def test_a_replay_header_counts_or_is_nothing(header: bytes | None, count: int) -> None:
    assert replays_in(header) == count


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
