"""When a batch is due."""

from __future__ import annotations

from consumers.clickhouse.batch import Batch, BatchPolicy
from consumers.clickhouse.positions import Log
from tests.consumers.messages import FakeMessage

LOG = Log("orders.v1", "topic_1")
POLICY = BatchPolicy(max_rows=3, max_age_s=1.0, max_bytes=100)


def batch_of(*values: bytes | None, started: float = 10.0) -> Batch:
    batch = Batch(LOG, started)
    batch.extend([FakeMessage(value=value, offset=offset) for offset, value in enumerate(values)])
    return batch


def test_rows_make_it_due() -> None:
    assert not batch_of(b"a", b"b").is_due(POLICY, now=10.0)
    assert batch_of(b"a", b"b", b"c").is_due(POLICY, now=10.0)


def test_bytes_make_it_due() -> None:
    assert not batch_of(b"x" * 99).is_due(POLICY, now=10.0)
    assert batch_of(b"x" * 50, b"x" * 50).is_due(POLICY, now=10.0)


def test_age_makes_it_due_and_not_full() -> None:
    batch = batch_of(b"a")
    assert not batch.is_due(POLICY, now=10.99)
    assert batch.is_due(POLICY, now=11.0)
    assert not batch.is_full(POLICY)


def test_a_tombstone_has_no_bytes() -> None:
    assert batch_of(None, None).size == 0


def test_next_offsets_are_those_after_the_last_message_of_each_partition() -> None:
    batch = Batch(LOG, 0.0)
    places = [(0, 5), (1, 7), (0, 6), (1, 9)]
    batch.extend([FakeMessage(partition=partition, offset=offset) for partition, offset in places])
    assert batch.next_offsets() == {0: 7, 1: 10}
