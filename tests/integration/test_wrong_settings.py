"""What `tradewind worker` and `tradewind sink` say when they can't start, and how soon: the commands themselves.

Each ends with one line on standard error that names the setting. The seconds are printed (`pytest -rP`), not asserted.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from streams import topics
from tests.kafka.cluster import ClusterConfig, KafkaCluster, KafkaMissing
from tests.kafka.old import OldKafka
from tests.support.stack import ClickHouseEndpoint, start_kafka
from tests.tradewind.cli.registries import answering, committed_folder, read_only
from tradewind.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.slow_kafka, pytest.mark.timeout(240)]

SECRET = "open-sesame-7319"
DEADLINE_S = 60.0  # of a process; the machine may be busy, the promise is 15 s on one that is not
NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Case:
    """A start that can't succeed.

    Attributes:
        change: variables that are wrong, without their TRADEWIND_.
        line: what the one line must match.
        code: how the process ends.
    """

    change: dict[str, str]
    line: str
    code: int = 3
    agents: str = "enrich"


KAFKA = {
    "a wrong password": Case({"KAFKA_PASSWORD": "wrong"}, "refuses the user worker; .*TRADEWIND_KAFKA_PASSWORD"),
    "an unknown user": Case({"KAFKA_USERNAME": "nobody"}, "refuses the user nobody; .*TRADEWIND_KAFKA_USERNAME"),
    "no user at all": Case({"KAFKA_USERNAME": ""}, "needs a user; set TRADEWIND_KAFKA_USERNAME"),
    "a mechanism that the listener lacks": Case(
        {"KAFKA_SASL_MECHANISM": "PLAIN"}, "does not offer PLAIN; set TRADEWIND_KAFKA_SASL_MECHANISM"
    ),
    "no SASL to a listener that wants it": Case(
        {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        "without a user; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT, with TRADEWIND_KAFKA_USERNAME",
    ),
    "TLS to a listener without": Case(
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "no TLS there; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT"
    ),
    "a file of authorities that is not there": Case(
        {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SSL_CA": "/nowhere/ca.pem"},
        "TRADEWIND_KAFKA_SSL_CA: /nowhere/ca.pem can't be used: No such file",
    ),
    "nobody listens": Case({"BOOTSTRAP_SERVERS": NOWHERE}, "no answer from Kafka at .*TRADEWIND_BOOTSTRAP_SERVERS"),
    "a host that nobody knows": Case(
        {"BOOTSTRAP_SERVERS": "kafka.invalid:9092"}, "no host is called kafka.invalid.*TRADEWIND_BOOTSTRAP_SERVERS"
    ),
    "another count of partitions": Case({"PARTITIONS": "5"}, "TRADEWIND_PARTITIONS says 5", code=1),
}
REGISTRY = {
    "nobody listens": Case(
        {"SCHEMA_REGISTRY_URL": f"http://{NOWHERE}"},
        "no answer from the schema registry.*TRADEWIND_SCHEMA_REGISTRY_URL",
    ),
}
OTHERS = {
    "a model that is not there": Case(
        {"MODEL": "/nowhere/model.gguf"}, "/nowhere/model.gguf: missing.*TRADEWIND_MODEL"
    ),
    "an adapter that is not there": Case(
        {"MODEL_ADAPTER": "/nowhere/a.safetensors"}, "no such file; set TRADEWIND_MODEL_ADAPTER"
    ),
    "a value that a setting can't have": Case({"METRICS_PORT": "many"}, "TRADEWIND_METRICS_PORT: .*integer", code=2),
}
CLICKHOUSE = {
    "a wrong password": Case(
        {"CLICKHOUSE_PASSWORD": "wrong"},
        "TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD",
        3,
        "insights",
    ),
}


@dataclass
class Ground:
    """Where everything is as it should be, until a case changes something."""

    environment: dict[str, str] = field(repr=False)

    def start(self, command: str, case: Case) -> str:
        """Run it to its end; gives the line that it said."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRADEWIND_")}
        changed = {f"TRADEWIND_{name}": value for name, value in case.change.items()}
        options = ["--agents", case.agents] if command == "worker" else []
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "tradewind", command, *options],
            env=clean | self.environment | changed,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        seconds = time.perf_counter() - started
        said = done.stderr.splitlines()
        print(f"{seconds:5.1f} s  {command:6}  exit {done.returncode}  {' | '.join(said)}")
        assert SECRET not in done.stdout + done.stderr
        (line,) = said
        assert line.startswith("error: ")
        assert done.returncode == case.code
        return line


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A broker that lets in the user `worker` only, with our topics."""
    config = ClusterConfig(
        tmp_path_factory.mktemp("kafka"),
        protocol="SASL_PLAINTEXT",
        scram={"worker": SECRET},
        properties={
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        },
    )
    with start_kafka(config) as cluster:
        topics.create(Settings(bootstrap_servers=cluster.internal_servers))
        yield cluster


@pytest.fixture(scope="module")
def ground(
    secured: KafkaCluster, clickhouse: ClickHouseEndpoint, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Ground:
    """Settings with which both commands start."""
    right = {
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "BOOTSTRAP_SERVERS": secured.bootstrap_servers,
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_USERNAME": "worker",
        "KAFKA_PASSWORD": SECRET,
        "MODEL": str(tiny_model),
        "CLICKHOUSE_URL": clickhouse.url,
        "CLICKHOUSE_USERNAME": clickhouse.user,
        "CLICKHOUSE_PASSWORD": clickhouse.password,
        "CLICKHOUSE_DATABASE": clickhouse.database,
    }
    return Ground({f"TRADEWIND_{name}": value for name, value in right.items()})


@pytest.mark.parametrize("name", KAFKA)
@pytest.mark.parametrize("command", ["worker", "sink"])
def test_kafka(ground: Ground, command: str, name: str) -> None:
    if command == "sink" and name == "another count of partitions":
        pytest.skip("the sink takes topics as they are")
    assert re.search(KAFKA[name].line, ground.start(command, KAFKA[name]))


def test_a_missing_topic(ground: Ground, secured: KafkaCluster) -> None:
    admin = AdminClient({"bootstrap.servers": secured.internal_servers})
    admin.delete_topics(["orders.v1"])["orders.v1"].result(30)
    try:
        for command in ("worker", "sink"):
            line = ground.start(command, Case({}, "", code=1))
            assert "Kafka has no topic orders.v1; create them: tradewind topics create" in line
            assert "TRADEWIND_KAFKA_USERNAME" in line
    finally:
        topics.create(Settings(bootstrap_servers=secured.internal_servers))


@pytest.mark.parametrize("version", ["0.9.0.1", "0.10.2.2"])
def test_a_broker_that_is_too_old(ground: Ground, tmp_path: Path, version: str) -> None:
    """0.9 does not know the first question of today's clients and keeps silent; 0.10 does, and knows no headers."""
    plain = {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}
    try:
        old = OldKafka(tmp_path, version)
    except KafkaMissing as why:
        pytest.skip(str(why))
    with old:
        for command in ("worker", "sink"):
            line = ground.start(command, Case({"BOOTSTRAP_SERVERS": old.bootstrap_servers, **plain}, ""))
            assert "speaks the protocol of a Kafka before 0.11; set TRADEWIND_BOOTSTRAP_SERVERS" in line


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of an authority's certificate, and of a broker's and a client's, each with its key in the same file."""
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name, identity in (("broker", "127.0.0.1"), ("client", "worker@example.invalid")):
        issued = authority.issue_cert(identity)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        # Kafka reads no other form of a key.
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(pem + b"".join(part.bytes() for part in issued.cert_chain_pems))
    return {name: str(folder / f"{name}.pem") for name in ("ca", "broker", "client")}


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory: pytest.TempPathFactory, certificates: dict[str, str]) -> Iterator[KafkaCluster]:
    """A broker that wants TLS, and a certificate of ours."""
    ssl = {
        "keystore.type": "PEM",
        "keystore.location": certificates["broker"],
        "truststore.type": "PEM",
        "truststore.location": certificates["ca"],
        "client.auth": "required",
    }
    properties = {f"listener.name.clients.ssl.{name}": value for name, value in ssl.items()}
    with start_kafka(ClusterConfig(tmp_path_factory.mktemp("kafka"), protocol="SSL", properties=properties)) as cluster:
        yield cluster


TLS = {
    "without TLS": ({"SECURITY_PROTOCOL": "PLAINTEXT"}, "it wants TLS; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SSL"),
    "without TLS, with a user": ({}, "it wants TLS; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
    "an authority that is not trusted": (
        {"SECURITY_PROTOCOL": "SSL"},
        r"its certificate is not trusted \(.*set TRADEWIND_KAFKA_SSL_CA",
    ),
    "no certificate": (
        {"SECURITY_PROTOCOL": "SSL", "SSL_CA": "ca"},
        "check TRADEWIND_KAFKA_SSL_CERTIFICATE and TRADEWIND_KAFKA_SSL_KEY",
    ),
    "a user where none is taken": (
        {"SECURITY_PROTOCOL": "SASL_SSL", "SSL_CA": "ca", "SSL_CERTIFICATE": "client"},
        "takes no users there; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SSL",
    ),
    "topics": ({"SECURITY_PROTOCOL": "SSL", "SSL_CA": "ca", "SSL_CERTIFICATE": "client"}, "Kafka has no topic"),
}


@pytest.mark.parametrize("name", TLS)
def test_tls(ground: Ground, with_tls: KafkaCluster, certificates: dict[str, str], name: str) -> None:
    """The last one has everything right, and so comes as far as the topics, which nobody has made here."""
    given, line = TLS[name]
    change = {f"KAFKA_{key}": certificates.get(value, value) for key, value in given.items()}
    case = Case({"BOOTSTRAP_SERVERS": with_tls.bootstrap_servers, **change}, line, code=1 if name == "topics" else 3)
    assert re.search(line, ground.start("worker", case))


@pytest.mark.parametrize("command", ["worker", "sink"])
@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (401, '{"error_code": 401, "message": "Unauthorized"}', "refuses us .*TRADEWIND_SCHEMA_REGISTRY_PASSWORD"),
        (404, "<html>no such page</html>", r"is no schema registry \(HTTP 404\); check TRADEWIND_SCHEMA_REGISTRY_URL"),
        (200, "<html>welcome</html>", r"is no schema registry \(no JSON\); check TRADEWIND_SCHEMA_REGISTRY_URL"),
    ],
)
def test_a_registry_that_does_not_serve_us(ground: Ground, command: str, status: int, body: str, line: str) -> None:
    with answering(status, body) as url:
        assert re.search(line, ground.start(command, Case({"SCHEMA_REGISTRY_URL": url}, "")))


@pytest.mark.parametrize("command", ["worker", "sink"])
def test_a_registry_without_our_records(ground: Ground, command: str, tmp_path: Path) -> None:
    with read_only(committed_folder(tmp_path, {})) as url:
        line = ground.start(command, Case({"SCHEMA_REGISTRY_URL": url}, "", code=1))
    assert "register it: tradewind schemas push" in line


@pytest.mark.parametrize("command", ["worker", "sink"])
def test_no_registry(ground: Ground, command: str) -> None:
    line = ground.start(command, Case({"SCHEMA_REGISTRY_URL": f"http://{NOWHERE}"}, ""))
    assert "no answer from the schema registry" in line
    assert "check TRADEWIND_SCHEMA_REGISTRY_URL" in line


@pytest.mark.parametrize("name", OTHERS)
def test_the_model_and_other_settings(ground: Ground, name: str) -> None:
    assert re.search(OTHERS[name].line, ground.start("worker", OTHERS[name]))


def test_policies_with_a_slip_of_the_pen(ground: Ground, tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text('{"m-1": {"returns": "30 days"},}', encoding="utf-8")
    line = ground.start("worker", Case({"POLICIES": str(file)}, "", code=2))
    assert f"{file} is no JSON" in line
    assert "TRADEWIND_POLICIES" in line


@pytest.mark.parametrize("command", ["worker", "sink"])
def test_a_wrong_password_of_clickhouse(ground: Ground, command: str) -> None:
    line = ground.start(command, Case({"CLICKHOUSE_PASSWORD": "wrong"}, "", agents="insights"))
    assert "check TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD" in line


def test_a_sink_without_clickhouse(ground: Ground) -> None:
    line = ground.start("sink", Case({"CLICKHOUSE_URL": f"http://{NOWHERE}"}, ""))
    assert "no answer from ClickHouse; check TRADEWIND_CLICKHOUSE_URL" in line


def test_a_sink_whose_clickhouse_is_silent(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        line = ground.start("sink", Case({"CLICKHOUSE_URL": url}, ""))
    assert "no answer from ClickHouse; check TRADEWIND_CLICKHOUSE_URL" in line
