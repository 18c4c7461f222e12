"""Putting the original bytes back on their topic, once what was wrong has been mended.

A header counts how often a message was put back. If it fails again, its new dead letter carries that count on, so the
limit holds for the message however often it comes back here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from schemas.dead_letters import CUT_HEADER, PACKED_HEADER, REPLAYS_HEADER
from schemas.events import DeadLetter, Event

MAX_REPLAYS = 2
#: So many are put back and written down before the next ones.
_PORTION = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay does.

    Attributes:
        again: letters whose message is put back.
        refused: letters that are left alone, each with the reason.
    """

    again: tuple[DeadLetter, ...]
    refused: tuple[tuple[DeadLetter, str], ...]


class Outgoing(Protocol):
    """What a replay asks of a publisher; `schemas.publisher.Publisher` has it."""

    def publish_bytes(
        self, topic: str, key: bytes | None, value: bytes | None, headers: dict[str, bytes] | None = None
    ) -> None:
        """Queue a message as it is."""
        ...

    def publish(self, event: Event) -> None:
        """Queue an event."""
        ...

    def flush(self) -> None:
        """Wait until everything queued is acknowledged.

        Raises:
            DeliveryFailed: some of it was not.
        """
        ...


def plan(letters: Iterable[DeadLetter], limit: int = MAX_REPLAYS) -> Plan:
    """Which of the letters may be put back."""
    again, refused = [], []
    for letter in letters:
        if larger := letter.source_headers.get(PACKED_HEADER) or letter.source_headers.get(CUT_HEADER):
            size = larger.decode(errors="replace")
            refused.append((letter, f"its value has {size} bytes, more than any reader takes; send it in less"))
        elif letter.replays >= limit:
            refused.append((letter, f"it was put back {letter.replays} times already; mend it at its source"))
        else:
            again.append(letter)
    return Plan(tuple(again), tuple(refused))


def headers_of(letter: DeadLetter) -> dict[str, bytes]:
    """The original headers with the count of this replay."""
    return {**letter.source_headers, REPLAYS_HEADER: str(letter.replays + 1).encode()}


def replay(publisher: Outgoing, letters: Sequence[DeadLetter], *, dry_run: bool = False) -> Plan:
    """Put the messages of the letters back on their topics, and write down that it was done.

    They are written down only after Kafka has confirmed them. So when it stops between the two, a portion may be put
    back again, with the same count in the header; whoever reads the copies drops them by `event_id`, and if they fail
    again, each goes on counting from there.

    Args:
        dry_run: decide only.

    Raises:
        DeliveryFailed: Kafka did not confirm.
    """
    decided = plan(letters)
    if dry_run or not decided.again:
        return decided
    for start in range(0, len(decided.again), _PORTION):
        portion = decided.again[start : start + _PORTION]
        for letter in portion:
            publisher.publish_bytes(letter.source_topic, letter.source_key, letter.source_value, headers_of(letter))
        publisher.flush()
        for letter in portion:
            publisher.publish(replace(letter, replays=letter.replays + 1))
        publisher.flush()
    return decided
