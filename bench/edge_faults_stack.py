"""What stands in `edge_faults.py`: broker, ClickHouse, sink and gateway, and devices behind links of their own."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from clickhouse_connect.driver.client import Client

from bench.edge_faults_door import Door
from bench.edge_faults_events import merchant
from bench.links import LinkEmulator, LinkUnavailable
from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from streams import topics
from streams.gateway import key_file
from streams.gateway.keys import Scope
from tests.kafka.cluster import ClusterConfig, KafkaCluster
from tests.support import waiting
from tradewind.assembly import settings_for
from tradewind.processes import gateway_child, sink_child
from tradewind.settings import Settings
from tradewind.stack.children import RestartPolicy
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ChildExit, ProcessSpec, Supervisor

AT_ONCE = RestartPolicy(attempts=1_000_000, initial_s=0.2, max_s=0.2)
LINK = "5g-sa"


@dataclass(frozen=True, slots=True)
class Options:
    """How large a run is.

    Attributes:
        events: in all, of all devices.
        devices: processes, each with a queue, a key, a merchant and a link of its own.
        seconds: in which they are put.
        stalls: of 1 to 8 s, of each link.
        outage_s: once, of all links.
        gateway_kills, device_kills: kill -9, at any moment; the latter of all devices.
        cut_percent: of the gateway's acknowledging answers.
        pushed: messages that each device must receive.
        kafka: on Apache Kafka instead of the embedded broker; 0 or 1.
    """

    events: int = 100_000
    devices: int = 4
    seconds: int = 240
    stalls: int = 10
    outage_s: int = 60
    gateway_kills: int = 10
    device_kills: int = 20
    cut_percent: int = 5
    pushed: int = 1_000
    kafka: int = 0
    seed: int = 1

    @property
    def each(self) -> int:
        """Events of a device."""
        return self.events // self.devices


class Way:
    """A device's way to the gateway: packets over an emulated link, or where that is not allowed a proxy alone."""

    def __init__(self, stack: ExitStack, gateway_port: int, cut_share: float, seed: int) -> None:
        self.emulator: LinkEmulator | None = None
        try:
            self.emulator = stack.enter_context(LinkEmulator(LINK, seed=seed))
        except LinkUnavailable as why:
            self.why = str(why)
        host = self.emulator.host_address if self.emulator else "127.0.0.1"
        self.door = stack.enter_context(Door(host, gateway_port, cut_share, seed))
        self.url = f"http://{host}:{self.door.port}"
        self._lock = threading.Lock()

    def stall(self, seconds: float) -> None:
        """Let everything stand still, and then come at once."""
        with self._lock:
            self.emulator.stall(seconds) if self.emulator else self.door.hold(seconds)

    def outage(self, seconds: float) -> None:
        """Let packets be lost; without packets, let everything stand still."""
        with self._lock:
            self.emulator.outage(seconds) if self.emulator else self.door.hold(seconds)

    def command(self, argv: list[str]) -> tuple[str, ...]:
        """What runs a command at the far end."""
        return tuple(self.emulator.phone_command(argv)) if self.emulator else tuple(argv)


@dataclass
class Run:
    """What stands while faults happen to it."""

    options: Options
    settings: Settings
    supervisor: Supervisor
    client: Client
    folder: Path
    ways: list[Way]
    exits: list[ChildExit] = field(default_factory=list)

    def device_folder(self, device: int) -> Path:
        """Where a device keeps what it has."""
        return self.folder / f"device-{device}"

    def kill(self, name: str) -> None:
        """kill -9 a child, and wait until it runs again."""
        until(lambda: name in self.supervisor.pids(), f"{name} runs")
        before = self.supervisor.pids()[name]
        os.kill(before, signal.SIGKILL)
        until(lambda: self.supervisor.pids().get(name, before) != before, f"{name} is started again")

    def stored(self) -> int:
        """Different events in the table."""
        return int(self.client.query("SELECT uniqExact(event_id) FROM orders").result_rows[0][0])


def until(condition: Callable[[], bool], what: str, deadline_s: float = 90.0) -> None:
    """As `waiting.until`, asking often."""
    waiting.until(condition, what, deadline_s, poll_s=0.02)


@contextmanager
def standing(options: Options, folder: Path) -> Iterator[Run]:
    """All of it, ready; the devices have begun.

    Raises:
        KafkaMissing: Apache Kafka was asked for, and Java, Maven or its registry is not to be had.
    """
    with ExitStack() as stack:
        password = f"{random.SystemRandom().getrandbits(64)}"
        local = stack.enter_context(LocalStack(StackConfig(folder / "stack", clickhouse_password=password)))
        settings = settings_for(Settings(data_dir=folder / "stack"), local.endpoints)
        port = choose_port(0, "127.0.0.1")
        settings = settings.model_copy(update={"gateway_port": port, "sink_batch_s": 0.5})
        if options.kafka:
            cluster = stack.enter_context(KafkaCluster(ClusterConfig(folder / "kafka", heap_mb=768)))
            settings = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
        topics.create(settings)
        migrate(settings)
        exits: list[ChildExit] = []
        client = stack.enter_context(open_client(settings))
        ways = [
            Way(stack, port, options.cut_percent / 100, options.seed * 100 + device)
            for device in range(options.devices)
        ]
        supervisor = stack.enter_context(Supervisor(exits.append))
        children = [gateway_child(settings, folder / "logs"), sink_child(settings, folder / "logs")]
        supervisor.start(*(replace(child, restart=AT_ONCE) for child in children))
        run = Run(options, settings, supervisor, client, folder, ways, exits)
        for device, way in enumerate(ways):
            supervisor.start(_device(run, device, way))
        yield run


def _device(run: Run, device: int, way: Way) -> ProcessSpec:
    options, folder = run.options, run.device_folder(device)
    folder.mkdir()
    _, key = key_file.create(
        run.settings.gateway_keys_file,
        merchant_id=merchant(device),
        scopes=[Scope.PUBLISH, Scope.READ],
        label=f"device {device}",
        events_per_s=1e5,
    )
    (folder / "key").write_text(key, encoding="utf-8")
    argv = [sys.executable, "-m", "bench.edge_faults_device", "--device", str(device), "--events", str(options.each)]
    argv += ["--seed", str(options.seed), "--rate", str(options.each / options.seconds), "--url", way.url]
    return ProcessSpec(
        name=f"device-{device}",
        argv=way.command([*argv, "--folder", str(folder)]),
        log=run.folder / "logs" / f"device-{device}.log",
        restart=AT_ONCE,
    )
