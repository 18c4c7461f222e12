"""What has to work on a broker: the checks of `compatibility.py`, one after the other on one ground."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import final

from confluent_kafka import Consumer

from bench.on_kafka import Ground
from consumers.deadletters.browse import merged, read_dead_letters
from consumers.deadletters.replay import replay
from schemas.codec import Rejected
from schemas.events import DeadLetter, Event, derived_id
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, LISTINGS_ENRICHED, QUESTIONS, Topic
from streams.app import ANSWER_APP, ENRICH_APP
from streams.insights.owner import Ownership
from tests.faults.load import Stream
from tests.support.waiting import until
from tradewind.assembly import make_codec, make_publisher
from tradewind.processes import child, sink_child
from tradewind.stack.supervisor import Supervisor
from tradewind.status import gather

_EVENTS = 60
_DEADLINE_S = 90.0
_NEW_GROUPS_SINCE = 4
_BROKEN = b"\x01 is no frame"


class NotOffered(Exception):
    """This broker does not have what would be checked."""


@final
class Trial:
    """Two workers and the sink on a ground; use as a context manager.

    Attributes:
        expected: ids of results, by the topic that they must be on.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.codec = make_codec(ground.settings)
        self.expected: dict[Topic, set[uuid.UUID]] = {ANSWERS_DRAFTED: set(), LISTINGS_ENRICHED: set()}
        self._sent = 0
        self._workers: dict[int, Supervisor] = {}
        self._sink = Supervisor()

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        for number in list(self._workers):
            self.stop_worker(number)
        self._sink.stop()

    def start_sink(self) -> None:
        """Start the sink."""
        self._sink.start(sink_child(self.ground.settings, self.ground.logs))

    def start_workers(self, *numbers: int) -> None:
        """Start workers, each with both agents."""
        for number in numbers:
            arguments = ["worker", "--agents", "enrich,answer"]
            name = f"worker-{number}"
            spec = child(name, arguments, self.ground.settings, self.ground.logs, "tradewind_worker_ready")
            self._workers[number] = Supervisor()
            self._workers[number].start(spec)

    def stop_worker(self, number: int) -> None:
        """SIGTERM to a worker; returns when it has ended."""
        self._workers.pop(number).stop()

    def publish(self) -> None:
        """Send some listings, questions about them, and orders."""
        now = datetime.now(timezone.utc)
        with make_publisher(self.ground.settings) as publisher:
            for number in range(self._sent, self._sent + _EVENTS):
                for kind in ("listings", "questions", "orders"):
                    event = Stream(kind, 0, 1.0).event(number, now)
                    publisher.publish(event)
                    self._expect(kind, event)
        self._sent += _EVENTS

    def _expect(self, kind: str, event: Event) -> None:
        if kind == "listings":
            self.expected[LISTINGS_ENRICHED].add(derived_id("enrich", event.event_id))
        elif kind == "questions":
            self.expected[ANSWERS_DRAFTED].add(derived_id("answer", event.event_id))

    def results(self, topic: Topic) -> list[uuid.UUID]:
        """Ids on a topic, as often as they are there."""
        messages = read_all(self.ground.settings.kafka_client(), topic.name)
        events = [self.codec.decode_event(topic, _bytes(message.value())) for message in messages]
        return [event.event_id for event in events if not isinstance(event, Rejected)]

    def wait_for_results(self) -> None:
        """Return when every result is on its topic."""
        for topic, ids in self.expected.items():
            until(partial(self._are_on, topic, ids), f"all results on {topic.name}", _DEADLINE_S)

    def _are_on(self, topic: Topic, ids: set[uuid.UUID]) -> bool:
        return set(self.results(topic)) == ids


def way_through(trial: Trial) -> None:
    """Published, worked on by two workers, and in ClickHouse."""
    trial.start_workers(1, 2)
    trial.start_sink()
    trial.publish()
    trial.wait_for_results()
    tables = {"listings": _EVENTS, "questions": _EVENTS, "orders": _EVENTS}
    tables |= {"listings_enriched": _EVENTS, "answers_drafted": _EVENTS}

    def stored() -> bool:
        query = "SELECT uniqExact(event_id) FROM {table:Identifier} FINAL"
        return tables == {
            table: trial.ground.client.query(query, parameters={"table": table}).result_rows[0][0] for table in tables
        }

    until(stored, "all of it in ClickHouse", _DEADLINE_S)


def dead_letter(trial: Trial) -> None:
    """What can't be read is put aside with its bytes, and comes again, counted, when it is put back."""
    with make_publisher(trial.ground.settings) as publisher:
        publisher.publish_bytes(QUESTIONS.name, b"broken", _BROKEN)

    def letters(replays: int) -> list[DeadLetter]:
        found = read_dead_letters(trial.ground.settings, trial.codec)
        return [each for each in found if each.source_value == _BROKEN and each.replays == replays]

    until(lambda: any(each.stage == "answer" for each in letters(0)), "its dead letter", _DEADLINE_S)
    with make_publisher(trial.ground.settings) as publisher:
        replay(publisher, merged(letters(0)))  # the sink's and the agent's have the same id, and count once
    # Written down once by the replay, and put aside once more by the worker, which reads the count in the header.
    offsets = {each.source_offset for each in letters(0)}
    until(
        lambda: any(each.stage == "answer" and each.source_offset not in offsets for each in letters(1)),
        "the dead letter of the replayed one",
        _DEADLINE_S,
    )


def rebalance(trial: Trial) -> None:
    """One of two workers leaves and comes back under load, and every event has its result."""
    trial.publish()
    trial.stop_worker(1)
    trial.publish()
    trial.wait_for_results()
    trial.start_workers(1)
    trial.publish()
    trial.wait_for_results()


def offsets(trial: Trial) -> None:
    """After SIGTERM everything that was done is committed: the next ones have nothing to do again."""
    for number in (1, 2):
        trial.stop_worker(number)
    lag = gather(trial.ground.settings)["lag"]
    assert (lag[ENRICH_APP], lag[ANSWER_APP]) == (0, 0), f"lag after SIGTERM: {lag}"
    before = {topic: len(trial.results(topic)) for topic in trial.expected}
    trial.start_workers(3)
    trial.publish()
    trial.wait_for_results()
    after = {topic: len(trial.results(topic)) for topic in trial.expected}
    assert after == {topic: count + _EVENTS for topic, count in before.items()}, "events were worked on again"


def owner(trial: Trial) -> None:
    """Of two members of the group for insights one speaks, and the other follows it."""

    async def members() -> None:
        settings = trial.ground.settings
        both = [Ownership(settings.kafka_client(), settings.kafka_session_timeout_ms) for _ in range(2)]
        running = [asyncio.ensure_future(each.run()) for each in both]
        try:
            waits = [asyncio.ensure_future(each.wait()) for each in both]
            done, others = await asyncio.wait(waits, timeout=_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
            assert len(done) == 1, "nobody speaks"
            speaker = next(number for number, wait in enumerate(waits) if wait in done)
            running[speaker].cancel()
            await asyncio.wait_for(next(iter(others)), _DEADLINE_S)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    asyncio.run(members())


def new_groups(trial: Trial) -> None:
    """A group of the next protocol (KIP-848) reads beside the classic ones, and they go on."""
    if int(trial.ground.kafka.config.version.partition(".")[0]) < _NEW_GROUPS_SINCE:
        raise NotOffered(f"since Kafka {_NEW_GROUPS_SINCE}")
    consumer = Consumer(
        trial.ground.settings.kafka_client(
            **{
                "group.id": f"next-{uuid.uuid4()}",
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
    )
    wanted, found = len(trial.results(ANSWERS_DRAFTED)), 0
    consumer.subscribe([ANSWERS_DRAFTED.name])
    try:
        give_up = time.monotonic() + _DEADLINE_S
        while found < wanted and time.monotonic() < give_up:
            for message in consumer.consume(500, 0.2):
                found += message.error() is None
        assert found >= wanted, f"it read {found} of {wanted} messages"
        trial.publish()
        trial.wait_for_results()
    finally:
        consumer.close()


CHECKS: dict[str, Callable[[Trial], None]] = {
    "way through": way_through,
    "dead letter, replay": dead_letter,
    "rebalance": rebalance,
    "offsets after SIGTERM": offsets,
    "insights owner": owner,
    "next to new groups": new_groups,
}


def _bytes(value: str | bytes | None) -> bytes | None:
    assert not isinstance(value, str)
    return value
