"""What stands while a fault happens to it: Apache Kafka, ClickHouse, and our worker and sink, each a process."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.faults.wire import Wire
from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tests.support.tiny_model import write_folder
from tradewind.processes import child, sink_child
from tradewind.settings import Settings
from tradewind.stack.children import RestartPolicy
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.local import http_ready
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ChildExit, ProcessSpec, Supervisor

HOST = "127.0.0.1"
#: As an orchestrator does, but soon.
AGAIN = RestartPolicy(attempts=1000, initial_s=0.5, max_s=2.0)
SESSION_MS = 10_000
_DEADLINE_S = 180.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fault needs to stand.

    Attributes:
        workers: workers at the start; 0 where the fault is about the sink alone.
        brokers: one, or three with three replicas.
        kafka_wire, clickhouse_wire: whether workers reach Kafka, and the sink ClickHouse, over a wire that can be cut.
        registry: whether schema ids come from a registry, not from the committed file.
        agents: what the workers run.
        settings: more settings of worker and sink.
        kafka: more settings of the broker.
        kafka_folder: where the broker's data are, if not in the row's folder.
        environment: more of the environment of worker and sink.
    """

    workers: int = 0
    brokers: int = 1
    kafka_wire: bool = False
    clickhouse_wire: bool = False
    registry: bool = False
    agents: str = "answer"
    settings: dict[str, Any] = field(default_factory=dict)
    kafka: dict[str, str] = field(default_factory=dict)
    kafka_folder: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)


def until(condition: Callable[[], bool], what: str, deadline_s: float = _DEADLINE_S) -> None:
    """Wait for the condition; while ClickHouse is away it is not met.

    Raises:
        TimeoutError: it does not come about.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        with suppress(ClickHouseError):
            if condition():
                return
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}")
        time.sleep(0.05)


@dataclass
class Ground:
    """What stands, and what can be done to it.

    `settings` are the worker's, `direct` are those of whoever looks on and must not be hit by the fault.
    """

    plan: Plan
    folder: Path
    kafka: KafkaCluster
    supervisor: Supervisor
    settings: Settings
    direct: Settings
    client: Client
    kafka_wire: Wire | None
    clickhouse_wire: Wire | None
    exits: list[ChildExit]

    def worker(self, number: int) -> ProcessSpec:
        """A worker's process."""
        name = f"worker-{number}"
        spec = child(name, ["worker", "--agents", self.plan.agents], self.settings, self.logs, "tradewind_worker_ready")
        return replace(spec, restart=AGAIN, env={**spec.env, **self.plan.environment})

    def sink(self) -> ProcessSpec:
        """The sink's process."""
        spec = sink_child(self.settings, self.logs)
        return replace(spec, restart=AGAIN, env={**spec.env, **self.plan.environment})

    @property
    def logs(self) -> Path:
        """Where the processes log."""
        return self.folder / "logs"

    def pid(self, name: str) -> int:
        """The process of that name, once it runs."""
        until(lambda: name in self.supervisor.pids(), f"{name} runs")
        return self.supervisor.pids()[name]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        os.kill(self.pid(name), number)

    def ended(self, name: str) -> list[ChildExit]:
        """How often, and how, a process has ended by itself or by a fault."""
        return [each for each in self.exits if each.name == name]


def _clickhouse(folder: Path, port: int, password: str) -> ProcessSpec:
    return ProcessSpec(
        name="clickhouse",
        argv=(
            *(sys.executable, "-m", "tradewind.stack.clickhouse", "--path", str(folder / "clickhouse")),
            *("--host", HOST, "--port", str(port), "--user", "tradewind"),
        ),
        env={PASSWORD_VARIABLE: password},
        log=folder / "logs" / "clickhouse.log",
        ready=http_ready(f"http://{HOST}:{port}/ping"),
        restart=AGAIN,
    )


def _registry(folder: Path, port: int) -> ProcessSpec:
    return ProcessSpec(
        name="registry",
        argv=(sys.executable, "-m", "tradewind.stack.registry", "--host", HOST, "--port", str(port)),
        log=folder / "logs" / "registry.log",
        ready=http_ready(f"http://{HOST}:{port}/subjects"),
        restart=AGAIN,
    )


@contextmanager
def standing(plan: Plan, folder: Path) -> Iterator[Ground]:
    """All of it, ready."""
    store_port, registry_port, password = choose_port(0, HOST), choose_port(0, HOST), secrets.token_hex(8)
    write_folder(folder / "model", "llama", max_position_embeddings=8192)
    config = ClusterConfig(
        plan.kafka_folder or folder / "kafka",
        brokers=plan.brokers,
        properties={"broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000", **plan.kafka},
        heap_mb=768,
        jvm=("-XX:+UseSerialGC",),
    )
    kafka, exits = KafkaCluster(config), list[ChildExit]()
    with Wire(kafka.clients_port()) as kafka_wire, Wire(store_port) as store_wire:
        if plan.kafka_wire:
            kafka.advertised[1] = kafka_wire.port
        with kafka, Supervisor(exits.append) as supervisor:
            direct = Settings(
                data_dir=folder,
                bootstrap_servers=kafka.internal_servers,
                kafka_replication_factor=min(3, plan.brokers),
                kafka_session_timeout_ms=SESSION_MS,
                clickhouse_url=f"http://{HOST}:{store_port}",
                clickhouse_password=password,
                schema_registry_url=f"http://{HOST}:{registry_port}" if plan.registry else None,
                model=str(folder / "model"),
                model_positions=4096,
                model_threads=1,
                model_languages="xx",  # nobody's: texts come from templates, and no event waits for the model
                listing_wait_s=0.0,
                retry_longest_s=5.0,
                **plan.settings,
            )
            supervisor.start(_clickhouse(folder, store_port, password))
            if plan.registry:
                supervisor.start(_registry(folder, registry_port))
            topics.create(direct)
            migrate(direct)
            through = {"bootstrap_servers": kafka.bootstrap_servers}
            if plan.clickhouse_wire:
                through["clickhouse_url"] = f"http://{HOST}:{store_wire.port}"
            settings = direct.model_copy(update=through)
            with open_client(direct) as client:
                ground = Ground(
                    plan,
                    folder,
                    kafka,
                    supervisor,
                    settings,
                    direct,
                    client,
                    kafka_wire if plan.kafka_wire else None,
                    store_wire if plan.clickhouse_wire else None,
                    exits,
                )
                supervisor.start(*(ground.worker(number) for number in range(1, plan.workers + 1)), ground.sink())
                yield ground
