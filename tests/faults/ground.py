"""What stands while a fault happens to it: Apache Kafka, ClickHouse, and our worker and sink, each a process."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.faults.load import publish_listings
from tests.faults.shifted_clock import ShiftedClock
from tests.faults.small_disk import small_disk
from tests.faults.wire import Wire
from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tests.support import waiting
from tests.support.tiny_model import write_folder
from tradewind.processes import child, sink_child
from tradewind.settings import Settings
from tradewind.stack.children import NEVER, RestartPolicy
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.local import http_ready
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ChildExit, ProcessSpec, Supervisor

HOST = "127.0.0.1"
#: As an orchestrator does, but soon.
AGAIN = RestartPolicy(attempts=1000, initial_s=0.5, max_s=2.0)
SESSION_MS = 10_000
WORKER_READY = "tradewind_worker_ready"
#: Nobody's language: texts come from templates, and no event waits for the model.
NOBODYS = "xx"
#: Where a worker that is made to fail finds out whether to.
FOLDER_VARIABLE = "FAULTS_FOLDER"
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
        small_disk_mib: size of the broker's disk, where it is to be a small one.
        shifted_clock: whether worker and sink have a clock that can be set.
        away_s: how long ClickHouse and the registry stay away when they are killed.
        restarts: whether worker and sink start again by themselves.
        worker_module: what runs as a worker.
    """

    workers: int = 0
    brokers: int = 1
    kafka_wire: bool = False
    clickhouse_wire: bool = False
    registry: bool = False
    agents: str = "answer"
    settings: dict[str, Any] = field(default_factory=dict)
    small_disk_mib: int | None = None
    shifted_clock: bool = False
    away_s: float = 0.5
    restarts: bool = True
    worker_module: str = "tradewind"


def until(condition: Callable[[], bool], what: str, deadline_s: float = _DEADLINE_S) -> None:
    """As `waiting.until`, with the patience of the matrix."""
    waiting.until(condition, what, deadline_s)


@dataclass
class Ground:
    """What stands, and what can be done to it.

    `settings` are the worker's and `sink_settings` the sink's; `direct` are those of whoever looks on and must not be
    hit by the fault.
    """

    plan: Plan
    folder: Path
    kafka: KafkaCluster
    supervisor: Supervisor
    settings: Settings
    sink_settings: Settings
    direct: Settings
    client: Client
    kafka_wire: Wire
    clickhouse_wire: Wire
    exits: list[ChildExit]
    disk: Path | None = None
    clock: ShiftedClock | None = None

    def start_worker(self, number: int) -> None:
        """Start a worker, and wait until it is ready."""
        spec = child(
            f"worker-{number}", ["worker", "--agents", self.plan.agents], self.settings, self.logs, WORKER_READY
        )
        argv = tuple(self.plan.worker_module if word == "tradewind" else word for word in spec.argv)
        self.supervisor.start(replace(self._ours(spec), argv=argv))

    def start_sink(self) -> None:
        """Start the sink, and wait until it is ready."""
        self.supervisor.start(self._ours(sink_child(self.sink_settings, self.logs)))

    def _ours(self, spec: ProcessSpec) -> ProcessSpec:
        clock = self.clock.environment if self.clock is not None else {}
        folder = {FOLDER_VARIABLE: str(self.folder)}
        return replace(spec, restart=AGAIN if self.plan.restarts else NEVER, env={**spec.env, **clock, **folder})

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

    def stop(self, name: str) -> None:
        """Ask a process to end, and wait until it has."""
        before = len(self.ended(name))
        self.signal(name, signal.SIGTERM)
        until(lambda: len(self.ended(name)) > before, f"{name} ends after SIGTERM")


def _clickhouse(folder: Path, port: int, password: str, restart: RestartPolicy) -> ProcessSpec:
    return ProcessSpec(
        name="clickhouse",
        argv=(
            *(sys.executable, "-m", "tradewind.stack.clickhouse", "--path", str(folder / "clickhouse")),
            *("--host", HOST, "--port", str(port), "--user", "tradewind"),
        ),
        env={PASSWORD_VARIABLE: password},
        log=folder / "logs" / "clickhouse.log",
        ready=http_ready(f"http://{HOST}:{port}/ping"),
        restart=restart,
    )


def _registry(folder: Path, port: int, restart: RestartPolicy) -> ProcessSpec:
    return ProcessSpec(
        name="registry",
        argv=(sys.executable, "-m", "tradewind.stack.registry", "--host", HOST, "--port", str(port)),
        log=folder / "logs" / "registry.log",
        ready=http_ready(f"http://{HOST}:{port}/subjects"),
        restart=restart,
    )


@contextmanager
def standing(plan: Plan, folder: Path) -> Iterator[Ground]:
    """All of it, ready.

    Raises:
        KafkaMissing, NoSmallDisk, NoShiftedClock: the fault can't be made here; the message says why.
    """
    store_port, registry_port, password = choose_port(0, HOST), choose_port(0, HOST), secrets.token_hex(8)
    write_folder(folder / "model", "llama", max_position_embeddings=8192)
    away = RestartPolicy(attempts=1000, initial_s=plan.away_s, max_s=plan.away_s)
    exits = list[ChildExit]()
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "disk", plan.small_disk_mib)) if plan.small_disk_mib else None
        kafka = KafkaCluster(_cluster(plan, disk or folder / "kafka"))
        kafka_wire = stack.enter_context(Wire(kafka.clients_port()))
        store_wire = stack.enter_context(Wire(store_port))
        if plan.kafka_wire:
            kafka.advertised[1] = kafka_wire.port
        stack.enter_context(kafka)
        supervisor = stack.enter_context(Supervisor(exits.append))
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
            listing_wait_s=0.0,
            retry_longest_s=5.0,
            **{"model_languages": NOBODYS, **plan.settings},
        )
        supervisor.start(_clickhouse(folder, store_port, password, away))
        if plan.registry:
            supervisor.start(_registry(folder, registry_port, away))
        topics.create(direct)
        migrate(direct)
        if plan.agents == "answer":
            publish_listings(direct)
        store_url = f"http://{HOST}:{store_wire.port}" if plan.clickhouse_wire else direct.clickhouse_url
        ground = Ground(
            plan,
            folder,
            kafka,
            supervisor,
            direct.model_copy(update={"bootstrap_servers": kafka.bootstrap_servers}),
            direct.model_copy(update={"clickhouse_url": store_url}),
            direct,
            stack.enter_context(open_client(direct)),
            kafka_wire,
            store_wire,
            exits,
            disk,
            ShiftedClock(folder / "clock") if plan.shifted_clock else None,
        )
        ground.start_sink()
        for number in range(1, plan.workers + 1):
            ground.start_worker(number)
        yield ground


def _cluster(plan: Plan, folder: Path) -> ClusterConfig:
    properties = {"broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000"}
    if plan.small_disk_mib:  # index files are of a set size, for each partition of each topic
        properties |= {"log.index.size.max.bytes": "65536", "log.segment.bytes": str(8 * 2**20)}
    return ClusterConfig(
        folder, brokers=plan.brokers, properties=properties, heap_mb=768, jvm=("-XX:+UseSerialGC", "-Xshare:auto")
    )
