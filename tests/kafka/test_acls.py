"""Least privilege on Apache Kafka: each role does its whole job with its own rules, and nothing besides.

What each role may read and write stands here a second time, in the words of the contracts, so that a rule too many in
`streams/access.py` is noticed.
"""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from prometheus_client import REGISTRY, CollectorRegistry
from typer.testing import CliRunner, Result

from consumers.clickhouse.backfill import backfill
from consumers.clickhouse.client import open_client
from consumers.clickhouse.metrics import SinkMetrics
from consumers.clickhouse.migrate import migrate
from consumers.clickhouse.sink import run_sink
from consumers.clickhouse.tables import TABLES
from schemas.codec import Codec
from schemas.dead_letters import Inbound, dead_letter
from schemas.events import (
    AnswerDrafted,
    AnswerReviewed,
    Decision,
    Event,
    InsightKind,
    ListingPublished,
    Method,
    OpsInsight,
    OrderEvent,
    OrderKind,
    Provenance,
    QuestionAsked,
    derived_id,
)
from schemas.forbidden import is_forbidden
from schemas.publisher import DeliveryFailed, Publisher
from schemas.reader import read_all
from schemas.registry import CommittedRegistry
from schemas.topics import (
    ANSWERS_DRAFTED,
    ANSWERS_REVIEWED,
    CATALOGUE,
    DEAD_LETTERS,
    INSIGHTS,
    LISTINGS,
    LISTINGS_ENRICHED,
    ORDERS,
    QUESTIONS,
    Topic,
)
from streams.access import ROLES, Grant, Role, Rule, grants
from streams.access_in_kafka import RightsMissing, apply, beyond, require
from streams.insights.source import ClickHouseSource
from streams.worker import Worker
from tests.consumers.harness import until
from tests.kafka.conftest import PARTITIONS, Guarded
from tests.kafka.guarded import ADMIN
from tests.support.scripted_engine import ScriptedEngine
from tests.support.stack import ClickHouseEndpoint
from tradewind.cli.main import app
from tradewind.settings import Settings
from tradewind.trouble import explain

pytestmark = pytest.mark.slow_kafka

DEADLINE_S = 30.0
CODEC = Codec(CommittedRegistry())
ALL = {topic.name for topic in CATALOGUE}
#: By role: what it reads, and what it writes.
MAY: dict[str, tuple[set[str], set[str]]] = {
    "topics": (set(), set()),
    "platform-listings": (set(), {"listings.v1"}),
    "platform-questions": (set(), {"questions.v1"}),
    "platform-orders": (set(), {"orders.v1"}),
    "reviewer": (set(), {"answers-reviewed.v1"}),
    "worker-enrich": ({"listings.v1"}, {"listings-enriched.v1", "dead-letters.v1"}),
    "worker-answer": (
        {"questions.v1", "listings.v1", "answers-reviewed.v1", "answers-drafted.v1"},
        {"answers-drafted.v1", "dead-letters.v1"},
    ),
    "worker-insights": ({"insights.v1"}, {"insights.v1"}),
    "gateway": (
        {"listings-enriched.v1", "answers-drafted.v1", "insights.v1"},
        {"listings.v1", "questions.v1", "orders.v1"},
    ),
    "sink": (ALL, {"dead-letters.v1"}),
    "operator": (ALL, set()),
    "replay": ({"dead-letters.v1"}, ALL),
    "storefront": ({"listings-enriched.v1"}, set()),
    "help-desk": ({"answers-drafted.v1"}, set()),
}
#: By role: the group that it reads in.
OWN_GROUP = {
    "worker-enrich": "tradewind-enrich",
    "worker-answer": "tradewind-answer",
    "worker-insights": "tradewind-insights",
    "sink": "tradewind-sink",
    "storefront": "storefront",
    "help-desk": "help-desk",
}
LOOKED_UP = "looked-up"
each_role = pytest.mark.parametrize("role", MAY)


@pytest.fixture(scope="module")
def kafka(guarded_kafka: Guarded) -> Guarded:
    """A cluster where each role has an account of its name, and its rules."""
    settings = guarded_kafka.settings()
    apply(settings, [*grants(settings, ROLES), *grants_to_look(settings)])
    return guarded_kafka


def grants_to_look(settings: Settings) -> list[Grant]:
    """A group that each may look up: a consumer whose group nobody tells it of takes a minute to close."""
    look = Role("looks", "looks a group up", lambda settings: (Rule("group", "Describe", LOOKED_UP),))
    return [grant for role in ROLES for grant in grants(settings, [look], f"User:{role.name}")]


# -- what each role may not do ----------------------------------------------------------------------------------


def test_no_role_is_left_out() -> None:
    assert [role.name for role in ROLES] == list(MAY)


@each_role
def test_a_role_writes_nothing_but_its_own(kafka: Guarded, role: str) -> None:
    refused: dict[str, KafkaError | None] = {}
    producer = Producer({**kafka.settings(role).kafka_client(), "error_cb": lambda error: None, "log_level": 0})
    for topic in ALL - MAY[role][1]:
        producer.produce(
            topic, b"stolen", on_delivery=lambda error, message: refused.update({message.topic() or "": error})
        )
    assert producer.flush(DEADLINE_S) == 0
    assert {topic for topic, error in refused.items() if error is not None and is_forbidden(error)} == (
        ALL - MAY[role][1]
    )


@each_role
def test_a_role_reads_nothing_but_its_own(kafka: Guarded, role: str) -> None:
    group = {"group.id": LOOKED_UP, "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer({**kafka.settings(role).kafka_client(), "error_cb": lambda error: None, **group})
    read, refused = set(), set()
    try:
        # One that it may not even see is left out here, and not fetched from without a word.
        refused |= ALL - consumer.list_topics(timeout=DEADLINE_S).topics.keys()
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in ALL - refused])

        def all_have_answered() -> bool:
            for message in consumer.consume(100, 0.1):
                error, topic = message.error(), message.topic() or ""
                if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    refused.add(topic)
                elif error is None or error.code() == KafkaError._PARTITION_EOF:
                    read.add(topic)
            return read | refused >= ALL

        until(all_have_answered, "each topic is read or refused", DEADLINE_S)
    finally:
        consumer.close()
    assert (read, refused) == (MAY[role][0], ALL - MAY[role][0])


@each_role
def test_a_role_reads_in_no_other_s_group(kafka: Guarded, role: str) -> None:
    """Nobody moves another's place, which is what a member does when it commits."""
    admin = AdminClient(kafka.settings(role).kafka_client(log_level=0, error_cb=lambda error: None))
    for group in sorted({*OWN_GROUP.values(), "anything"} - {OWN_GROUP.get(role)}):
        moved = ConsumerGroupTopicPartitions(group, [TopicPartition(LISTINGS.name, 0, 0)])
        (future,) = admin.alter_consumer_group_offsets([moved]).values()
        try:
            errors = [place.error for place in future.result(DEADLINE_S).topic_partitions]
        except KafkaException as error:
            errors = [error.args[0]]
        assert [error and error.code() for error in errors] == [KafkaError.GROUP_AUTHORIZATION_FAILED], group


def test_a_stolen_downstream_password_joins_no_other_group(kafka: Guarded) -> None:
    client = kafka.settings("storefront").kafka_client(**{"group.id": "help-desk", "log_level": 0})
    consumer = Consumer({**client, "error_cb": lambda error: None})
    consumer.subscribe([LISTINGS_ENRICHED.name])
    errors: list[KafkaError] = []

    def told() -> bool:
        message = consumer.poll(0.1)
        errors.extend([message.error()] if message is not None and message.error() is not None else [])
        return any(error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED for error in errors)

    until(told, "it is kept out", DEADLINE_S)
    assert consumer.assignment() == []


@each_role
def test_a_role_changes_nothing_of_the_cluster(kafka: Guarded, role: str) -> None:
    settings = kafka.settings(role)
    admin = AdminClient(settings.kafka_client(log_level=0, error_cb=lambda error: None))
    entry = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, ORDERS.name, incremental_configs=[entry])
    (deleted,) = admin.delete_topics([ORDERS.name]).values()
    (changed,) = admin.incremental_alter_configs([change]).values()
    (dropped,) = admin.delete_consumer_groups(["tradewind-sink"]).values()
    for future in (deleted, changed, dropped):
        with pytest.raises(KafkaException) as raised:
            future.result(DEADLINE_S)
        assert is_forbidden(raised.value.args[0])
    with pytest.raises(KafkaException) as raised:
        apply(settings, grants(settings, ROLES))
    assert is_forbidden(raised.value.args[0])
    assert ORDERS.name in admin_of(kafka).list_topics(timeout=DEADLINE_S).topics


def admin_of(kafka: Guarded) -> AdminClient:
    return AdminClient(kafka.settings().kafka_client())


# -- what each role does ----------------------------------------------------------------------------------------


def now() -> datetime:
    return datetime.now(timezone.utc)


def listing(listing_id: str = "l-1") -> ListingPublished:
    return ListingPublished(uuid.uuid4(), now(), "m-1", listing_id, "Kupferkessel für Gasherde", language="de")


def order() -> OrderEvent:
    return OrderEvent(uuid.uuid4(), now(), "m-1", uuid.uuid4().hex, "l-1", OrderKind.PLACED, Decimal("2.50"), "EUR")


def question(listing_id: str) -> QuestionAsked:
    return QuestionAsked(uuid.uuid4(), now(), "m-1", listing_id, "q-1", "Does it come with a lid?", language="en")


def insight() -> OpsInsight:
    nothing = Provenance(Method.TEMPLATE)
    start = now() - timedelta(hours=1)
    return OpsInsight(
        uuid.uuid4(), now(), "m-1", "sales", start, now(), 1.0, 2.0, -3.0, nothing, InsightKind.DROP, text="Fewer."
    )


def send(settings: Settings, *events: Event) -> None:
    with Publisher(settings.kafka_client(), CODEC) as publisher:
        for event in events:
            publisher.publish(event)


def broken(settings: Settings, topic: Topic) -> bytes:
    """A message that nobody can read, as its producer might send it."""
    value = b"broken " + uuid.uuid4().bytes
    with Publisher(settings.kafka_client(), CODEC) as publisher:
        publisher.publish_bytes(topic.name, b"l-1", value)
    return value


def on(kafka: Guarded, topic: Topic) -> list[Any]:
    """What a topic has, for an administrator's eyes."""
    found = (CODEC.decode_event(topic, each.value()) for each in read_all(kafka.settings().kafka_client(), topic.name))
    return list(found)


def put_aside(kafka: Guarded, value: bytes) -> bool:
    return any(getattr(letter, "source_value", None) == value for letter in on(kafka, DEAD_LETTERS))


async def working(settings: Settings, agent: str, done: Callable[[], bool], **more: Any) -> None:
    """Run one agent until the condition holds."""
    stop = asyncio.Event()
    running = asyncio.ensure_future(Worker(settings, [agent], ScriptedEngine(), CODEC, **more).run(stop))
    try:
        await asyncio.to_thread(until, lambda: running.done() or done(), f"{agent} works")
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


def cli(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str) -> Result:
    """A command under these settings."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, list(arguments))


def test_topics_are_made(kafka: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = admin_of(kafka)
    (gone,) = admin.delete_topics([INSIGHTS.name]).values()
    gone.result(DEADLINE_S)
    until(lambda: INSIGHTS.name not in admin.list_topics(timeout=DEADLINE_S).topics, "it is gone")
    made = cli(monkeypatch, kafka.settings("topics"), "topics", "create")
    assert (made.exit_code, made.stdout) == (0, f"created {INSIGHTS.name}\n")


@pytest.mark.parametrize(
    ("role", "make", "topic"),
    [
        ("platform-listings", listing, LISTINGS),
        ("platform-questions", lambda: question("l-1"), QUESTIONS),
        ("platform-orders", order, ORDERS),
    ],
)
def test_a_platform_service_publishes(kafka: Guarded, role: str, make: Callable[[], Event], topic: Topic) -> None:
    event = make()
    send(kafka.settings(role), event)
    assert event.event_id in {each.event_id for each in on(kafka, topic)}


async def test_the_enrich_agent_works_and_puts_aside(kafka: Guarded) -> None:
    event = listing()
    send(kafka.settings("platform-listings"), event)
    value = broken(kafka.settings("platform-listings"), LISTINGS)
    made = derived_id("enrich", event.event_id)

    def done() -> bool:
        return made in {each.event_id for each in on(kafka, LISTINGS_ENRICHED)} and put_aside(kafka, value)

    await working(kafka.settings("worker-enrich"), "enrich", done)
    assert done()


async def test_the_answer_agent_works_reads_its_books_and_puts_aside(kafka: Guarded) -> None:
    asked = question(uuid.uuid4().hex)
    about = listing(asked.listing_id)
    send(kafka.settings("platform-listings"), about)
    send(kafka.settings("platform-questions"), asked)
    value = broken(kafka.settings("platform-questions"), QUESTIONS)

    def drafts() -> list[AnswerDrafted]:
        made = derived_id("answer", asked.event_id)
        return [each for each in on(kafka, ANSWERS_DRAFTED) if getattr(each, "event_id", None) == made]

    await working(kafka.settings("worker-answer"), "answer", lambda: bool(drafts()) and put_aside(kafka, value))
    assert [draft.reason for draft in drafts()] == ["no_evidence"]  # so it knew the listing
    review = AnswerReviewed(
        *(uuid.uuid4(), now(), "m-1", asked.listing_id, "q-1", drafts()[0].event_id, Decision.EDIT, "ann", "Yes.")
    )
    send(kafka.settings("reviewer"), review)
    known = "tradewind_approved_answers_known"
    await working(kafka.settings("worker-answer"), "answer", lambda: (REGISTRY.get_sample_value(known) or 0) >= 1)


async def test_the_insights_agent_reads_what_was_said_and_says_more(
    kafka: Guarded, database: ClickHouseEndpoint
) -> None:
    settings = kafka.settings("worker-insights", **store(database), insights_every_s=0.2)
    migrate(settings)
    send(settings, insight())
    looks = ("tradewind_insight_looks_total", {"outcome": "quiet"})
    before = REGISTRY.get_sample_value(*looks) or 0
    source = ClickHouseSource(lambda: open_client(settings), patience=timedelta(hours=1))
    await working(settings, "insights", lambda: (REGISTRY.get_sample_value(*looks) or 0) > before, source=source)


def store(database: ClickHouseEndpoint) -> dict[str, str]:
    return {
        "clickhouse_url": database.url,
        "clickhouse_username": database.user,
        "clickhouse_password": database.password,
        "clickhouse_database": database.database,
    }


@contextmanager
def sinking(settings: Settings) -> Iterator[list[Exception]]:
    stop, failed, metrics = threading.Event(), [], SinkMetrics(CollectorRegistry())

    def sink() -> None:
        try:
            run_sink(settings, stop, registry=CommittedRegistry(), tables=TABLES, metrics=metrics)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=sink)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_the_sink_stores_puts_aside_and_fills_a_table_anew(kafka: Guarded, database: ClickHouseEndpoint) -> None:
    settings = kafka.settings("sink", **store(database), sink_batch_s=0.2)
    migrate(settings)
    event = order()
    send(kafka.settings("platform-orders"), event)
    value = broken(kafka.settings("platform-orders"), ORDERS)
    with open_client(settings) as client, sinking(settings) as failed:
        stored = f"SELECT count() FROM orders WHERE event_id = '{event.event_id}'"
        until(lambda: bool(failed) or (bool(client.command(stored)) and put_aside(kafka, value)), "it is stored")
        assert failed == []
        (table,) = [table for table in TABLES if table.topic is ORDERS]
        own = SinkMetrics(CollectorRegistry())
        assert backfill(settings, table, threading.Event(), registry=CommittedRegistry(), metrics=own)
        assert client.command(stored) == 1
    assert failed == []


def test_dead_letters_are_put_back(kafka: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    mended = CODEC.encode_event(order())
    message = Inbound(ORDERS.name, 0, 10**9, 0, b"o-1", mended)
    letter = dead_letter(message, stage="sink", error_class="Test", why="a test", now=now())
    send(kafka.settings(), letter)
    settings = kafka.settings("replay")
    done = cli(monkeypatch, settings, "deadletters", "replay", str(letter.event_id), "--yes")
    assert done.exit_code == 0, done.output
    values = [each.value() for each in read_all(kafka.settings().kafka_client(), ORDERS.name)]
    assert mended in values


@pytest.mark.parametrize("command", ["status", "tail orders --from-beginning --timeout 1", "deadletters ls", "doctor"])
def test_an_operator_looks(
    kafka: Guarded, database: ClickHouseEndpoint, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    settings = kafka.settings("operator", **store(database), model=__file__)
    migrate(settings)
    send(kafka.settings("platform-orders"), order())
    done = cli(monkeypatch, settings, *command.split(), "--json")
    assert done.exit_code == 0, done.output
    assert isinstance(json.loads(done.stdout.splitlines()[0]), (dict, list))


@pytest.mark.parametrize(
    ("role", "topic"), [("storefront", LISTINGS_ENRICHED), ("help-desk", ANSWERS_DRAFTED)], ids=("storefront", "help")
)
def test_a_downstream_system_reads_in_its_group_and_commits(kafka: Guarded, role: str, topic: Topic) -> None:
    with Publisher(kafka.settings().kafka_client(), CODEC) as publisher:
        publisher.publish_bytes(topic.name, b"l-1", b"whatever")
    client = kafka.settings(role).kafka_client(**{"group.id": role, "auto.offset.reset": "earliest"})
    consumer = Consumer(client)
    try:
        consumer.subscribe([topic.name])
        until(lambda: (message := consumer.poll(0.1)) is not None and message.error() is None, "a message")
        committed = consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    assert [place.error for place in committed or ()] == [None] * len(committed or ())


# -- what somebody is told who lacks a role -----------------------------------------------------------------------


def test_a_publisher_that_may_not_write_says_who_can_mend_it(kafka: Guarded) -> None:
    with pytest.raises(DeliveryFailed, match=r"authorization failed; give the account its role: tradewind topics ac"):
        send(kafka.settings("platform-listings"), order())


@each_role
def test_an_account_is_told_at_its_start_what_it_may_not_do(kafka: Guarded, role: str) -> None:
    """Each has all that its own role needs, and not what the next one does."""
    settings = kafka.settings(role)
    (own,) = grants(settings, [each for each in ROLES if each.name == role])
    require(settings, [own])
    others = [each for each in ROLES if each.name in ("worker-enrich", "worker-answer", "sink") and each.name != role]
    for other in grants(settings, others):
        with pytest.raises(RightsMissing, match=rf"^Kafka does not .*: tradewind topics access {other.role.name}$"):
            require(settings, [other])


@pytest.mark.parametrize("command", ["worker --agents enrich", "worker --agents answer,insights", "sink"])
def test_a_command_without_its_role_ends_with_the_line(
    kafka: Guarded, database: ClickHouseEndpoint, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    done = cli(monkeypatch, kafka.settings("operator", **store(database)), *command.split())
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "give the account its role: tradewind topics access" in lines[0]


async def test_a_worker_that_may_not_write_its_results_stops_and_puts_nothing_aside(kafka: Guarded) -> None:
    """No message is at fault, so none becomes a dead letter: all come again once the account has its role."""
    (enrich,) = [role for role in ROLES if role.name == "worker-enrich"]
    rules = [rule for rule in enrich.rules(kafka.settings()) if rule.name != LISTINGS_ENRICHED.name]
    await asyncio.to_thread(apply, kafka.settings(), [Grant(enrich, "User:half", tuple(rules))])
    send(kafka.settings("platform-listings"), listing())
    before = len(on(kafka, DEAD_LETTERS))
    with pytest.raises(TopicAuthorizationFailedError) as raised:
        await asyncio.wait_for(working(kafka.settings("half"), "enrich", lambda: False), DEADLINE_S)
    assert_told(raised.value)
    assert len(on(kafka, DEAD_LETTERS)) == before


async def test_an_answer_worker_that_may_not_read_listings_stops_with_one_line(kafka: Guarded) -> None:
    (answer,) = [role for role in ROLES if role.name == "worker-answer"]
    rules = [rule for rule in answer.rules(kafka.settings()) if rule != Rule("topic", "Read", LISTINGS.name)]
    await asyncio.to_thread(apply, kafka.settings(), [Grant(answer, "User:blind", tuple(rules))])
    with pytest.raises(KafkaException) as raised:
        await asyncio.wait_for(working(kafka.settings("blind"), "answer", lambda: False), DEADLINE_S)
    assert_told(raised.value)


def test_a_sink_without_its_group_stops_with_one_line(kafka: Guarded, database: ClickHouseEndpoint) -> None:
    settings = kafka.settings("operator", **store(database))
    migrate(settings)
    with sinking(settings) as failed:
        until(lambda: bool(failed), "the sink stops", DEADLINE_S)
    assert_told(failed[0])


def assert_told(error: BaseException) -> None:
    assert isinstance(error, Exception)
    told = explain(error)
    assert told is not None
    assert "authorization" in told.message.lower()
    assert told.message.endswith("give the account its role: tradewind topics access")
    assert "\n" not in told.message


# -- the command ------------------------------------------------------------------------------------------------


def test_the_command_puts_rules_into_kafka_once_and_tells_what_is_beyond(
    kafka: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("topics", "access", "storefront", "--principal", "User:carol", "--apply")
    first = cli(monkeypatch, kafka.settings(ADMIN), *arguments)
    assert (first.exit_code, first.stdout) == (0, "2 rules were put into Kafka\n")
    again = cli(monkeypatch, kafka.settings(ADMIN), *arguments)
    assert (again.exit_code, again.stdout) == (0, "all rules are there already\n")
    (more,) = grants(kafka.settings(), [_tail_reader()], "User:carol")
    apply(kafka.settings(), [more])
    beyond_it = cli(monkeypatch, kafka.settings(ADMIN), *arguments)
    assert "may do more: User:carol: Read topic questions.v1 from *" in beyond_it.stdout


def _tail_reader() -> Role:
    return Role("nosy", "reads questions", lambda settings: (Rule("topic", "Read", QUESTIONS.name),))


def test_no_account_may_do_more_than_its_role(kafka: Guarded) -> None:
    known = [*grants(kafka.settings(), ROLES), *grants_to_look(kafka.settings())]
    assert beyond(kafka.settings(), known) == []


def test_partitions_are_as_the_settings_say(kafka: Guarded) -> None:
    there = admin_of(kafka).list_topics(timeout=DEADLINE_S).topics
    assert {len(there[name].partitions) for name in ALL} == {PARTITIONS}
    assert ANSWERS_REVIEWED.name in there
