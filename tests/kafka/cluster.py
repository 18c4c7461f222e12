"""Apache Kafka in KRaft mode, as many brokers as are wanted, on free ports of this machine.

Each broker is its own controller too, so three of them stand the loss of one. Two listeners are open: CLIENTS, with
whatever protocol a test wants to see, and BROKERS in plain text, for the brokers among themselves and for what a test
has to arrange; who comes in there may do everything. A test may ask for more of them, such as one with a certificate
of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kafka.jars import KafkaMissing, kafka_jars, pinned_version
from tradewind.stack.children import NEVER, log_tail
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ProcessSpec, Supervisor

__all__ = ["ClusterConfig", "KafkaCluster", "KafkaMissing"]

_HOST = "127.0.0.1"
_CLUSTER_ID = "dHJhZGV3aW5kLXRlc3RzIQ"  # of 16 bytes, as Kafka below 3.5 wants it
_QUICK_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass(frozen=True, slots=True)
class Listener:
    """One more way in for clients.

    Attributes:
        name: in capitals; `KafkaCluster.servers` takes it.
        protocol: such as SSL.
        properties: Kafka's settings for this listener alone, such as `ssl.client.auth`.
    """

    name: str
    protocol: str
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """What kind of cluster.

    Attributes:
        folder: for data, settings and logs.
        brokers: one or three.
        version: of Apache Kafka.
        protocol: of the listener for clients, such as SASL_SSL.
        listeners: more ways in for clients.
        properties: more of Kafka's settings, for every broker.
        scram: SCRAM-SHA-512 users and their passwords.
        heap_mb: of each broker.
        jvm: options of Java, where throughput counts `()`: the usual ones are for a quick start.
    """

    folder: Path
    brokers: int = 1
    version: str = field(default_factory=pinned_version)
    protocol: str = "PLAINTEXT"
    listeners: tuple[Listener, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    scram: Mapping[str, str] = field(default_factory=dict)
    heap_mb: int = 512
    jvm: tuple[str, ...] = _QUICK_JVM


@dataclass(frozen=True, slots=True)
class _Broker:
    number: int
    clients_port: int
    brokers_port: int
    controller_port: int
    more_ports: Mapping[str, int]


@final
class KafkaCluster:
    """Brokers that run; use as a context manager. Brokers are numbered from 1.

    Raises:
        KafkaMissing: Java, Maven or its registry is not to be had.
        StartFailed: a broker does not come up; the message quotes its log.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config
        self._jars = kafka_jars(config.version)
        more = [listener.name for listener in config.listeners]
        self._brokers: list[_Broker] = []
        for number in range(1, config.brokers + 1):
            clients, brokers, controller, *others = _free_ports(3 + len(more))
            ports = dict(zip(more, others, strict=True))
            self._brokers.append(_Broker(number, clients, brokers, controller, ports))
        self._supervisor = Supervisor(lambda ended: None)
        #: By broker, the port that clients are told to come in by, where that is another than it listens on.
        self.advertised: dict[int, int] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Where clients come in."""
        return ",".join(
            f"{_HOST}:{self.advertised.get(broker.number, broker.clients_port)}" for broker in self._brokers
        )

    def servers(self, listener: str) -> str:
        """Where clients come in by that one of the `listeners`."""
        return ",".join(f"{_HOST}:{broker.more_ports[listener]}" for broker in self._brokers)

    def clients_port(self, number: int = 1) -> int:
        """Where a broker listens for clients, advertised or not."""
        return self._brokers[number - 1].clients_port

    @property
    def internal_servers(self) -> str:
        """Where everything is allowed, in plain text."""
        return ",".join(f"{_HOST}:{broker.brokers_port}" for broker in self._brokers)

    def __enter__(self) -> KafkaCluster:
        for broker in self._brokers:
            self._format(broker)
        self._supervisor.start(*(self._spec(broker) for broker in self._brokers))
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop()

    def pid(self, number: int = 1) -> int:
        """The broker's process id."""
        return self._supervisor.pids()[_name(number)]

    def runs(self, number: int = 1) -> bool:
        """Whether the broker has not ended."""
        return _name(number) in self._supervisor.pids()

    def kill(self, number: int = 1) -> None:
        """kill -9 a broker; returns when it is gone."""
        pid = self.pid(number)
        os.kill(pid, signal.SIGKILL)
        while self._supervisor.pids().get(_name(number)) == pid:
            self._supervisor.wait(0.05)

    def start(self, number: int = 1) -> None:
        """Start a broker again on its data; returns when it serves."""
        self._supervisor.start(self._spec(self._brokers[number - 1]))

    def log(self, number: int = 1) -> str:
        """The end of a broker's log."""
        return log_tail(self.config.folder / f"{_name(number)}.log")

    def _format(self, broker: _Broker) -> None:
        """Prepare the broker's folder, as `kafka-storage format` does."""
        path = self._settings_file(broker)
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = self._properties(broker)
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
        users = [f"SCRAM-SHA-512=[name={user},password={word}]" for user, word in self.config.scram.items()]
        added = [word for user in users for word in ("--add-scram", user)]
        done = subprocess.run(
            (*self._java("kafka.tools.StorageTool"), "format", "-t", _CLUSTER_ID, "-c", str(path), *added),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage was not formatted: {done.stdout}{done.stderr}")

    def _spec(self, broker: _Broker) -> ProcessSpec:
        path = self._settings_file(broker)
        return ProcessSpec(
            name=_name(broker.number),
            argv=(*self._java("kafka.Kafka"), str(path)),
            log=path.with_suffix(".log"),
            ready=_registered(broker),
            ready_timeout_s=90.0,
            stop_grace_s=0.0,  # its data go with the test
            restart=NEVER,
        )

    def _java(self, main: str) -> tuple[str, ...]:
        heap = f"-Xmx{self.config.heap_mb}m"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return ("java", heap, *self.config.jvm, quiet, "-cp", f"{self._jars}/*", main)

    def _settings_file(self, broker: _Broker) -> Path:
        return self.config.folder / f"{_name(broker.number)}.properties"

    def _properties(self, broker: _Broker) -> dict[str, str]:
        come_in = self.advertised.get(broker.number, broker.clients_port)
        replicas = str(min(3, self.config.brokers))
        in_sync = "2" if self.config.brokers >= 3 else "1"
        clients, brokers = f"CLIENTS://{_HOST}:{broker.clients_port}", f"BROKERS://{_HOST}:{broker.brokers_port}"
        more = "".join(f",{name}://{_HOST}:{port}" for name, port in broker.more_ports.items())
        own = {
            f"listener.name.{listener.name.lower()}.{name}": value
            for listener in self.config.listeners
            for name, value in listener.properties.items()
        }
        return {
            "process.roles": "broker,controller",
            "node.id": str(broker.number),
            "controller.quorum.voters": ",".join(
                f"{each.number}@{_HOST}:{each.controller_port}" for each in self._brokers
            ),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{clients},{brokers}{more},CONTROLLER://{_HOST}:{broker.controller_port}",
            "advertised.listeners": f"CLIENTS://{_HOST}:{come_in},{brokers}{more}",
            "listener.security.protocol.map": ",".join(
                (
                    *(f"CLIENTS:{self.config.protocol}", "BROKERS:PLAINTEXT", "CONTROLLER:PLAINTEXT"),
                    *(f"{listener.name}:{listener.protocol}" for listener in self.config.listeners),
                )
            ),
            "inter.broker.listener.name": "BROKERS",
            "log.dirs": str(self.config.folder / f"{_name(broker.number)}-data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.num.partitions": "4",
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            # Tests have short sessions and do not wait for more members to come.
            "group.min.session.timeout.ms": "1000",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker may come again when its old session has ended; nine seconds, usually.
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "3000",
            **own,
            **self.config.properties,
        }


def _name(number: int) -> str:
    return f"kafka-{number}"


def _free_ports(count: int) -> list[int]:
    ports: list[int] = []
    while len(ports) < count:
        port = choose_port(0, _HOST)
        if port not in ports:
            ports.append(port)
    return ports


def _registered(broker: _Broker) -> Callable[[], str | None]:
    """A check that is ready once the broker itself says that it is one of the cluster's."""

    def check() -> str | None:
        silent = {"log_level": 0, "error_cb": lambda error: None}
        admin = AdminClient({"bootstrap.servers": f"{_HOST}:{broker.brokers_port}", **silent})
        try:
            there = admin.list_topics(timeout=1.0).brokers
        except KafkaException:
            return f"an answer on port {broker.brokers_port}"
        return None if broker.number in there else "its registration"

    return check
