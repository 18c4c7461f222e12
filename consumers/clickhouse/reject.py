"""Messages that can't be stored: as dead letters, with their original bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from consumers.clickhouse.batch import Message
from consumers.clickhouse.errors import NotAllowed, TooManyDeadLetters
from schemas.codec import Rejected
from schemas.dead_letters import Inbound, dead_letter
from schemas.publisher import DeliveryFailed, Publisher

STAGE = "sink"


class DeadLettersUndelivered(Exception):
    """Kafka did not confirm dead letters; trying again may help."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message with the reason why it can't be stored."""

    message: Message
    why: Rejected


class DeadLetterQueue(Protocol):
    """Where refused messages go."""

    def put(self, refusals: Sequence[Refusal]) -> None:
        """Hand them over; returns once they are safe.

        Raises:
            DeadLettersUndelivered: some may not have arrived. To put them again does no harm.
        """
        ...


def inbound(message: Message) -> Inbound:
    """The client's message as a plain value."""
    kind, milliseconds = message.timestamp()
    return Inbound(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp_ms=milliseconds if kind else None,
        key=message.key(),
        value=message.value(),
        headers={name: _as_bytes(value) for name, value in dict(message.headers() or ()).items()},
    )


def _as_bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


class PublishedDeadLetters:
    """Dead letters on their topic, confirmed by Kafka."""

    def __init__(self, publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._publisher = publisher
        self._clock = clock
        # A flush tells of everything that was undelivered, whoever sent it.
        self._lock = threading.Lock()

    def put(self, refusals: Sequence[Refusal]) -> None:
        """Publish them and wait for Kafka's confirmation."""
        with self._lock:
            for refusal in refusals:
                self._publisher.publish(
                    dead_letter(
                        inbound(refusal.message),
                        stage=STAGE,
                        error_class=refusal.why.error_class,
                        why=refusal.why.message,
                        now=self._clock(),
                    )
                )
            try:
                self._publisher.flush()
            except DeliveryFailed as error:
                if error.forbidden:
                    raise NotAllowed(str(error)) from error
                raise DeadLettersUndelivered(str(error)) from error


@dataclass(slots=True)
class DeadLetterLimit:
    """Stops the sink instead of letting it empty a topic into dead letters (as getsentry/arroyo's DlqLimit does).

    Attributes:
        share: more than this share of the last `window` messages is too many.
        window: over how many messages the share is taken.
        in_a_row: so many with no good one between them are too many.
    """

    share: float
    window: int
    in_a_row: int
    _seen: int = 0
    _bad: int = 0
    _row: int = 0

    def observe(self, table: str, bad: int, among: int) -> None:
        """Count messages of which some are about to become dead letters.

        Raises:
            TooManyDeadLetters: before any of them does.
        """
        self._row = self._row + bad if bad == among else 0
        self._seen += among
        self._bad += bad
        if self._row >= self.in_a_row:
            raise TooManyDeadLetters(_too_many(table, f"{self._row} messages in a row"))
        if self._seen >= self.window:
            if self._bad > self.share * self._seen:
                raise TooManyDeadLetters(_too_many(table, f"{self._bad} of the last {self._seen} messages"))
            self._seen = self._bad = 0


def _too_many(table: str, what: str) -> str:
    return (
        f"{what} for the table {table} can't be stored, so the sink stopped before it put them aside; check the schema "
        "registry and the producers, or raise TRADEWIND_DEAD_LETTER_SHARE and TRADEWIND_DEAD_LETTERS_IN_A_ROW"
    )
