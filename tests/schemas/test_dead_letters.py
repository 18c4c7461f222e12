"""A message that could not be processed, as a dead letter."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from random import Random

import pytest

from consumers.deadletters.replay import plan
from schemas.codec import Codec
from schemas.dead_letters import CUT_HEADER, MAX_KEPT_BYTES, PACKED_HEADER, Inbound, dead_letter, replays_of, whole
from schemas.events import DeadLetter
from schemas.limits import MAX_VALUE_BYTES
from schemas.registry import CommittedRegistry
from schemas.topics import DEAD_LETTERS

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


def test_a_large_value_is_packed_and_comes_out_whole() -> None:
    value = b"a value that packs well " * (MAX_KEPT_BYTES // 12)
    made = letter(replace(MESSAGE, value=value))
    assert len(made.source_value or b"") < MAX_KEPT_BYTES
    assert made.source_headers[PACKED_HEADER] == str(len(value)).encode()
    assert (whole(made).source_value, whole(made).source_headers) == (value, MESSAGE.headers)


def test_what_no_reader_would_take_stays_packed() -> None:
    made = letter(replace(MESSAGE, value=bytes(MAX_VALUE_BYTES + 1)))
    assert whole(made) is made
    [(_, why)] = plan([made]).refused
    assert str(MAX_VALUE_BYTES + 1) in why


def test_of_what_does_not_pack_the_beginning_is_kept() -> None:
    value = Random(1).randbytes(MAX_KEPT_BYTES + 1000)
    made = letter(replace(MESSAGE, value=value))
    assert value.startswith(made.source_value or b"-")
    assert made.source_headers[CUT_HEADER] == str(len(value)).encode()
    assert plan([made]).again == ()


def test_a_letter_fits_its_topic_whatever_came() -> None:
    noise = Random(2)
    headers = {f"h{number}": noise.randbytes(1000) for number in range(3000)}
    for size in (0, MAX_KEPT_BYTES, MAX_KEPT_BYTES + 1, 3 * MAX_KEPT_BYTES):
        hostile = replace(MESSAGE, key=noise.randbytes(MAX_KEPT_BYTES), value=noise.randbytes(size), headers=headers)
        assert len(Codec(CommittedRegistry()).encode_event(letter(hostile))) < DEAD_LETTERS.max_message_bytes


def test_a_sender_does_not_say_what_we_did_to_its_message() -> None:
    forged = {PACKED_HEADER: b"9", CUT_HEADER: b"9", "trace": b"1"}
    made = letter(replace(MESSAGE, headers=forged))
    assert made.source_headers == {"trace": b"1"}
    assert whole(made).source_value == MESSAGE.value
