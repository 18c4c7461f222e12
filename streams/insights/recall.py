"""What was said, from the topic that it was said on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.codec import Codec
from schemas.events import OpsInsight
from schemas.reader import read_all
from schemas.topics import INSIGHTS


def recall(client: Mapping[str, Any], codec: Codec) -> Iterator[OpsInsight]:
    """Every insight on the topic; what does not decode said nothing that could be repeated.

    Args:
        client: settings of a confluent-kafka client.

    Raises:
        KafkaException, RegistryUnavailable, NotRegistered: it can't be read now.
    """
    for message in read_all(client, INSIGHTS.name):
        event = codec.decode_event(INSIGHTS, message.value())
        if isinstance(event, OpsInsight):
            yield event
