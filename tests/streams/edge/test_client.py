"""The client against a server that does what links and gateways do on bad days."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streams.edge import EdgeClient, EdgeError, EdgePolicy, KeyRefused, QueueFull, QueueInUse, UnfitEvent, WrongAddress
from streams.edge.link import State
from tests.support.certificates import Authority
from tests.support.edge_server import (
    KEY,
    EdgeServer,
    Step,
    cut_after,
    cut_before,
    foreign,
    half_an_answer,
    hang,
    order,
    orders,
    refuse,
    say,
    too_large,
)
from tests.support.waiting import come_true

#: All times a hundredth of what a device has, so that a test takes no longer than its work.
QUICK = EdgePolicy(
    timeout_least_s=0.15,
    timeout_most_s=0.6,
    backoff_first_s=0.0025,
    backoff_most_s=0.05,
    retry_after_most_s=0.01,
    silent_s=0.3,
)


async def first(client: EdgeClient) -> None:
    """Wait for the first message of the stream."""
    async for _ in client.stream():
        return


async def test_what_is_put_is_sent_once_and_leaves(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(250))
        ids.append(await client.put("orders.v1", order(250)))
        assert await client.flush(10)
        status = await client.status()
        assert server.taken == {"orders": ids}
        assert (status.counts.waiting, status.counts.sent, status.state) == (0, 251, State.IDLE)


async def test_a_body_is_packed_where_that_pays_and_asks_for_little(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        await client.put("orders", order(0))
        await client.flush(10)
        await client.put_many("orders", orders(100))
        await client.flush(10)
        small, large = (request["headers"] for request in server.requests)
        assert "Content-Encoding" not in small
        assert large["Content-Encoding"] == "zstd"
        assert large["Prefer"] == "return=minimal"
        assert server.requests[1]["bytes"] < 100 * len(json.dumps(order(0))) / 5


@pytest.mark.parametrize(
    ("step", "copies"),
    [
        (say(429, "rate_limited", Retry_After="1"), 0),
        (say(503, "kafka_away", Retry_After="1"), 0),
        (say(408, "slow_body"), 0),
        (say(500, "bug"), 0),
        (foreign(502, "<h1>Bad gateway</h1>"), 0),
        (foreign(200, "<h1>Welcome to our Wi-Fi</h1>"), 0),
        (foreign(202, "<h1>Accepted our conditions?</h1>"), 0),
        (foreign(302, "moved"), 0),
        (foreign(403, "<h1>Log in first</h1>"), 0),
        (foreign(422, "{}"), 0),
        (cut_before, 0),
        (cut_after, 1),
        (half_an_answer, 1),
        (hang(taken=False), 0),
        (hang(taken=True), 1),
    ],
)
async def test_what_was_not_acknowledged_is_sent_again_under_the_same_ids(
    tmp_path: Path, step: Step, copies: int
) -> None:
    async with EdgeServer([step, step]) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(20))
        assert await client.flush(10)
        assert Counter(server.taken["orders"]) == dict.fromkeys(ids, 1 + 2 * copies)
        assert not await client.refused()


async def test_a_refused_event_is_kept_with_its_problem_and_can_be_sent_again(tmp_path: Path) -> None:
    async with EdgeServer([refuse(1)]) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(3))
        assert await client.flush(10)
        (refused,) = await client.refused()
        assert server.taken["orders"] == [ids[0], ids[2]]
        assert (refused.event_id, refused.kind, json.loads(refused.problem)["detail"]) == (ids[1], "orders", "unfit")
        assert json.loads(refused.body)["order_id"] == "o-1"
        assert await client.again([ids[1]]) == 1
        assert await client.flush(10)
        assert server.taken["orders"] == [ids[0], ids[2], ids[1]]
        assert not await client.refused()


async def test_an_event_alone_that_is_refused(tmp_path: Path) -> None:
    async with EdgeServer([refuse(0)]) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        event_id = await client.put("orders", order(1))
        assert await client.flush(10)
        assert [each.event_id for each in await client.refused()] == [event_id]
        assert await client.forget() == 1
        assert (await client.status()).counts.refused == 0


async def test_items_to_be_sent_again_stay(tmp_path: Path) -> None:
    script = [refuse(0, 2, status=503)]
    async with EdgeServer(script) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(4))
        assert await client.flush(10)
        assert server.taken["orders"] == [ids[1], ids[3], ids[0], ids[2]]


async def test_one_that_spoils_the_others_is_found(tmp_path: Path) -> None:
    async def spoiled(server: EdgeServer, request: Any, events: list[dict[str, Any]]) -> Any:
        if any(event["order_id"] == "o-2" for event in events):
            return await say(400, "no_json")(server, request, events)
        server.script.insert(0, spoiled)
        return await refuse()(server, request, events)

    async with EdgeServer([spoiled] * 2) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(5))
        assert await client.flush(10)
        assert sorted(server.taken["orders"]) == sorted(ids[:2] + ids[3:])
        assert [each.event_id for each in await client.refused()] == [ids[2]]


async def test_too_large_is_halved_until_it_is_not(tmp_path: Path) -> None:
    async with (
        EdgeServer([too_large(30)] * 100) as server,
        EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client,
    ):
        ids = await client.put_many("orders", orders(200))
        assert await client.flush(10)
        assert server.taken["orders"] == ids
        sizes = [request["events"] for request in server.requests]
        assert sizes[0] == 200
        assert sum(size > 30 for size in sizes) == 3


async def test_a_gateway_that_takes_no_packed_body_gets_a_plain_one(tmp_path: Path) -> None:
    async with (
        EdgeServer([say(415, "encoding")]) as server,
        EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client,
    ):
        ids = await client.put_many("orders", orders(100))
        assert await client.flush(10)
        assert server.taken["orders"] == ids
        assert "Content-Encoding" not in server.requests[-1]["headers"]


async def test_a_refused_key_stops_everything_until_it_is_changed(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, "tw_old_key", tmp_path / "q", QUICK) as client:
        ids = await client.put_many("orders", orders(3))
        with pytest.raises(KeyRefused, match="401 unknown_key"):
            await client.flush(10)
        assert (await client.status()).state is State.KEY_REFUSED
        assert len(server.requests) == 1
        with pytest.raises(KeyRefused):
            await asyncio.wait_for(first(client), 5)
        client.change_key(KEY)
        assert await client.flush(10)
        assert server.taken["orders"] == ids


async def test_order_is_kept_whatever_happens(tmp_path: Path) -> None:
    script = [cut_before, hang(taken=False), say(503, "full"), cut_before] * 3
    policy = replace(QUICK, batch_events=7)
    async with EdgeServer(script) as server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        ids = [await client.put("orders", order(number)) for number in range(60)]
        assert await client.flush(20)
        assert server.taken["orders"] == ids


async def test_what_waits_outlives_the_client(tmp_path: Path) -> None:
    async with EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q", QUICK) as client:
        ids = await client.put_many("questions", [{"listing_id": "l", "question_id": "q", "text": "Is it blue?"}] * 3)
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        assert await client.flush(10)
        assert server.taken["questions"] == ids
        # It happened when it was put, not when it was sent.
        assert all(event["occurred_at"] for event in server.events)


async def test_puts_at_the_same_time_all_arrive(tmp_path: Path) -> None:
    async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
        ids = await asyncio.gather(*(client.put("orders", order(number)) for number in range(200)))
        assert await client.flush(10)
        assert server.taken["orders"] == ids


async def test_of_puts_at_the_same_time_each_is_told_its_own_fate(tmp_path: Path) -> None:
    policy = EdgePolicy(max_events=5)
    async with EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q", policy, sending=False) as client:
        found = await asyncio.gather(*(client.put("orders", order(n)) for n in range(9)), return_exceptions=True)
        assert [isinstance(each, QueueFull) for each in found] == [False] * 5 + [True] * 4


@pytest.mark.parametrize(
    ("kind", "event", "why"),
    [
        ("prices", {}, "no kind 'prices'; devices send listings, questions, orders"),
        ("orders", {"order_id": "1"}, "occurred_at is missing"),
        ("orders", order(1, event_id="seven"), "event_id is no UUID"),
        ("orders", order(1, store=float("nan")), "can't be written as JSON"),
        ("orders", order(1, store=object()), "can't be written as JSON"),
        ("orders", order(1, store="\ud800"), "text that UTF-8 can't hold"),
        ("orders", order(1, store="x" * 2**20), "more than max_event_bytes"),
    ],
)
async def test_what_can_never_be_sent_is_not_kept(tmp_path: Path, kind: str, event: dict[str, Any], why: str) -> None:
    async with EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q", sending=False) as client:
        with pytest.raises(UnfitEvent, match=why):
            await client.put(kind, event)
        assert (await client.status()).counts.waiting == 0


async def test_one_client_at_a_time(tmp_path: Path) -> None:
    async with EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q", sending=False):
        with pytest.raises(QueueInUse, match="used by process"):
            EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q")


@pytest.mark.parametrize(
    "url", ["gateway.example.com", "ftp://gateway", "https://", "https://key@gateway", "http://g/?k=1"]
)
def test_what_is_no_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(WrongAddress):
        EdgeClient(url, KEY, tmp_path / "q")


async def test_a_gateway_is_trusted_by_its_certificate_and_no_other(tmp_path: Path) -> None:
    authority = Authority.new(tmp_path / "ca")
    server = EdgeServer(tls=authority.server_context("127.0.0.1"))
    async with server:
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            await client.put("orders", order(1))
            await come_true(lambda: client._sender.state is State.WAITING, "it finds that it can't be trusted")
            assert client._sender.why == "the gateway's certificate is not trusted"
            assert not server.requests
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        async with EdgeClient(server.url, KEY, tmp_path / "q", QUICK, tls=trusting) as client:
            assert await client.flush(10)
        assert len(server.taken["orders"]) == 1


async def test_a_device_that_knows_of_a_network_does_not_wait(tmp_path: Path) -> None:
    policy = replace(QUICK, backoff_first_s=3_600.0, backoff_most_s=3_600.0)
    async with EdgeServer([cut_before]) as server, EdgeClient(server.url, KEY, tmp_path / "q", policy) as client:
        await client.put("orders", order(1))
        await come_true(lambda: client._sender.state is State.WAITING, "it waits for an hour or so")
        client.link_is_back()
        assert await client.flush(10)


async def test_a_queue_that_breaks_is_told(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with EdgeServer() as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            await client.put("orders", order(1))
            await client.flush(10)
            client._queue._db.execute("DROP TABLE events")  # as another program might
            client._sender.wake()
            await come_true(lambda: client._sender.state is State.ENDED, "sending has ended")
            assert "damaged" in client._sender.why
            with pytest.raises(EdgeError, match="sending has ended"):
                await client.flush(10)
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["edge_sending_ended"]


@pytest.mark.parametrize(("url", "clear"), [("http://gateway.example.com", True), ("http://127.0.0.1:9", False)])
async def test_a_key_in_the_clear_is_warned_about(tmp_path: Path, url: str, clear: bool) -> None:
    with capture_logs() as logs:
        async with EdgeClient(url, KEY, tmp_path / "q", QUICK, sending=False):
            pass
    assert [each["event"] for each in logs] == ["edge_in_the_clear"] * clear


async def test_a_wait_that_passes_is_told(tmp_path: Path) -> None:
    async with EdgeClient("http://127.0.0.1:9", KEY, tmp_path / "q", QUICK) as client:
        await client.put("orders", order(1))
        assert not await client.flush(0.05)


async def test_neither_key_nor_text_is_logged(tmp_path: Path) -> None:
    script = [refuse(0), cut_before, say(503, "full"), foreign(200, "x")]
    with capture_logs() as logs:
        async with EdgeServer(script) as server, EdgeClient(server.url, KEY, tmp_path / "q", QUICK) as client:
            question = {"listing_id": "l", "question_id": "q", "text": "my number is 0171 5550123"}
            await client.put("questions", question)
            await client.flush(10)
            await client.put("questions", question)
            await client.flush(10)
            client.change_key("tw_other_words")
            await client.put("questions", question)
            with pytest.raises(KeyRefused) as caught:
                await client.flush(10)
    told = f"{logs} {caught.value} {client._link.key!r}"
    assert len(logs) >= 5
    assert not any(secret in told for secret in (KEY, "tw_other_words", "0171", "my number"))
