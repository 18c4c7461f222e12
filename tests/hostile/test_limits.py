"""A real worker and a real sink among messages of every kind of badness: each has its fate, and both go on.

All of them are sent at once, each with an honest question on its partition behind it. `pytest --kafka` does the same on
Apache Kafka.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumers.clickhouse.client import open_client
from schemas.dead_letters import CUT_HEADER, MAX_KEPT_BYTES, PACKED_HEADER
from schemas.events import DeadLetter, derived_id
from schemas.publisher import PARTITIONER, InvalidEvent
from schemas.reader import read_all
from schemas.topics import ANSWERS_DRAFTED, DEAD_LETTERS, LISTINGS, LISTINGS_ENRICHED
from tests.hostile.messages import MIB, Sent, all_messages, listing, question
from tests.support.processes import memory_mb
from tradewind.assembly import make_codec, make_publisher
from tradewind.processes import sink_child, worker_child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack
from tradewind.stack.supervisor import NEVER

pytestmark = [pytest.mark.integration, pytest.mark.slow_kafka, pytest.mark.timeout(600)]

DEADLINE_S = 400.0
#: What the worker may grow by, bombs of 200 MB and all.
MEMORY_MB = 900
MESSAGES = all_messages()


@dataclass(slots=True)
class Flood:
    """What became of everything that was sent.

    Attributes:
        refused: by name, what Kafka said to those that it did not take.
        places: by name, partition and offset of the others.
        results: ids of all copy and all drafts.
        letters: dead letters by the place of what they are about.
        canaries: ids of the honest questions' drafts to come.
        restarted: names of processes that are not those that were started.
        grown_mb: by how much the worker's memory has grown at its highest.
        stored: dead letters in ClickHouse.
    """

    refused: dict[str, str] = field(default_factory=dict)
    places: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    results: set[Any] = field(default_factory=set)
    letters: dict[tuple[str, int, int], DeadLetter] = field(default_factory=dict)
    canaries: set[Any] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)
    grown_mb: float = 0.0
    stored: int = 0


@pytest.fixture(scope="module")
def flood(stack: LocalStack, settings: Settings) -> Flood:
    found = Flood()
    children = [worker_child(settings, stack.log_dir), sink_child(settings, stack.log_dir)]
    stack.add(*(replace(child, restart=NEVER) for child in children))
    before = stack.pids()
    memory = memory_mb(before["worker"], "VmRSS")
    for message in MESSAGES:
        _send(settings, message, found)
        _publish(settings, message, found)
    wanted = {derived_id(_task(m), _event(m).event_id) for m in MESSAGES if m.fate == "done"} | found.canaries
    dead = {found.places[m.name] for m in MESSAGES if m.fate != "done" and m.name in found.places}

    def settled() -> bool:
        _read(settings, found)
        gone = {"worker", "sink"} - stack.pids().keys()
        assert not gone, f"ended: {gone}\n" + "".join(
            stack.log_dir.joinpath(f"{n}.log").read_text()[-3000:] for n in gone
        )
        return found.results >= wanted and found.letters.keys() >= dead

    _until(
        settled, lambda: f"{len(wanted - found.results)} results and {sorted(dead - found.letters.keys())} are missing"
    )
    found.restarted = {name for name, pid in stack.pids().items() if before.get(name) != pid}
    found.grown_mb = memory_mb(stack.pids()["worker"], "VmHWM") - memory
    count = "SELECT uniqExact(event_id) FROM dead_letters"
    client = open_client(settings)

    def stored() -> bool:
        found.stored = client.query(count).result_rows[0][0]
        return found.stored >= len(found.letters)

    _until(stored, lambda: f"ClickHouse has {found.stored} dead letters of {len(found.letters)}")
    return found


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_a_message_has_its_fate(flood: Flood, message: Sent) -> None:
    if message.fate == "refused by Kafka" and message.name in flood.refused:
        assert "large" in flood.refused[message.name].lower()
        return
    if message.fate == "done":
        assert derived_id(_task(message), _event(message).event_id) in flood.results
        return
    letter = flood.letters[flood.places[message.name]]
    # the embedded broker takes messages of any size, and then it is the agent that refuses
    assert letter.error_class == message.fate.replace("refused by Kafka", "TooLarge")
    assert _kept(letter, message)


def test_honest_questions_on_the_same_partitions_are_answered(flood: Flood) -> None:
    assert flood.canaries
    assert flood.results >= flood.canaries


def test_nobody_died_and_memory_is_bounded(flood: Flood) -> None:
    assert not flood.restarted
    assert flood.grown_mb < MEMORY_MB


def test_a_publisher_says_what_is_too_large(settings: Settings) -> None:
    with make_publisher(settings) as publisher:
        with pytest.raises(InvalidEvent, match="description: expected at most 100000 characters"):
            publisher.publish(listing("5 MB", description="x" * (5 * MIB)))
        with pytest.raises(InvalidEvent, match=r"attributes: expected .* has 100000 entries, at most 1000"):
            publisher.publish(listing("entries", attributes={f"n {n}": "1" for n in range(100_000)}))
        with pytest.raises(InvalidEvent, match="text: expected at most 20000 characters"):
            publisher.publish(question("1 MB", "x" * MIB))


def _kept(letter: DeadLetter, message: Sent) -> bool:
    """Whether the letter has the message's bytes, whole or as it says."""
    value, size = letter.source_value, len(message.value or b"") + message.zeros
    if value is None:
        return message.value is None or "inflate" in letter.message  # Kafka has it, and the letter says where
    if packed := letter.source_headers.get(PACKED_HEADER):
        inflated = zlib.decompress(value)
        return int(packed) == len(inflated) == size and inflated.startswith(message.value or b"")
    if cut := letter.source_headers.get(CUT_HEADER):
        return int(cut) == size and bool(message.value and message.value.startswith(value))
    return size <= MAX_KEPT_BYTES and value == message.value


def _send(settings: Settings, message: Sent, found: Flood) -> None:
    """As a producer does that is not ours, and waits."""
    client = {"partitioner": PARTITIONER, "message.max.bytes": 1_000_000_000, "compression.type": message.codec}
    producer = Producer(settings.kafka_client(**client, **{"log_level": 0, "queue.buffering.max.kbytes": 2_000_000}))
    report: list[tuple[KafkaError | None, Message]] = []
    value = None if message.value is None else message.value + bytes(message.zeros)
    try:
        producer.produce(
            message.topic.name,
            key=message.key,
            value=value,
            headers=dict(message.headers),
            on_delivery=lambda error, sent: report.append((error, sent)),
        )
        producer.flush(60)
    except KafkaException as error:
        found.refused[message.name] = str(error)
        return
    [(error, sent)] = report
    if error is not None:
        found.refused[message.name] = error.str()
    else:
        found.places[message.name] = (message.topic.name, sent.partition() or 0, sent.offset() or 0)


def _publish(settings: Settings, message: Sent, found: Flood) -> None:
    """An honest question behind it, about an honest listing that is placed as it is."""
    asked = question(message.name, "What is the capacity?")
    asked = replace(asked, event_id=derived_id("canary", message.name))
    with make_publisher(settings) as publisher:
        publisher.publish(asked)
    found.canaries.add(derived_id("answer", asked.event_id))


def _read(settings: Settings, found: Flood) -> None:
    codec = make_codec(settings)
    for topic in (LISTINGS_ENRICHED, ANSWERS_DRAFTED):
        events = [codec.decode_event(topic, m.value()) for m in read_all(settings.kafka_client(), topic.name)]
        found.results |= {event.event_id for event in events}
    for read in read_all(settings.kafka_client(), DEAD_LETTERS.name):
        letter = codec.decode_event(DEAD_LETTERS, read.value())
        assert isinstance(letter, DeadLetter)
        found.letters[letter.source_topic, letter.source_partition, letter.source_offset] = letter


def _event(message: Sent) -> Any:
    return listing(message.name) if message.topic is LISTINGS else question(message.name)


def _task(message: Sent) -> str:
    return "enrich" if message.topic is LISTINGS else "answer"


def _until(reached: Callable[[], bool], missing: Callable[[], str]) -> None:
    give_up = time.monotonic() + DEADLINE_S
    while not reached():
        assert time.monotonic() < give_up, f"not within {DEADLINE_S:.0f} s: {missing()}"
