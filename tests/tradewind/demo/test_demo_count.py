"""What the demo's report counts as lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from schemas.dead_letters import Inbound, dead_letter
from schemas.events import DeadLetter
from tradewind.demo.count import Report, missing_letters

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


def letter(offset: int, value: bytes, stage: str = "sink", topic: str = "orders.v1") -> DeadLetter:
    message = Inbound(topic, 0, offset, 1_772_000_000_000, b"key", value)
    return dead_letter(message, stage=stage, error_class="BadBody", why="", now=NOW)


def test_every_broken_message_needs_a_letter_of_its_topic_with_its_bytes() -> None:
    letters = [letter(0, b"a"), letter(1, b"b")]
    assert missing_letters([("orders.v1", b"a"), ("orders.v1", b"b")], letters) == 0
    assert missing_letters([("orders.v1", b"a"), ("orders.v1", b"B")], letters) == 1
    assert missing_letters([("questions.v1", b"a")], letters) == 1


def test_two_equal_messages_need_two_letters() -> None:
    assert missing_letters([("orders.v1", b"a")] * 2, [letter(0, b"a")]) == 1
    assert missing_letters([("orders.v1", b"a")] * 2, [letter(0, b"a"), letter(1, b"a")]) == 0


def test_a_letter_written_by_two_stages_is_one() -> None:
    both = [letter(0, b"a", "answer"), letter(0, b"a", "sink")]
    assert missing_letters([("orders.v1", b"a")] * 2, both) == 1


COMPLETE = Report(
    listings_published=2,
    listings_enriched=2,
    questions_published=3,
    answers_drafted=3,
    orders_published=4,
    orders_stored=4,
    dead_letters=1,
    lost=0,
    duplicates=0,
    seconds=1.0,
    question_to_draft_p50_ms=1.0,
    question_to_draft_p99_ms=1.0,
    question_to_clickhouse_p50_ms=1.0,
    routes={},
    copy_routes={},
)


def test_a_report_is_complete_when_all_is_there_once() -> None:
    assert COMPLETE.complete()
    for change in ("lost", "duplicates", "listings_published", "questions_published", "orders_published"):
        assert not replace(COMPLETE, **{change: getattr(COMPLETE, change) + 1}).complete(), change
