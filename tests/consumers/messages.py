"""A Kafka message made of plain values, where a test needs no broker."""

from __future__ import annotations

from dataclasses import dataclass


class FakeMessage:
    """What `consumers.clickhouse.batch.Message` asks for."""

    def __init__(
        self,
        *,
        topic: str = "orders.v1",
        partition: int = 0,
        offset: int = 0,
        key: bytes | None = None,
        value: bytes | None = b"",
        headers: list[tuple[str, str | bytes | None]] | None = None,
        timestamp: tuple[int, int] = (1, 1_772_000_000_000),
    ) -> None:
        self._fields = _Fields(topic, partition, offset, key, value, headers, timestamp)

    def topic(self) -> str:
        return self._fields.topic

    def partition(self) -> int:
        return self._fields.partition

    def offset(self) -> int:
        return self._fields.offset

    def key(self) -> bytes | None:
        return self._fields.key

    def value(self) -> bytes | None:
        return self._fields.value

    def __len__(self) -> int:
        return len(self._fields.value or b"")

    def headers(self) -> list[tuple[str, str | bytes | None]] | None:
        return self._fields.headers

    def timestamp(self) -> tuple[int, int]:
        return self._fields.timestamp


@dataclass(frozen=True)
class _Fields:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]] | None
    timestamp: tuple[int, int]
