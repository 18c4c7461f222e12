"""The client and the real gateway, on a real broker: whoever is killed, each event is there."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import pytest

from schemas.codec import Codec
from schemas.events import AnswerDrafted, OpsInsight, Provenance, Timings
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS, QUESTIONS, Topic
from streams.edge import EdgeClient, EdgePolicy, Message, QueueBroken
from streams.edge.queue_totals import peek
from tests.support.edge_server import order
from tests.support.gateway import MERCHANT, Gateway, gateway
from tests.support.waiting import come_true, until
from tradewind.assembly import make_publisher, settings_for
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
    rows = [order(number, event_id=str(uuid.uuid4())) for number in range(6_000)]
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


@pytest.mark.parametrize("transport", ["websocket", pytest.param("sse", marks=pytest.mark.slow)])
async def test_what_the_agents_make_is_received_once_also_when_the_gateway_is_killed(
    served: Gateway, tmp_path: Path, transport: Literal["websocket", "sse"]
) -> None:
    policy = replace(QUICK, transport=transport)
    async with EdgeClient(served.url, served.key, tmp_path / "q", policy, sending=False) as client:
        found: list[Message] = []

        async def read() -> None:
            async for message in client.stream(("insights",)):
                found.append(message)

        reading = asyncio.ensure_future(read())
        await come_true(lambda: client._cursor is not None, "the stream is open", 30)
        made = [insight(MERCHANT, number) for number in range(40)]
        with make_publisher(served.settings) as publisher:
            for each in made[:20]:
                publisher.publish(each)
                publisher.publish(insight("somebody-else", 0))
        await come_true(lambda: len(found) >= 20, "the first ones come", 30)
        pid = served.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with make_publisher(served.settings) as publisher:
            for each in made[20:]:
                publisher.publish(each)
        await come_true(lambda: len(found) >= 40, "the others come, from the gateway that follows", 60)
        reading.cancel()
    assert {message.event["event_id"] for message in found} == {str(each.event_id) for each in made}
    assert len({message.place for message in found}) == len(found) == 40


def test_the_ten_lines_of_the_docs(served: Gateway, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "edge-client.md").read_text(encoding="utf-8")
    lines = page.partition("```python\n")[2].partition("```")[0]
    environment = {**os.environ, "TRADEWIND_EDGE_URL": served.url, "TRADEWIND_EDGE_KEY": served.key}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", lines], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as app:
        until(lambda: _listens(tmp_path / "edge.sqlite"), "it reads its stream", 60.0)
        until(lambda: _sent(tmp_path / "edge.sqlite") == 1, "its question is sent", 60.0)
        with make_publisher(served.settings) as publisher:
            publisher.publish(draft("Yes, it is made of copper."))
        assert app.stdout is not None
        assert app.stdout.readline() == "Yes, it is made of copper.\n"
        app.kill()


def draft(text: str) -> AnswerDrafted:
    """An answer for MERCHANT."""
    now = datetime.now(timezone.utc)
    return AnswerDrafted(
        event_id=uuid.uuid4(),
        occurred_at=now,
        merchant_id=MERCHANT,
        listing_id="l-1",
        question_id="q-1",
        source_event_id=uuid.uuid4(),
        asked_at=now,
        provenance=Provenance(),
        timings=Timings(),
        draft=text,
    )


def insight(merchant: str, number: int) -> OpsInsight:
    """Something to be pushed."""
    now = datetime.now(timezone.utc)
    return OpsInsight(
        event_id=uuid.uuid4(),
        occurred_at=now,
        merchant_id=merchant,
        metric="sales",
        window_start=now,
        window_end=now,
        observed=float(number),
        expected=1.0,
        score=4.0,
        provenance=Provenance(),
    )


def _sent(queue: Path) -> int:
    try:
        return peek(queue)[0].sent
    except QueueBroken:  # it is being made
        return 0


def _listens(queue: Path) -> bool:
    try:
        return peek(queue)[1] is not None
    except QueueBroken:
        return False
