"""The matrix is what it claims to be, what counts in it can tell a loss, and two of its rows run small."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import datetime, timezone

import pytest

from schemas.codec import Codec, Rejected
from schemas.registry import CommittedRegistry
from schemas.topics import CATALOGUE
from tests.faults.count import Tally, tally
from tests.faults.load import Stream
from tests.faults.rows import EVENTS, ROWS, Row
from tests.faults.run import Outcome, run
from tests.faults.small_disk import NoSmallDisk
from tests.kafka.jars import KafkaMissing

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
A, B, C = (uuid.UUID(int=number) for number in range(3))
QUICK = ("sink killed", "poison 60%")


def written(row: Row) -> bool:
    """Whether the model writes in it."""
    return any(stream.kind == "listings" for stream in row.streams)


def test_the_matrix_is_as_large_as_it_should_be() -> None:
    assert len(ROWS) >= 14
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert written(row) or sum(stream.events for stream in row.streams) >= EVENTS == 50_000, row.name


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([A, B], Tally(0, 0, 0)),
        ([A], Tally(1, 0, 0)),
        ([A, B, B, B], Tally(0, 2, 0)),
        ([A, B, C], Tally(0, 0, 1)),
        ([], Tally(2, 0, 0)),
    ],
)
def test_a_tally_tells_what_is_lost_twice_and_foreign(found: list[uuid.UUID], expected: Tally) -> None:
    assert tally({A, B}, found) == expected


@pytest.mark.parametrize("kind", ["orders", "questions", "listings"])
def test_a_load_is_what_it_says_it_is(kind: str) -> None:
    stream = Stream(kind, events=300, rate=1.0, poison=0.4)
    messages = list(stream.messages(NOW))
    codec = Codec(CommittedRegistry())
    topic = next(topic for topic in CATALOGUE if topic.name == stream.topic)
    good = [codec.decode_event(topic, value) for _, value, broken in messages if not broken]
    assert {event.event_id for event in good if not isinstance(event, Rejected)} == stream.results[kind]
    broken = [value for _, value, is_broken in messages if is_broken]
    assert all(isinstance(codec.decode_event(topic, value), Rejected) for value in broken)
    assert Counter(broken).most_common(1)[0][1] == 1
    assert len(broken) / len(messages) == pytest.approx(0.4, abs=0.01)


def test_an_outcome_is_clean_only_without_loss_doubles_and_strangers() -> None:
    clean = Outcome("f", "w", 1, 0, 0, 0, 0, delivered_again=9, fault_s=1, recovery_s=1, total_s=1)
    assert clean.clean
    assert not any(Outcome("f", "w", 1, 0, *bad, 0, 1, 1, 1).clean for bad in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))


@pytest.mark.slow_kafka
@pytest.mark.timeout(400)
@pytest.mark.parametrize("row", [row for row in ROWS if row.name in QUICK], ids=lambda row: row.name)
def test_a_row_is_clean(row: Row) -> None:
    try:
        outcome = run(row.smaller(0.04))
    except (KafkaMissing, NoSmallDisk) as why:
        pytest.skip(str(why))
    assert outcome.clean, outcome
    assert outcome.events >= 2000
