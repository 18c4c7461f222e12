"""How far the agents are behind: messages in Kafka that they have not committed, as a metric."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import faust
import structlog

from streams import metrics

log = structlog.get_logger("tradewind.streams")

_EVERY_S = 5.0


async def follow_lag(apps: Sequence[faust.App]) -> None:
    """Tell the lag of the partitions that these apps have, again and again, until cancelled."""
    told: set[tuple[str, int]] = set()
    while True:
        found: dict[tuple[str, int], int] = {}
        for app in apps:
            try:
                found |= await _lag(app)
            except Exception as error:  # Kafka is away, or the consumer is just being stopped
                log.debug("the lag is not known for now", group=app.conf.id, error=type(error).__name__)
        for topic, partition in told - found.keys():
            metrics.LAG.remove(topic, str(partition))  # another worker has it, or nobody knows
        for (topic, partition), lag in found.items():
            metrics.LAG.labels(topic, str(partition)).set(lag)
        told = set(found)
        await asyncio.sleep(_EVERY_S)


async def _lag(app: faust.App) -> dict[tuple[str, int], int]:
    consumer: Any = app.consumer
    places = list(consumer.assignment())
    ends = await consumer.highwaters(*places) if places else {}
    committed = {place: consumer._committed_offset.get(place) for place in places}
    new = [place for place, offset in committed.items() if offset is None]  # nothing was ever committed
    begins = await consumer.earliest_offsets(*new) if new else {}
    return {
        (place.topic, place.partition): max(0, end - (committed.get(place) or begins.get(place) or 0))
        for place, end in ends.items()
    }
