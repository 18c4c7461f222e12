from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.publisher import DeliveryFailed, Undelivered
from schemas.topics import ORDERS, Topic
from schemas.validation import Problem
from tradewind.cli.sending import KafkaGone, Tally, send
from tradewind.publish import Row

ORDER = {
    "occurred_at": "2026-03-01T09:30:00Z",
    "merchant_id": "m-1",
    "order_id": "o-1",
    "listing_id": "l-1",
    "kind": "PLACED",
    "amount": "19.90",
    "currency": "EUR",
}
PROBLEM = Problem("line", "one JSON object", "something else", "write one object a line")


class Broker:
    """Acknowledges at each flush all rows but those whose order id it is told to treat otherwise."""

    def __init__(self, tally: Tally, answers: Mapping[str, str]) -> None:
        self.tally = tally
        self.answers = answers
        self.queued: list[str] = []

    def publish_row(self, topic: Topic, row: Mapping[str, Any]) -> tuple[Problem, ...]:
        if row["order_id"] == "too-large":
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        self.queued.append(row["order_id"])
        return ()

    def flush(self) -> None:
        failed = tuple(Undelivered("orders.v1", o.encode(), self.answers[o]) for o in self.queued if o in self.answers)
        self.tally.sent += len(self.queued) - len(failed)
        self.queued.clear()
        if failed:
            raise DeliveryFailed(failed, 0)


def _send(rows: list[Row], answers: Mapping[str, str] | None = None) -> tuple[Tally, list[tuple[int | None, str]]]:
    tally, told = Tally(), []
    broker = None if answers is None else Broker(tally, answers)
    send(
        rows,
        ORDERS,
        broker,
        tally,
        now=lambda: datetime(2026, 3, 1, tzinfo=timezone.utc),
        on_problem=lambda line, problem: told.append((line, str(problem))),
        on_row=lambda: None,
    )
    return tally, told


def _order(line: int, order_id: str, **more: Any) -> Row:
    return Row(line, {**ORDER, "order_id": order_id, **more})


def test_everything_is_counted_and_told_with_its_line() -> None:
    rows = [
        _order(1, "o-1"),
        Row(2, None, (PROBLEM,)),
        Row(3, None, skipped="its status is draft"),
        _order(4, "too-large"),
        _order(5, "o-5"),
    ]
    tally, told = _send(rows, {})
    assert (tally.rows, tally.good, tally.sent, tally.bad, tally.refused) == (5, 2, 2, 2, 0)
    assert tally.skipped == {"its status is draft": 1}
    assert [line for line, _ in told] == [2, 4]
    assert "Message size too large" in told[1][1]
    assert not tally.complete


def test_dry_run_validates_with_ids_filled_in() -> None:
    tally, told = _send([_order(1, "o-1"), _order(2, "o-2", amount="x", currency="eur")])
    assert (tally.good, tally.sent, tally.bad, tally.refused) == (1, 0, 1, 0)
    assert [(line, text.partition(":")[0]) for line, text in told] == [(2, "amount"), (2, "currency")]


def test_a_refusal_costs_its_row_only() -> None:
    tally, told = _send([_order(1, "o-1"), _order(2, "o-2")], {"o-2": "Broker: Message size too large"})
    assert (tally.good, tally.sent, tally.refused) == (2, 1, 1)
    assert told[0][0] is None
    assert "order_id o-2" in told[0][1]


def test_a_single_refusal_is_not_taken_for_silence() -> None:
    tally, told = _send([_order(1, "o-1")], {"o-1": "Broker: Message size too large"})
    assert (tally.sent, tally.refused, len(told)) == (0, 1, 1)


def test_silence_stops_reading() -> None:
    with pytest.raises(KafkaGone, match="timed out"):
        _send([_order(1, "o-1")], {"o-1": "Local: Message timed out"})


def test_no_rows_are_complete() -> None:
    tally, told = _send([], {})
    assert tally.complete
    assert told == []
