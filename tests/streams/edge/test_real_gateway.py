"""The client and the real gateway, on a real broker: whoever is killed, each event is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.codec import Codec
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS, QUESTIONS, Topic
from streams.edge import EdgeClient, EdgePolicy, QueueBroken
from streams.edge.queue_totals import peek
from tests.support.edge_server import order
from tests.support.gateway import MERCHANT, Gateway, gateway
from tests.support.waiting import until
from tradewind.assembly import settings_for
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig

pytestmark = pytest.mark.integration

QUICK = EdgePolicy(backoff_first_s=0.05, backoff_most_s=0.5, batch_events=50)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, module_kafka: str | None) -> Iterator[Gateway]:
    """A gateway on a stack of its own."""
    folder = tmp_path_factory.mktemp("stack")
    with LocalStack(StackConfig(folder, clickhouse_password=uuid.uuid4().hex)) as stack:
        settings = settings_for(Settings(data_dir=folder), stack.endpoints)
        if module_kafka is not None:
            settings = settings.model_copy(update={"bootstrap_servers": module_kafka})
        with gateway(settings, folder / "logs") as started:
            yield started


def on_topic(served: Gateway, topic: Topic, ids: set[str]) -> Counter[str]:
    """How often each of these events is on its topic."""
    codec = Codec(CommittedRegistry())
    found = (codec.decode(topic, message.value()) for message in read_all(served.settings.kafka_client(), topic.name))
    return Counter(each for each in (str(datum["event_id"]) for datum in found) if each in ids)


async def test_events_arrive_as_they_were_put(served: Gateway, tmp_path: Path) -> None:
    async with EdgeClient(served.url, served.key, tmp_path / "q", QUICK) as client:
        question = {"listing_id": "l-1", "question_id": "q-1", "text": "Is it blue?", "channel": "app"}
        asked = await client.put("questions", question)
        wrong = await client.put("questions", question | {"text": ""}, origin="scanner 7")
        other = await client.put("orders", order(1, merchant_id="somebody-else"))
        assert await client.flush(30)
        refused = {each.event_id: each for each in await client.refused()}
    codec = Codec(CommittedRegistry())
    messages = read_all(served.settings.kafka_client(), QUESTIONS.name)
    (datum,) = [
        each for each in (codec.decode(QUESTIONS, m.value()) for m in messages) if str(each["event_id"]) == asked
    ]
    assert (datum["text"], datum["merchant_id"], datum["channel"]) == ("Is it blue?", MERCHANT, "APP")
    assert refused.keys() == {wrong, other}
    assert refused[wrong].origin == "scanner 7"
    assert json.loads(refused[wrong].problem)["fields"][0]["field"] == "text"
    assert json.loads(refused[other].problem)["type"] == "urn:tradewind:problem:other_merchant"


async def test_a_gateway_that_is_killed_costs_at_most_a_copy(served: Gateway, tmp_path: Path) -> None:
    async with EdgeClient(served.url, served.key, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", (order(number) for number in range(1_000)))
        pid = served.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        ids += await client.put_many("orders", (order(number) for number in range(1_000)))
        assert await client.flush(60)
        assert (await client.status()).counts.sent == 2_000
    found = on_topic(served, ORDERS, set(ids))
    assert found.keys() == set(ids)
    assert found.total() <= len(ids) + QUICK.batch_events


def test_a_client_that_is_killed_goes_on_where_it_was(served: Gateway, tmp_path: Path) -> None:
    rows = [order(number, event_id=str(uuid.uuid4())) for number in range(12_000)]
    file, queue = tmp_path / "orders.jsonl", tmp_path / "q"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "tradewind", "edge", "send", str(file), "--kind", "orders", "--url", served.url]
    command += ["--queue", str(queue), "--json"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
    environment = clean | {"TRADEWIND_EDGE_KEY": served.key}
    first = subprocess.Popen(command, env=environment)
    until(lambda: queue.exists() and (first.poll() is not None or _sent(queue) > 0), "some are sent", 60.0)
    first.kill()
    first.wait()
    before = _sent(queue)
    second = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(second.stdout)
    assert (said["bad"], said["refused"], said["waiting"]) == (0, 0, 0)
    assert before + said["sent"] == len(rows)
    assert before < len(rows), "it was to be killed before it was done"
    ids = {row["event_id"] for row in rows}
    found = on_topic(served, ORDERS, ids)
    assert found.keys() == ids
    assert found.total() <= len(ids) + EdgePolicy().batch_events
    third = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(third.stdout)["skipped"] == len(rows)
    assert on_topic(served, ORDERS, ids) == found


def _sent(queue: Path) -> int:
    try:
        return peek(queue)[0].sent
    except QueueBroken:  # it is being made
        return 0
