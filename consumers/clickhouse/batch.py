"""What waits for the next insert of a table, and when that insert is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, Union

from consumers.clickhouse.positions import Log

Headers = Union[dict[str, Union[str, bytes, None]], list[tuple[str, Union[str, bytes, None]]]]


class Message(Protocol):
    """What the sink asks of a message; confluent-kafka's own has it."""

    def topic(self) -> str | None:
        """Name of its topic."""
        ...

    def partition(self) -> int | None:
        """Number of its partition."""
        ...

    def offset(self) -> int | None:
        """Its place in the partition."""
        ...

    def key(self) -> bytes | None:
        """Its key."""
        ...

    def value(self) -> bytes | None:
        """Its value; None for a tombstone."""
        ...

    def headers(self) -> Headers | None:
        """Its headers, in order."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Kind of its timestamp (0: it has none), and the time in milliseconds since 1970."""
        ...

    def __len__(self) -> int:
        """Bytes of its value; 0 for a tombstone."""
        ...


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When a batch is due.

    Attributes:
        max_rows: as soon as it has so many messages.
        max_bytes: as soon as their values have so many bytes, so that large messages can't fill the memory.
        max_age_s: as soon as its first message has waited so long.
    """

    max_rows: int
    max_age_s: float
    max_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """Messages of one log, in the order in which they were read.

    Attributes:
        log: where they were read from.
        started: monotonic time of the first one, in seconds.
    """

    log: Log
    started: float
    messages: list[Message] = field(default_factory=list)
    size: int = 0

    def extend(self, messages: Sequence[Message]) -> None:
        """Put messages at the end."""
        self.messages.extend(messages)
        self.size += sum(map(len, messages))

    def is_full(self, policy: BatchPolicy) -> bool:
        """Whether it takes no more."""
        return len(self.messages) >= policy.max_rows or self.size >= policy.max_bytes

    def is_due(self, policy: BatchPolicy, now: float) -> bool:
        """Whether it should be stored now."""
        return self.is_full(policy) or now - self.started >= policy.max_age_s

    def next_offsets(self) -> dict[int, int]:
        """For each partition, the offset after its last message."""
        return {message.partition() or 0: (message.offset() or 0) + 1 for message in self.messages}
