"""The topics in Kafka: created from the catalogue, and compared with it.

Faust declares no source topics and takes them as it finds them, so all are made here, before a worker starts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import CATALOGUE
from streams.reach import topics_in_kafka
from tradewind.settings import Settings

TIMEOUT_S = 10.0


class TopicsError(Exception):
    """The topics are not as the catalogue wants them."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be."""

    name: str
    partitions: int
    config: dict[str, str]


def plan(settings: Settings) -> list[TopicPlan]:
    """Every topic that we need."""
    return [TopicPlan(topic.name, settings.partitions, topic.config()) for topic in CATALOGUE]


def create(settings: Settings) -> list[str]:
    """Create the topics that are missing and give their names.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicsError: Kafka refuses, or a topic has another partition count.
    """
    there = topics_in_kafka(settings)
    missing = [wanted for wanted in plan(settings) if wanted.name not in there]
    admin = _admin(settings)
    futures = (
        admin.create_topics(
            [
                NewTopic(
                    wanted.name,
                    num_partitions=wanted.partitions,
                    replication_factor=settings.kafka_replication_factor,
                    config=wanted.config,
                )
                for wanted in missing
            ],
            request_timeout=TIMEOUT_S,
        )
        if missing
        else {}
    )
    for name, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicsError(f"topic {name} was not created: {error.args[0].str()}") from error
    check(settings)
    return [wanted.name for wanted in missing]


def check(settings: Settings) -> None:
    """See that every topic is there with the partitions that the settings say.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicsError: one is not.
    """
    there = require(settings, [wanted.name for wanted in plan(settings)])
    for wanted in plan(settings):
        if there[wanted.name] != wanted.partitions:
            raise TopicsError(
                f"topic {wanted.name} has {there[wanted.name]} partitions, TRADEWIND_PARTITIONS says "
                f"{wanted.partitions}; set it to the former, or recreate the topic"
            )


def require(settings: Settings, names: Collection[str]) -> dict[str, int]:
    """See that these topics are there; gives the partition count of every topic in Kafka.

    Raises:
        KafkaUnreachable: no broker answers.
        TopicsError: one is missing.
    """
    there = topics_in_kafka(settings)
    if missing := [name for name in names if name not in there]:
        # Kafka does not tell a topic that is not there from one that the user may not see.
        rights = ", or let TRADEWIND_KAFKA_USERNAME see them" if settings.kafka_username else ""
        raise TopicsError(f"Kafka has no topic {', '.join(missing)}; create them: tradewind topics create{rights}")
    return there


def _admin(settings: Settings) -> AdminClient:
    return AdminClient(settings.kafka_client(log_level=0, error_cb=lambda error: None))
