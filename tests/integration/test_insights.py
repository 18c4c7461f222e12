"""Two workers look at the merchants' numbers; one speaks, is killed, and the other takes over without repeating it."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from clickhouse_connect.driver.client import Client

from consumers.clickhouse.client import open_client
from schemas.events import InsightKind, Method, OpsInsight
from streams.insights.recall import recall
from tradewind.assembly import make_codec
from tradewind.processes import child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.supervisor import NEVER, ProcessSpec

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

DAYS = 35
#: Each merchant sells about 6 orders an hour, on two listings, the first one more.
ORDERS = """
INSERT INTO orders
    (event_id, occurred_at, merchant_id, order_id, listing_id, kind, amount, currency, _log, _partition, _offset)
SELECT generateUUIDv4(), toDateTime64({since:Int64}, 3, 'UTC') + cityHash64(number, 'at') % {span:Int64},
    {merchant:String}, concat({merchant:String}, '-', {batch:String}, '-', toString(number)),
    concat({merchant:String}, '-l', toString(intDiv(cityHash64(number, 'listing') % 10, 6))),
    'PLACED', 19.90, 'EUR', 'test', 0, number
FROM numbers({count:UInt64})
"""


def sell(client: Client, merchant: str, since: datetime, until: datetime, count: int, batch: str = "usual") -> None:
    """Orders at random times in a span."""
    since_s, until_s = int(since.timestamp()), int(until.timestamp())
    named = {"merchant": merchant, "since": since_s, "span": until_s - since_s, "count": count, "batch": batch}
    client.command(ORDERS, parameters=named)


def wait_until(reached: Callable[[], bool], what: str, deadline_s: float = 90.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not reached():
        assert time.monotonic() < give_up, f"not within {deadline_s} s: {what}"


def metric(worker: ProcessSpec, name: str) -> float:
    """A metric of a worker, with its labels as it stands; 0 if it has none."""
    url = f"http://127.0.0.1:{worker.env['TRADEWIND_METRICS_PORT']}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def quiet_looks(worker: ProcessSpec) -> float:
    return metric(worker, 'tradewind_insight_looks_total{outcome="quiet"}')


def is_owner(worker: ProcessSpec) -> bool:
    return metric(worker, "tradewind_insights_owner") == 1.0


def test_one_speaks_and_nothing_is_said_twice(stack: LocalStack, settings: Settings) -> None:
    client = open_client(settings)
    now = datetime.now(timezone.utc)
    first, dropped = now - timedelta(days=DAYS), now - timedelta(hours=30)
    for number in range(4):
        sell(client, f"m-{number}", first, now, DAYS * 24 * 6)
    sell(client, "m-drop", first, dropped, DAYS * 24 * 6)

    quick = settings.model_copy(update={"insights_every_s": 0.5})
    arguments = ["worker", "--agents", "insights"]
    specs = [child(f"worker-{n}", arguments, quick, stack.log_dir, "tradewind_worker_ready") for n in (1, 2)]
    workers = [replace(spec, restart=NEVER) for spec in specs]
    stack.add(*workers)

    def said() -> list[OpsInsight]:
        return list(recall(settings.kafka_client(), make_codec(settings)))

    wait_until(lambda: bool(said()), "the drop is said")
    [insight] = said()
    assert (insight.merchant_id, insight.metric, insight.kind) == ("m-drop", "sales", InsightKind.DROP)
    assert insight.observed < insight.expected
    assert insight.window_start < insight.window_end
    assert insight.listing_ids[0] == "m-drop-l0"
    assert f"Listing {insight.listing_ids[0]} fell" in insight.text
    assert insight.suggestion
    assert insight.provenance.method in (Method.MODEL, Method.TEMPLATE)

    wait_until(lambda: sum(map(is_owner, workers)) == 1, "one of them speaks")
    [owner] = [worker for worker in workers if is_owner(worker)]
    [other] = [worker for worker in workers if worker is not owner]
    looked = quiet_looks(owner)
    wait_until(lambda: quiet_looks(owner) >= looked + 3, "it looks on")
    assert said() == [insight]

    os.kill(stack.pids()[owner.name], signal.SIGKILL)
    wait_until(lambda: is_owner(other), "the other one speaks")
    looked = quiet_looks(other)
    wait_until(lambda: quiet_looks(other) >= looked + 3, "the other one looks on")
    assert said() == [insight]

    sell(client, "m-1", now - timedelta(hours=1), now, 400, batch="rush")
    wait_until(lambda: len(said()) > 1, "the rush is said")
    looked = quiet_looks(other)
    wait_until(lambda: quiet_looks(other) >= looked + 3, "nothing more is said")
    [_, rush] = sorted(said(), key=lambda each: each.occurred_at)
    assert (rush.merchant_id, rush.metric, rush.kind) == ("m-1", "sales", InsightKind.SPIKE)
