"""`tradewind gateway` as a process: over HTTP/1.1, HTTP/2 and TLS, with Kafka away and back, and told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.codec import Codec
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import ORDERS
from streams.gateway.examples import EVENTS
from streams.gateway.key_store import create
from streams.gateway.keys import Scope
from tests.support.certificates import Authority
from tests.support.commands import Command, running, until
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.ports import choose_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ORDER = EVENTS["orders"]
MERCHANT = "shop-1"


class Gateway:
    """One that runs, and a client with its key."""

    def __init__(self, command: Command, url: str, key: str, **client: Any) -> None:
        self.command, self.url, self.key = command, url, key
        headers = {"authorization": f"Bearer {key}"}
        self.client = httpx.Client(base_url=url, headers=headers, timeout=30, **client)


@contextmanager
def gateway(settings: Settings, folder: Path, client: dict[str, Any] | None = None, **change: Any) -> Iterator[Gateway]:
    """A gateway that is ready."""
    update = {"gateway_port": choose_port(0), "gateway_keys": folder / "keys.sqlite", **change}
    chosen = settings.model_copy(update=update)
    _, key = create(chosen.gateway_keys_file, merchant_id=MERCHANT, scopes=[Scope.PUBLISH], events_per_s=1e6)
    with running(chosen, folder, "gateway") as command:
        command.await_ready()
        found = Gateway(command, chosen.gateway_url, key, **(client or {}))
        with found.client:
            yield found


@pytest.fixture(scope="module")
def served(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(settings, tmp_path_factory.mktemp("gateway")) as found:
        yield found


def order(number: int) -> dict[str, Any]:
    return {**ORDER, "event_id": f"00000000-0000-4000-8000-{number:012}", "order_id": f"o-{number}"}


def in_kafka(settings: Settings) -> dict[tuple[int, int], dict[str, Any]]:
    """Orders by partition and offset."""
    codec = Codec(CommittedRegistry())
    found = {}
    for message in read_all(settings.kafka_client(), ORDERS.name):
        datum = codec.decode(ORDERS, message.value())
        assert isinstance(datum, dict)
        found[message.partition() or 0, message.offset() or 0] = datum
    return found


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_what_is_acknowledged_is_where_the_answer_says(served: Gateway, settings: Settings, version: str) -> None:
    second = version == "HTTP/2"
    headers = {"authorization": f"Bearer {served.key}"}
    with httpx.Client(base_url=served.url, headers=headers, http1=not second, http2=second, timeout=30) as client:
        answer = client.post("/v1/orders", json=[order(number) for number in range(250)])
    assert (answer.status_code, answer.http_version) == (202, version)
    stored = in_kafka(settings)
    for number, item in enumerate(answer.json()["items"]):
        datum = stored[item["partition"], item["offset"]]
        assert str(datum["event_id"]) == item["event_id"] == order(number)["event_id"]
        assert (datum["order_id"], datum["merchant_id"]) == (f"o-{number}", MERCHANT)


def test_many_at_once_over_one_connection_of_http_2(served: Gateway) -> None:
    async def all_of_them() -> list[int]:
        headers = {"authorization": f"Bearer {served.key}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, http1=False, http2=True) as client:
            answers = await asyncio.gather(*(client.post("/v1/orders", json=order(n)) for n in range(100)))
        return [answer.status_code for answer in answers]

    assert set(asyncio.run(all_of_them())) == {202}


def test_it_tells_prometheus_and_the_load_balancer(served: Gateway) -> None:
    assert served.client.post("/v1/orders", json=order(1)).status_code == 202
    assert served.client.get("/readyz").json()["ok"] is True
    assert served.command.metric("tradewind_gateway_ready") == 1
    assert served.command.metric("tradewind_gateway_events_total") >= 1
    assert served.command.metric("tradewind_gateway_events_in_hand") == 0


def test_over_tls_with_its_own_certificate(settings: Settings, tmp_path: Path) -> None:
    authority = Authority.new(tmp_path / "ca")
    certificate, key = authority.server("127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    client = {"verify": trusting, "http2": True}
    with gateway(settings, tmp_path, client, gateway_certificate=certificate, gateway_key=key) as served:
        answer = served.client.post("/v1/orders", json=order(1))
        assert (answer.status_code, answer.http_version) == (202, "HTTP/2")
        assert served.url.startswith("https:")


def test_kafka_away_is_503_in_time_and_back_is_202_again(
    stack: LocalStack, settings: Settings, tmp_path: Path, module_kafka: str | None
) -> None:
    if module_kafka:
        pytest.skip("the broker that is held still is the embedded one")
    broker = stack.pids()["broker"]
    with gateway(settings, tmp_path, gateway_ack_s=1.0, gateway_events_in_hand=300) as served:
        assert served.client.post("/v1/orders", json=order(1)).status_code == 202
        os.kill(broker, signal.SIGSTOP)
        try:
            answer = served.client.post("/v1/orders", json=[order(number) for number in range(200)])
            assert answer.status_code == 503
            assert answer.json()["items"][0]["type"].endswith(":not_acknowledged")
            assert int(answer.headers["retry-after"]) >= 1
            until(lambda: served.client.get("/readyz").status_code == 503, "it says that it is not ready", 20)
            assert "Kafka" in served.client.get("/readyz").json()["checks"]["kafka"]["why"]
            assert served.client.get("/healthz").status_code == 200
        finally:
            os.kill(broker, signal.SIGCONT)
        until(lambda: served.client.post("/v1/orders", json=order(2)).status_code == 202, "it takes events again", 30)
        until(lambda: served.client.get("/readyz").status_code == 200, "it is ready again", 20)


def test_sigterm_ends_it_after_what_it_has_in_hand(settings: Settings, tmp_path: Path) -> None:
    with gateway(settings, tmp_path) as served:
        body = json.dumps(order(7)).encode()
        host, _, port = served.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            head = (
                f"POST /v1/orders HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {served.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            slow.sendall(head.encode() + body[:10])
            until(lambda: served.client.get("/healthz").status_code == 200, "the request has been begun", 5)
            served.command.process.send_signal(signal.SIGTERM)
            until(lambda: not accepts(host, int(port)), "it takes no more", 10)
            slow.sendall(body[10:])
            answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert served.command.end() == 0


def accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (lambda port, folder: {"gateway_port": port}, 2, "TRADEWIND_GATEWAY_PORT"),
        (lambda port, folder: {"gateway_host": "192.0.2.1"}, 2, "TRADEWIND_GATEWAY_HOST"),
        (lambda port, folder: {"gateway_certificate": folder / "none.pem"}, 2, "TRADEWIND_GATEWAY_CERTIFICATE"),
        (lambda port, folder: {"gateway_key": folder / "none.pem"}, 2, "TRADEWIND_GATEWAY_CERTIFICATE"),
        (lambda port, folder: {"bootstrap_servers": "127.0.0.1:1"}, 3, "TRADEWIND_BOOTSTRAP_SERVERS"),
    ],
    ids=["port", "host", "certificate", "key", "kafka"],
)
def test_a_wrong_setting_ends_it_in_one_line(
    settings: Settings, tmp_path: Path, change: Callable[[int, Path], dict[str, Any]], code: int, named: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        update = {"gateway_port": choose_port(0), "gateway_keys": tmp_path / "keys.sqlite", **change(port, tmp_path)}
        with running(settings, tmp_path, "gateway", **update) as command:
            assert command.end() == code, command.said
    lines = [line for line in command.said.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, command.said
    assert named in lines[0]
    assert "Traceback" not in command.said
