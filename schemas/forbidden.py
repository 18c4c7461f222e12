"""What Kafka's authorizer refuses. Trying again does not help: an administrator has to give the account its role."""

from __future__ import annotations

from confluent_kafka import KafkaError

MEND = "give the account its role: tradewind topics access"

_CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)


def is_forbidden(error: KafkaError) -> bool:
    """Whether the account may not do that."""
    return error.code() in _CODES
