"""Getting into Apache Kafka: who has the right credentials does, with every client of ours; who has not is told why.

The clients are librdkafka (admin calls, Publisher, sink) and aiokafka under Faust (the worker). Nothing here turns a
check on: certificates are checked unless somebody would turn that off.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Consumer, KafkaException
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from consumers.clickhouse.client import open_client
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.sink import _consumer_settings, run_sink
from consumers.clickhouse.tables import TABLES
from schemas.codec import Codec
from schemas.events import ListingEnriched, ListingPublished, derived_id
from schemas.publisher import DeliveryFailed, Publisher
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import LISTINGS_ENRICHED
from streams import topics
from streams.reach import KafkaUnreachable, topics_in_kafka
from streams.worker import Worker
from tests.consumers.harness import until
from tests.kafka.conftest import Guarded
from tests.support.certificates import Authority
from tests.support.scripted_engine import ScriptedEngine
from tests.support.stack import ClickHouseEndpoint
from tradewind.cli.main import app
from tradewind.settings import Settings

pytestmark = pytest.mark.slow_kafka

DEADLINE_S = 30.0
CODEC = Codec(CommittedRegistry())

Make = Callable[[Guarded, Path], Settings]


def listing() -> ListingPublished:
    """One that the model is not asked about: it writes no German."""
    return ListingPublished(
        event_id=uuid.uuid4(),
        occurred_at=datetime.now(timezone.utc),
        merchant_id="m-1",
        listing_id=uuid.uuid4().hex,
        title="Kupferkessel für Gasherde",
        language="de",
    )


async def worked(settings: Settings, agents: list[str], done: Callable[[], bool]) -> None:
    """Run a worker until the condition holds."""
    stop = asyncio.Event()
    running = asyncio.ensure_future(Worker(settings, agents, ScriptedEngine(), CODEC).run(stop))
    waiting = asyncio.ensure_future(asyncio.to_thread(until, lambda: running.done() or done(), "the worker's work"))
    try:
        await waiting
    finally:
        stop.set()
        await running


def enriched(settings: Settings) -> set[uuid.UUID]:
    found = (
        CODEC.decode_event(LISTINGS_ENRICHED, each.value())
        for each in read_all(settings.kafka_client(), LISTINGS_ENRICHED.name)
    )
    return {event.event_id for event in found if isinstance(event, ListingEnriched)}


@pytest.mark.parametrize("way_in", ["settings", "with_certificate", "with_password_only"])
async def test_each_client_gets_in(guarded_kafka: Guarded, database: ClickHouseEndpoint, way_in: str) -> None:
    store = {
        "clickhouse_url": database.url,
        "clickhouse_username": database.user,
        "clickhouse_password": database.password,
        "clickhouse_database": database.database,
        "approved_answers": 0,
    }
    settings: Settings = getattr(guarded_kafka, way_in)(**store)
    await asyncio.to_thread(topics.check, settings)
    event = listing()
    with Publisher(settings.kafka_client(), CODEC) as publisher:
        publisher.publish(event)
    made = derived_id("enrich", event.event_id)
    await worked(settings, ["enrich"], lambda: made in enriched(settings))
    migrate(settings)
    stored(settings, LISTINGS_ENRICHED.name, str(made))


def stored(settings: Settings, topic: str, event_id: str) -> None:
    """Run a sink until it has stored the event."""
    stop, failed, metrics = threading.Event(), [], SinkMetrics(CollectorRegistry())
    (table,) = [table for table in TABLES if table.topic.name == topic]

    def sink() -> None:
        try:
            run_sink(settings, stop, registry=CommittedRegistry(), tables=[table], metrics=metrics)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=sink)
    thread.start()
    try:
        with open_client(settings) as client:
            query = f"SELECT count() FROM {table.name} WHERE event_id = '{event_id}'"
            until(lambda: bool(failed) or bool(client.command(query)), "the row")
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert failed == []


def _other(folder: Path) -> Authority:
    return Authority.new(folder / "other")


def _other_certificate(world: Guarded, folder: Path) -> Settings:
    certificate, key = _other(folder).client("admin")
    return world.with_certificate(kafka_ssl_certificate=certificate, kafka_ssl_key=key)


def _garbage(folder: Path) -> Path:
    (folder / "garbage.pem").write_text("no certificate\n")
    return folder / "garbage.pem"


#: What is wrong, and what is said of it.
_LOGIN = "check TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD"
_TRUSTED = "set TRADEWIND_KAFKA_SSL_CA to the certificate of its authority"
_OURS = "check TRADEWIND_KAFKA_SSL_CERTIFICATE and TRADEWIND_KAFKA_SSL_KEY"
FLAWS: dict[str, tuple[Make, str]] = {
    "wrong password": (lambda world, _: world.settings(kafka_password="hunter2-wrong"), _LOGIN),
    "wrong password in plain text": (
        lambda world, _: world.with_password_only(kafka_password="hunter2-wrong"),
        _LOGIN,
    ),
    "nobody of that name": (lambda world, _: world.settings("mallory", kafka_password="hunter2-wrong"), _LOGIN),
    "no password at all": (
        lambda world, _: world.settings(kafka_security_protocol="SSL"),
        "set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_SSL",
    ),
    "wrong mechanism": (
        lambda world, _: world.settings(kafka_sasl_mechanism="SCRAM-SHA-256"),
        "it does not offer SCRAM-SHA-256; set TRADEWIND_KAFKA_SASL_MECHANISM",
    ),
    "wrong authority": (
        lambda world, folder: world.settings(kafka_ssl_ca=_other(folder).certificate),
        f"its certificate is not trusted (unable to get local issuer certificate); {_TRUSTED}",
    ),
    "the system's authorities": (lambda world, _: world.settings(kafka_ssl_ca=None), _TRUSTED),
    "another host's certificate": (
        lambda world, _: world.settings(bootstrap_servers=world.cluster.servers("ELSEWHERE")),
        "its certificate is not for 127.0.0.1; set TRADEWIND_BOOTSTRAP_SERVERS to a name that is in the certificate",
    ),
    "no certificate of ours": (
        lambda world, _: world.with_certificate(kafka_ssl_certificate=None, kafka_ssl_key=None),
        _OURS,
    ),
    "a certificate of another authority": (_other_certificate, _OURS),
    "plain text to TLS": (
        lambda world, _: world.settings(kafka_security_protocol="SASL_PLAINTEXT"),
        "it wants TLS; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_SSL",
    ),
    "TLS to plain text": (
        lambda world, _: world.settings(bootstrap_servers=world.cluster.servers("PASSWORDS")),
        "it speaks no TLS there; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT",
    ),
    "a file that is not there": (
        lambda world, folder: world.settings(kafka_ssl_ca=folder / "nowhere.pem"),
        "TRADEWIND_KAFKA_SSL_CA: ",
    ),
    "a file that is no certificate": (
        lambda world, folder: world.settings(kafka_ssl_ca=_garbage(folder)),
        "TRADEWIND_KAFKA_SSL_CA: ",
    ),
}
#: Those that a client has to find out by itself, rather than the broker.
TRUST = ("wrong authority", "the system's authorities", "another host's certificate")
CREDENTIALS = ("wrong password", "no certificate of ours", "a certificate of another authority")


@pytest.mark.parametrize("flaw", FLAWS)
def test_who_does_not_get_in_is_told_in_one_line_what_to_change(
    guarded_kafka: Guarded, tmp_path: Path, flaw: str
) -> None:
    make, expected = FLAWS[flaw]
    with pytest.raises(KafkaUnreachable) as raised:
        topics_in_kafka(make(guarded_kafka, tmp_path), timeout_s=2.5)
    said = str(raised.value)
    assert expected in said
    assert "\n" not in said
    assert "hunter2" not in said


@pytest.mark.parametrize("flaw", [*TRUST, *CREDENTIALS])
async def test_the_worker_s_client_does_not_get_in(
    guarded_kafka: Guarded, tmp_path: Path, flaw: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = FLAWS[flaw][0](guarded_kafka, tmp_path)
    with caplog.at_level(logging.DEBUG), pytest.raises(KafkaConnectionError):
        await asyncio.wait_for(Worker(settings, ["enrich"], ScriptedEngine(), CODEC).run(asyncio.Event()), DEADLINE_S)
    assert "hunter2" not in caplog.text
    if flaw in TRUST:
        assert "certificate verify failed" in caplog.text


@pytest.mark.parametrize("flaw", [*TRUST, *CREDENTIALS])
def test_librdkafka_s_clients_do_not_get_in(guarded_kafka: Guarded, tmp_path: Path, flaw: str) -> None:
    settings = FLAWS[flaw][0](guarded_kafka, tmp_path)
    delivered: list[str] = []
    publisher = Publisher(settings.kafka_client(), CODEC, delivery_timeout_s=1.0, on_delivered=delivered.append)
    publisher.publish(listing())
    told: list[Any] = []
    consumer = Consumer({**_consumer_settings(settings, accept_gap=True), "error_cb": told.append, "log_level": 0})
    try:
        with pytest.raises(KafkaException):
            consumer.list_topics(timeout=1.0)
        consumer.poll(0)
    finally:
        consumer.close()
    with pytest.raises(DeliveryFailed):
        publisher.flush(1.0)
    assert delivered == []
    if flaw in TRUST:
        assert any("certificate verify failed" in error.str() for error in told)


@pytest.mark.parametrize(
    "command",
    [
        ("worker", "--agents", "enrich"),
        ("topics", "create"),
        ("topics", "access", "--apply"),
        ("tail", "orders", "--timeout", "1"),
        ("deadletters", "ls"),
        ("status",),
    ],
    ids=" ".join,
)
def test_a_command_with_a_wrong_password_ends_with_the_line(
    guarded_kafka: Guarded, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    settings = guarded_kafka.settings(kafka_password="hunter2-wrong")
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(app, list(command))
    assert result.exit_code == 3, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert "check TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD" in result.stderr
    assert "hunter2" not in result.output
