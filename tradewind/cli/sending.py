"""Rows of a file onto a topic: what is wrong with one stops nothing but itself, and everything is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from confluent_kafka import KafkaException

from schemas.complete_row import complete
from schemas.publisher import DeliveryFailed
from schemas.topics import Topic
from schemas.validation import Problem, validate
from tradewind.publish import Row

#: Wait for Kafka's word after so many rows: one that has gone away is noticed long before the file ends.
_FLUSH_EVERY = 20_000


class Outgoing(Protocol):
    """What is asked of a publisher; `schemas.publisher.Publisher` has it."""

    def publish_row(self, topic: Topic, row: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Queue a row, or give what is wrong with it."""
        ...

    def flush(self) -> None:
        """Wait until everything queued is acknowledged.

        Raises:
            DeliveryFailed: some of it was not.
        """
        ...


class KafkaGone(Exception):
    """Kafka acknowledged none of the last rows."""


@dataclass
class Tally:
    """What has become of the rows so far.

    Attributes:
        rows: rows that were read.
        good: rows that fit the record.
        sent: rows that Kafka acknowledged.
        bad: rows, or a header, with problems.
        refused: rows that fit, and that Kafka did not acknowledge; counted at the end.
        skipped: rows left out on purpose, by reason.
        problems: what is wrong, in all.
    """

    rows: int = 0
    good: int = 0
    sent: int = 0
    bad: int = 0
    refused: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: int = 0

    @property
    def complete(self) -> bool:
        """Whether everything went that was meant to go."""
        return not self.bad and not self.refused


#: Told of each problem, with the line of the file where its row begins; None where that is not known any more.
OnProblem = Callable[["int | None", Problem], None]


def send(
    rows: Iterable[Row],
    topic: Topic,
    publisher: Outgoing | None,
    tally: Tally,
    *,
    now: Callable[[], datetime],
    on_problem: OnProblem,
    on_row: Callable[[], None],
) -> None:
    """Publish the rows that fit, and wait until Kafka has acknowledged them. `tally` is right at any time.

    Args:
        publisher: its `on_delivered` must count up `tally.sent`; None only checks the rows.

    Raises:
        KafkaGone: Kafka acknowledges nothing any more; the rest of the rows was not read.
        NotRegistered, RegistryUnavailable: there is no schema id for the topic.
    """

    def tell(line: int | None, problems: Iterable[Problem]) -> None:
        for problem in problems:
            tally.problems += 1
            on_problem(line, problem)

    for row in rows:
        tally.rows += 1
        on_row()
        if row.skipped:
            tally.skipped[row.skipped] += 1
            continue
        problems = row.problems
        if row.data is not None:
            problems = (*problems, *_publish(publisher, topic, complete(topic, row.data, now())))
        if problems or row.data is None:
            tally.bad += 1
            tell(row.line, problems)
            continue
        tally.good += 1
        if publisher is not None and tally.good % _FLUSH_EVERY == 0:
            tell(None, flush(publisher, topic, tally))
    if publisher is not None:
        tell(None, flush(publisher, topic, tally))


def _publish(publisher: Outgoing | None, topic: Topic, row: Mapping[str, Any]) -> tuple[Problem, ...]:
    if publisher is None:
        found = validate(topic.record, row)
        return found if isinstance(found, tuple) else ()
    try:
        return publisher.publish_row(topic, row)
    except KafkaException as error:
        return (_refusal("row", error.args[0].str()),)


def flush(publisher: Outgoing, topic: Topic, tally: Tally) -> list[Problem]:
    """Wait for Kafka's word on what was published, and give what it did not take.

    Raises:
        KafkaGone: it said nothing at all.
    """
    before = tally.sent
    try:
        publisher.flush()
    except DeliveryFailed as failed:
        # librdkafka's own errors, such as a timeout, begin so; those of a broker do not.
        silent = failed.pending or all(each.error.startswith("Local:") for each in failed.undelivered)
        if silent and tally.sent == before:
            raise KafkaGone(str(failed)) from failed
        return [_refusal(f"{topic.key} {each.key.decode(errors='replace')}", each.error) for each in failed.undelivered]
    finally:
        tally.refused = tally.good - tally.sent
    return []


def _refusal(where: str, why: str) -> Problem:
    return Problem(where, "Kafka to take it", f"a refusal ({why})", "check its size and the topic's settings")
