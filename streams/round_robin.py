"""Partitions take turns: a flood in one does not keep the events of all others waiting.

aiokafka hands a fetched partition out to its end before it comes to the next one, and a fetch holds whole batches, in
which compression puts thousands of alike events. Here a partition that gave some goes behind the others.

This reaches into aiokafka, which has no setting for it; `tests/streams/test_round_robin.py` holds it against its
fetcher.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import consumer
from aiokafka.consumer.fetcher import Fetcher


class RoundRobinFetcher(Fetcher):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's fetcher, whose partitions take turns."""

    async def fetched_records(self, partitions: Any, timeout: float = 0, max_records: int | None = None) -> Any:
        """As aiokafka's: messages by partition, no more than `max_records` together."""
        drained = await super().fetched_records(partitions, timeout, max_records)
        for partition in drained:
            if partition in self._records:
                self._records.move_to_end(partition)
        return drained


def install() -> None:
    """Have every consumer that is made from now on fetch so."""
    consumer.Fetcher = RoundRobinFetcher
