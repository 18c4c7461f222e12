"""The long-running commands as child processes of a local stack, and as plain functions."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from tradewind.assembly import make_codec, make_engine, make_insight_source, make_policies, make_registry
from tradewind.ending import end_if_stuck, stop_once
from tradewind.health import Health, serve
from tradewind.preflight import check_worker
from tradewind.settings import Settings
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ProcessSpec, RestartPolicy

if TYPE_CHECKING:
    from consumers.clickhouse.tables import Table

log = structlog.get_logger("tradewind")

#: The local stack starts its worker and sink again when they die, but not for ever.
RESTART = RestartPolicy(attempts=5)


def run_worker(settings: Settings, agents: Sequence[str]) -> bool:
    """Load the model and run the agents until SIGTERM or Ctrl-C; gives whether what was in hand is done.

    Raises:
        PoliciesError, CheckpointError, TopicsError, DeadLetterLimitReached, ...: why it can't go on.
    """
    policies = make_policies(settings)
    check_worker(settings, agents)

    from streams import metrics
    from streams.stages import INSIGHTS
    from streams.worker import Worker

    health = Health("the model is loading")
    serve_metrics(settings, health)
    engine = make_engine(settings)
    metrics.MODEL_LOAD_SECONDS.set(engine.info.load_seconds)
    metrics.MODEL_MEMORY_BYTES.set(engine.info.memory_mb * 2**20)
    try:
        source = make_insight_source(settings) if INSIGHTS in agents else None
        worker = Worker(settings, agents, engine, make_codec(settings), policies=policies, source=source)
        health.watch(worker.pulse.live, worker.pulse.ready)
        end_if_stuck(health, settings.stuck_end_s)
        return asyncio.run(_until_signal(worker.run, settings.worker_stop_s))
    finally:
        engine.close()


async def _until_signal(run: Callable[[asyncio.Event], Awaitable[bool]], stop_s: float) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop_once(lambda: loop.call_soon_threadsafe(stop.set), stop_s)
    return await run(stop)


def run_sink_process(settings: Settings, *, accept_gap: bool = False) -> bool:
    """Store the topics in ClickHouse until SIGTERM or Ctrl-C; gives whether all that was read is stored."""
    from consumers.clickhouse.health import SinkVitals
    from consumers.clickhouse.sink import run_sink

    vitals = SinkVitals(settings.stuck_after_s)
    health = Health("it is starting")
    health.watch(vitals.live, vitals.ready)
    serve_metrics(settings, health)
    end_if_stuck(health, settings.stuck_end_s)
    stop = threading.Event()
    stop_once(stop.set, settings.worker_stop_s)
    return run_sink(settings, stop, registry=make_registry(settings), accept_gap=accept_gap, vitals=vitals)


def run_backfill_process(
    settings: Settings, table: Table, *, drop_old: bool = False, tell: Callable[[str], None]
) -> bool:
    """Fill a table anew from the beginning of its topic and swap it in; False where SIGTERM or Ctrl-C came before."""
    from consumers.clickhouse.backfill import backfill

    serve_metrics(settings, Health("it fills a table anew"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return backfill(settings, table, stop, registry=make_registry(settings), drop_old=drop_old, tell=tell)


def serve_metrics(settings: Settings, health: Health) -> None:
    """Serve this process's Prometheus metrics, /healthz and /readyz, unless the settings say not to."""
    if settings.metrics_port < 0:
        return
    port = choose_port(settings.metrics_port, settings.metrics_host)
    serve(health, settings.metrics_host, port)
    log.info("metrics", url=f"http://{settings.metrics_host}:{port}/metrics")


def child(name: str, arguments: Sequence[str], settings: Settings, log_dir: Path, ready_metric: str) -> ProcessSpec:
    """A `tradewind` command as a supervised child. It is ready once its metric says so.

    Args:
        ready_metric: name of a gauge that is 1 when the child works.
    """
    port = choose_port(0, settings.metrics_host)
    url = f"http://{settings.metrics_host}:{port}/metrics"
    environment = settings.environment() | {"TRADEWIND_METRICS_PORT": str(port), "TRADEWIND_LOG_FORMAT": "json"}
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", "tradewind", *arguments),
        env=environment,
        log=log_dir / f"{name}.log",
        ready=lambda: None if _metric_is_set(url, ready_metric) else "its metrics",
        ready_timeout_s=120.0,
        stop_grace_s=20.0,
        restart=RESTART,
    )


def worker_child(settings: Settings, log_dir: Path, name: str = "worker") -> ProcessSpec:
    """A worker with all agents."""
    spec = child(name, ["worker"], settings, log_dir, "tradewind_worker_ready")
    return replace(spec, stop_grace_s=settings.worker_stop_s + 20)


def sink_child(settings: Settings, log_dir: Path) -> ProcessSpec:
    """The sink."""
    return child("sink", ["sink"], settings, log_dir, "tradewind_sink_ready")


def gateway_child(settings: Settings, log_dir: Path) -> ProcessSpec:
    """A gateway on the port that the settings say."""
    return child("gateway", ["gateway"], settings, log_dir, "tradewind_gateway_ready")


def _metric_is_set(url: str, name: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - our own child's address
            return f"\n{name} 1.0\n" in answer.read().decode()
    except OSError:
        return False
