"""Drafts pushed to thousands of devices by one gateway process, on one machine, with the broker and the devices on it.

    python -m bench.edge_push [--devices N] [--seconds S] [--only websocket|sse|peer] [--embedded]

Devices connect and stay; drafts for their merchants go onto `answers-drafted.v1` of a real Apache Kafka, and each wait
is from the moment before a draft is encoded to the moment at which a device has it. Then the gateway is killed with
SIGKILL and started again while drafts go on: all devices come back with their cursors, and what each got is compared
with what was made. Beside it, without a return, what one writes first: a consumer, Starlette and Uvicorn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from bench import engine_machine
from bench.edge_push_devices import Crowd, crowd
from bench.edge_push_load import Load, merchant
from bench.latency_figures import percentile
from bench.on_kafka import ordinary
from streams import topics
from streams.gateway import key_file
from streams.gateway.keys import Scope
from tests.kafka.cluster import KafkaCluster
from tests.support import waiting
from tests.support.processes import cpu_s, memory_mb
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.ports import choose_port

RESULTS = Path(__file__).parent / "results" / "edge-push.json"
DEVICES_OF_A_MERCHANT = 10
#: Messages a second; each goes to all devices of its merchant.
PACES = (50, 500)
_READY_S = 60.0
_HOST = "127.0.0.1"

Figures = dict[str, Any]


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def until(condition: Callable[[], bool], what: str, within_s: float) -> float:
    """Wait for it; gives how long that took."""
    began = time.monotonic()
    waiting.until(condition, what, within_s)
    return time.monotonic() - began


def _rss_bytes(server: Server) -> float:
    return memory_mb(server.pid) * 2**20


@dataclass
class Server:
    """A process that serves streams, and where."""

    name: str
    settings: Settings
    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    metrics_port: int = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> float:
        """Start it; gives how long it took to be ready."""
        self.metrics_port = choose_port(0, _HOST)
        change = {"gateway_port": self.port, "metrics_port": self.metrics_port, "log_format": "json"}
        environment = {**os.environ, **self.settings.model_copy(update=change).environment()}
        ours = ["-m", "tradewind", "gateway"]
        command = ours if self.name == "gateway" else ["-m", "bench.edge_push_peer", str(self.port)]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *command], env=environment, stdout=log, stderr=log)

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / f"{self.name}.log").read_text()[-3000:]
            try:
                with urlopen(f"http://{_HOST}:{self.port}/readyz", timeout=1) as answer:
                    return bool(answer.status == 200)
            except URLError as error:  # an HTTP error is one: the peer has no such page, and answers all the same
                return self.name != "gateway" and hasattr(error, "code")
            except OSError:
                return False

        return until(answers, f"{self.name} is ready", _READY_S)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def started(server: Server) -> Iterator[Server]:
    """A server that runs, and is killed at the end."""
    server.start()
    try:
        yield server
    finally:
        server.kill()


def waits(values_s: list[float]) -> Figures:
    """Figures of waits."""
    found: Figures = {"count": len(values_s)}
    for share in (0.5, 0.95, 0.99):
        found[f"p{share * 100:g}_ms"] = round(percentile(values_s, share) * 1000, 1) if values_s else None
    return found | {"max_ms": round(max(values_s) * 1000, 1) if values_s else None}


def connect(server: Server, crowd_: Crowd, devices: int) -> Figures:
    """Wait until all are connected; what they take."""
    took_s = until(lambda: crowd_.tell().greeted >= devices, f"{devices} devices are greeted", 120)
    time.sleep(2)
    return {"devices": devices, "connected_in_s": round(took_s, 1), "refused": dict(crowd_.tell().refused)}


def push(server: Server, crowd_: Crowd, load: Load, pace: int, seconds: float) -> Figures:
    """Push at a pace; waits of all pushes in that time, and the processor's part."""
    load.pace(pace)
    time.sleep(5)  # what a process warms up but once
    crowd_.tell("forget waits")
    cpu, began = cpu_s(server.pid), time.monotonic()
    time.sleep(seconds)
    used = (cpu_s(server.pid) - cpu) / (time.monotonic() - began)
    found = waits(crowd_.tell().waits_s)
    load.pace(0)
    time.sleep(1)
    rate = round(found["count"] / seconds)
    return {"messages_s": pace, "pushes_s": rate, **found, "cores_used": round(used, 2), "rss_mb": _mb(server)}


def storm(server: Server, crowd_: Crowd, load: Load, devices: int, pace: int) -> Figures:
    """Kill the gateway while drafts go on, start it again, and count what the devices got when all is quiet."""
    load.pace(pace)
    time.sleep(2)
    crowd_.tell("forget greetings")
    made_before = sum(load.made)
    server.kill()
    killed_at = time.monotonic()
    server.start()
    ready_s = time.monotonic() - killed_at
    until(lambda: crowd_.tell().resumed >= devices, "all devices are back", 120)
    back_s = time.monotonic() - killed_at
    time.sleep(3)
    load.flush()
    made_meanwhile = sum(load.made) - made_before
    settled(crowd_)
    return {
        "devices": devices,
        "messages_s": pace,
        "ready_again_s": round(ready_s, 1),
        "all_back_s": round(back_s, 1),
        "messages_meanwhile": made_meanwhile,
        **compare(crowd_, load),
        "rss_mb": _mb(server),
    }


def settled(crowd_: Crowd) -> None:
    """Wait until nothing has come for two seconds."""
    until(lambda: time.time() - crowd_.tell().last_at > 2, "the devices have everything", 120)


def compare(crowd_: Crowd, load: Load) -> Figures:
    """What the devices got of all that was made since they connected, against what was made."""
    lost = twice = got = 0
    for merchant_number, numbers in crowd_.got():
        got += len(numbers)
        twice += len(numbers) - len(set(numbers))
        lost += load.made[merchant_number] - len(set(numbers))
    return {"pushed": got, "lost": lost, "twice": twice}


def _mb(server: Server) -> float:
    return round(_rss_bytes(server) / 1e6, 1)


def measure(
    server: Server, transport: str, settings: Settings, keys: list[str], args: argparse.Namespace, *, returns: bool
) -> Figures:
    """Everything about one server and one transport."""
    merchants = len(keys)
    devices = [(number % merchants, keys[number % merchants]) for number in range(args.devices)]
    found: Figures = {"server": server.name, "transport": transport}
    with started(server), Load(settings, merchants) as load:
        time.sleep(2)
        before = _rss_bytes(server)
        with crowd(server.port, transport, devices) as crowd_:
            tell(f"{server.name}, {transport}: {args.devices} devices connect")
            found |= connect(server, crowd_, args.devices)
            found["rss_empty_mb"] = round(before / 1e6, 1)
            found["kb_a_connection"] = round((_rss_bytes(server) - before) / args.devices / 1000, 1)
            found["pushing"] = []
            for pace in PACES:
                found["pushing"].append(push(server, crowd_, load, pace, args.seconds))
                tell(json.dumps(found["pushing"][-1]))
            load.flush()
            settled(crowd_)
            found["all_got"] = compare(crowd_, load)
            if returns:
                tell("the gateway is killed and started again")
                found["return"] = storm(server, crowd_, load, args.devices, PACES[0])
                tell(json.dumps(found["return"]))
            tell("devices leave")
        if server.name == "gateway":
            found["gone_in_s"] = round(until(lambda: _open_streams(server) == 0, "no stream is left", 30), 1)
    return found


def _open_streams(server: Server) -> float:
    """Streams that the gateway says are open."""
    with urlopen(f"http://{_HOST}:{server.metrics_port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("tradewind_stream_connections{"))


def make_keys(settings: Settings, merchants: int) -> list[str]:
    """A key for each merchant."""
    path = settings.gateway_keys_file
    return [key_file.create(path, merchant_id=merchant(number), scopes=[Scope.READ])[1] for number in range(merchants)]


@contextmanager
def broker(folder: Path, *, embedded: bool) -> Iterator[tuple[str, str]]:
    """Bootstrap servers, and what it is."""
    if embedded:
        with LocalStack(StackConfig(folder / "stack")) as stack:
            yield stack.endpoints.bootstrap_servers, "embedded"
        return
    config = ordinary(folder / "kafka")
    with KafkaCluster(config) as cluster:
        yield cluster.bootstrap_servers, f"Apache Kafka {config.version}"


def table(rows: list[Figures]) -> Table:
    """The figures for people."""
    found = Table("", "pushes/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "cores", "kB a connection")
    for row in rows:
        for each in row["pushing"]:
            columns = ("pushes_s", "p50_ms", "p95_ms", "p99_ms", "max_ms", "cores_used")
            name = f"{row['server']}, {row['transport']}"
            found.add_row(name, *(str(each[column]) for column in columns), str(row["kb_a_connection"]))
    return found


def main() -> None:
    """Run what is asked for, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long is pushed at each pace")
    parser.add_argument("--only", choices=["websocket", "sse", "peer"], help="one part; writes no file")
    parser.add_argument("--embedded", action="store_true", help="on the embedded broker; writes no file")
    args = parser.parse_args()
    found: Figures = {
        "machine": {"cores": engine_machine.cores(), **engine_machine.processor()},
        "load_average_before": engine_machine.load_average(),
        "devices_of_a_merchant": DEVICES_OF_A_MERCHANT,
        "seconds": args.seconds,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as name, broker(Path(name), embedded=args.embedded) as (servers, kind):
        folder = Path(name)
        found["kafka"] = kind
        settings = Settings(data_dir=folder, bootstrap_servers=servers)
        topics.create(settings)
        keys = make_keys(settings, max(1, args.devices // DEVICES_OF_A_MERCHANT))
        for what, process, transport in (
            ("websocket", "gateway", "websocket"),
            ("sse", "gateway", "sse"),
            ("peer", "peer", "websocket"),
        ):
            if args.only in (None, what):
                server = Server(process, settings, choose_port(0, _HOST), folder)
                found["runs"].append(measure(server, transport, settings, keys, args, returns=process == "gateway"))
    Console(width=110).print(table(found["runs"]))
    if args.only is None and not args.embedded:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        tell(f"written to {RESULTS.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
