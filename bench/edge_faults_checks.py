"""What `edge_faults.py` finds at the end, beside what was sent: in ClickHouse, in Kafka, and on the devices."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bench.edge_faults_events import merchant, order, pushed
from bench.edge_faults_stack import Run
from schemas.reader import partition_ends
from schemas.topics import ORDERS

_COLUMNS = ("event_id", "merchant_id", "occurred_at", "order_id", "line", "listing_id", "kind", "quantity", "amount",
            "currency", "store")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """What is not as it was sent, and what that took.

    Attributes:
        lost: events that were put and are not in `orders FINAL`.
        duplicates: rows of `orders FINAL` beyond one for each event.
        contents_wrong: events that differ in any field.
        foreign: rows that nobody put.
        kafka_copies: messages on orders.v1 beyond one for each event, which is what sending again costs.
        refused: events that the gateway did not take.
        dropped: events that a queue let go.
        pushed: messages that were for the devices.
        push_lost: those that their device did not get.
        push_copies: messages that a device got again, after it was killed with them in hand; known by their place.
        push_foreign: messages for another merchant, or that nobody sent.
        gaps: times that the gateway said that messages are gone for good.
    """

    lost: int
    duplicates: int
    contents_wrong: int
    foreign: int
    kafka_copies: int
    refused: int
    dropped: int
    pushed: int
    push_lost: int
    push_copies: int
    push_foreign: int
    gaps: int

    @property
    def right(self) -> bool:
        """Whether nothing is lost, double or unequal."""
        orders = (self.lost, self.duplicates, self.contents_wrong, self.foreign, self.refused, self.dropped)
        return not any((*orders, self.push_lost, self.push_foreign, self.gaps))


def compare(run: Run, refused: int, dropped: int) -> Found:
    """Compare everything; `refused` and `dropped` are of the queues."""
    expected = {
        each["event_id"]: (merchant(device), *(each[name] for name in _COLUMNS[2:]))
        for device in range(run.options.devices)
        for each in (order(device, number) for number in range(run.options.each))
    }
    rows = run.client.query(f"SELECT {', '.join(_COLUMNS)} FROM orders FINAL").result_rows
    stored = {row[0]: tuple(row[1:]) for row in rows}
    messages = sum(high - low for low, high in partition_ends(run.settings.kafka_client(), [ORDERS.name]).values())
    wrong = sum(_plain(stored[key]) != _plain(said) for key, said in expected.items() if key in stored)
    lost, copies, foreign, gaps = 0, 0, 0, 0
    for device in range(run.options.devices):
        got, times, told = received(run, device)
        wanted = {str(pushed(device, number).event_id) for number in range(run.options.pushed)}
        lost += len(wanted - got.keys())
        # By place in Kafka: an event that is there once and came by two places would be a fault of ours.
        copies += times.total() - len(times)
        foreign += len(got.keys() - wanted) + sum(len(places) - 1 for places in got.values())
        gaps += told
    return Found(
        lost=len(expected.keys() - stored.keys()),
        duplicates=len(rows) - len(stored),
        contents_wrong=wrong,
        foreign=len(stored.keys() - expected.keys()),
        kafka_copies=messages - len(expected),
        refused=refused,
        dropped=dropped,
        pushed=run.options.pushed * run.options.devices,
        push_lost=lost,
        push_copies=copies,
        push_foreign=foreign,
        gaps=gaps,
    )


def received(run: Run, device: int) -> tuple[dict[str, set[Any]], Counter[Any], int]:
    """What a device got: by event its places in Kafka, how often each place came, and how many gaps it was told of."""
    got: dict[str, set[Any]] = {}
    times: Counter[Any] = Counter()
    gaps = 0
    file = run.device_folder(device) / "received"
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        message = json.loads(line)
        if message["type"] == "gap":
            gaps += 1
            continue
        place = tuple(message["place"])
        got.setdefault(message["event_id"], set()).add(place)
        times[place] += 1
    return got, times, gaps


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(each.replace(tzinfo=None).isoformat() if hasattr(each, "isoformat") else str(each) for each in row)


def traffic(run: Run) -> dict[str, int]:
    """What sending took, of all processes that there were."""
    total: Counter[str] = Counter()
    for file in run.folder.glob("device-*/traffic-*[0-9]"):
        total.update(json.loads(file.read_text(encoding="utf-8")))
    return dict(total)
