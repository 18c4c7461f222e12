"""Events a second without the model: our worker where texts come from templates, our path alone, and its peers."""

from __future__ import annotations

import asyncio
import itertools
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from bench.latency_figures import Figures, events_a_second
from bench.latency_peers import AT_ONCE, group
from bench.latency_questions import event, question_rows
from bench.on_kafka import Ends, Ground, skip
from model.protocol import Engine
from model.tasks.answer import AnswerPolicy, answer
from model.tasks.answer_draft import DraftPolicy
from model.tasks.copy_policy import DescribePolicy
from model.tasks.describe import describe
from model.tasks.prepare import prepare
from schemas.events import Event, ListingPublished, QuestionAsked, derived_id
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, LISTINGS, LISTINGS_ENRICHED, QUESTIONS, Topic, topic_of_record
from streams.app import ANSWER_APP, ENRICH_APP
from streams.stages import ANSWER, ENRICH
from tests.support.waiting import until
from tradewind.assembly import make_codec, make_publisher
from tradewind.demo.inputs import demo_listings
from tradewind.processes import child
from tradewind.settings import Settings
from tradewind.stack.supervisor import ProcessSpec, Supervisor

#: Nobody's language: every text comes from a template.
NO_MODEL = "xx"
_WARM_UP = 64
_DEADLINE_S = 150.0


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a topic to another.

    Attributes:
        what: how the table calls it.
        group: its consumer group.
        events: how many are sent through it.
        peer: a path of `latency_peers.py`; None is our worker.
        agent: what our worker runs.
        in_hand: events that our path has in hand at once; None is what the settings say.
    """

    what: str
    group: str
    source: Topic
    target: Topic
    events: int
    peer: str | None = None
    agent: str = ANSWER
    in_hand: int | None = None

    def process(self, settings: Settings, ground: Ground, number: int) -> ProcessSpec:
        """One of its processes."""
        name = f"{self.group}-{self.agent}-{number}"
        if self.in_hand is not None:
            settings = settings.model_copy(update={"worker_max_in_flight": self.in_hand})
        if self.peer is None:
            arguments = ["worker", "--agents", self.agent]
            return child(name, arguments, settings, ground.logs, "tradewind_worker_ready")
        spec = child(name, [], settings, ground.logs, "tradewind_worker_ready")
        return replace(spec, argv=(spec.argv[0], "-m", "bench.latency_peers", self.peer))


def paths(events: int) -> list[Path]:
    """All that are compared; `events` is for the quickest, the others get what takes about as long."""
    questions = (QUESTIONS, ANSWERS_DRAFTED)
    return [
        Path("worker: questions, quoted evidence", ANSWER_APP, *questions, max(200, events // 8)),
        Path("worker: listings, template copy", ENRICH_APP, LISTINGS, LISTINGS_ENRICHED, events // 40, agent=ENRICH),
        Path("our path, no task", group("lane"), *questions, events, peer="lane"),
        Path(f"the same, {AT_ONCE} in hand", group("lane"), *questions, events, peer="lane", in_hand=AT_ONCE),
        Path("plain Faust agent, no task", group("faust"), *questions, events, peer="faust"),
        Path("confluent-kafka loop, no task", group("loop"), *questions, events, peer="loop"),
    ]


def rate(ground: Ground, settings: Settings, path: Path, workers: int) -> Figures:
    """Events a second through so many processes of the path, from the first result's timestamp to the last.

    Raises:
        TimeoutError: results did not come.
        StartFailed: a process did not.
    """
    skip(settings, path.group, path.source.name)
    specs = [path.process(settings, ground, number) for number in range(1, workers + 1)]
    ends = Ends(settings, path.target.name)
    began = ends.total()
    try:
        with Supervisor() as supervisor:
            supervisor.start(*specs)
            sent = _warm(settings, path, specs, ends)
            since = time.time_ns() // 1_000_000
            sent += send(settings, path, path.events)
            until(lambda: ends.total() >= began + sent, f"{path.what}: every result", _DEADLINE_S)
    finally:
        ends.close()
    stamps = [
        stamp
        for message in read_all(settings.kafka_client(), path.target.name)
        if (stamp := message.timestamp()[1]) >= since
    ]
    return {"what": path.what, "workers": workers, "events": len(stamps), "events_s": round(events_a_second(stamps), 1)}


def _warm(settings: Settings, path: Path, specs: Sequence[ProcessSpec], ends: Ends) -> int:
    """Send a few events through every process; gives how many."""
    sent, began = 0, ends.total()

    def through() -> bool:
        return ends.total() >= began + sent

    while True:
        sent += send(settings, path, _WARM_UP)
        until(through, f"{path.what}: the first results", _DEADLINE_S)
        if path.peer is not None or all(_has_worked(spec, path.agent) for spec in specs):
            return sent


def send(settings: Settings, path: Path, count: int) -> int:
    """Publish so many events that the path works on; gives the count."""
    codec = make_codec(settings)
    messages = []
    for made in itertools.islice(events_for(path.agent), count):
        topic = topic_of_record(type(made).__name__)
        messages.append((topic.name, str(getattr(made, topic.key)).encode(), codec.encode_event(made)))
    with make_publisher(settings) as publisher:
        for message in messages:
            publisher.publish_bytes(*message)
    return count


def events_for(agent: str) -> Any:
    """The demo's questions or listings again and again, each under a new id; listings under new names as well."""
    kind, key = (QuestionAsked, "question_id") if agent == ANSWER else (ListingPublished, "listing_id")
    rows = list(itertools.islice(question_rows(), 91)) if agent == ANSWER else demo_listings()
    known = [event(kind, row) for row in rows]
    for number in itertools.count():
        made = known[number % len(known)]
        now = datetime.now(timezone.utc)
        yield replace(made, event_id=uuid.uuid4(), occurred_at=now, **{key: f"{getattr(made, key)}-{number}"})


def tasks_alone(engine: Engine, events: int) -> list[Figures]:
    """Events a second that the tasks themselves make in one process, with neither Kafka nor codec."""
    prepare()
    listings = {row["listing_id"]: event(ListingPublished, row) for row in demo_listings()}

    def now() -> datetime:
        return datetime.now(timezone.utc)

    async def answered(question: QuestionAsked) -> Event:
        policy = AnswerPolicy(drafting=DraftPolicy(model_languages=(NO_MODEL,)))
        listing = listings.get(question.listing_id)
        made = derived_id(ANSWER, question.event_id)
        return await answer(engine, question, listing, clock=now, event_id=made, policy=policy)

    async def described(listing: ListingPublished) -> Event:
        policy = DescribePolicy(model_languages=(NO_MODEL,))
        return await describe(engine, listing, clock=now, event_id=derived_id(ENRICH, listing.event_id), policy=policy)

    def measured(what: str, task: Callable[[Any], Any], agent: str, count: int) -> Figures:
        chosen = list(itertools.islice(events_for(agent), _WARM_UP + count))

        async def run(some: Sequence[Any]) -> None:
            for each in some:
                await task(each)

        asyncio.run(run(chosen[:_WARM_UP]))
        started = time.perf_counter()
        asyncio.run(run(chosen[_WARM_UP:]))
        speed = count / (time.perf_counter() - started)
        return {"what": what, "workers": 1, "events": count, "events_s": round(speed, 1)}

    return [
        measured("task alone: questions, no Kafka", answered, ANSWER, max(200, events // 8)),
        measured("task alone: listings, no Kafka", described, ENRICH, events // 40),
    ]


def _has_worked(spec: ProcessSpec, agent: str) -> bool:
    """Whether a worker has done anything, by its own metrics."""
    url = f"http://127.0.0.1:{spec.env['TRADEWIND_METRICS_PORT']}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answered:
        return f'tradewind_events_total{{outcome="done",stage="{agent}"}}' in answered.read().decode()
