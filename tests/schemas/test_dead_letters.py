"""A message that could not be processed, as a dead letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from schemas.dead_letters import Inbound, dead_letter, replays_of
from schemas.events import DeadLetter

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
MESSAGE = Inbound(
    topic="questions.v1",
    partition=3,
    offset=77,
    timestamp_ms=1_772_000_000_123,
    key=b"\xffkey",
    value=b"\x00\xff",
    headers={"trace": b"\xfe", "tradewind-replays": b"1"},
)


def letter(message: Inbound = MESSAGE, stage: str = "sink") -> DeadLetter:
    return dead_letter(message, stage=stage, error_class="BadBody", why="the body does not read", now=NOW)


def test_a_dead_letter_has_the_original_bytes_and_place() -> None:
    made = letter()
    assert (made.source_topic, made.source_partition, made.source_offset) == ("questions.v1", 3, 77)
    assert (made.source_key, made.source_value, made.source_headers) == (b"\xffkey", b"\x00\xff", MESSAGE.headers)
    assert made.source_timestamp == datetime.fromtimestamp(1_772_000_000, timezone.utc).replace(microsecond=123000)
    assert (made.stage, made.error_class, made.replays, made.occurred_at) == ("sink", "BadBody", 1, NOW)


def test_whoever_gives_up_on_a_message_makes_the_same_id() -> None:
    assert letter(stage="answer").event_id == letter(stage="sink").event_id


@pytest.mark.parametrize("change", [{"offset": 78}, {"partition": 4}, {"topic": "orders.v1"}, {"timestamp_ms": 5}])
def test_another_message_makes_another_id(change: dict[str, int]) -> None:
    assert letter(replace(MESSAGE, **change)).event_id != letter().event_id


def test_a_message_without_value_key_headers_and_time() -> None:
    made = letter(Inbound("orders.v1", 0, 0, None, None, None))
    assert (made.source_key, made.source_value, made.source_headers) == (None, None, {})
    assert made.source_timestamp is None


@pytest.mark.parametrize(
    ("header", "count"), [(None, 0), (b"2", 2), (b"", 0), (b"-1", 0), (b"x", 0), (b"9" * 400, 0), (b"\xff", 0)]
)
def test_a_replay_header_counts_or_is_nothing(header: bytes | None, count: int) -> None:
    assert replays_of({} if header is None else {"tradewind-replays": header}) == count
