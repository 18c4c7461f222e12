"""A steady load whose every id is known beforehand, so that what is missing can be named at the end."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal

from schemas.codec import Codec
from schemas.events import Event, ListingPublished, OrderEvent, OrderKind, QuestionAsked, derived_id
from schemas.publisher import Publisher
from schemas.registry import CommittedRegistry
from schemas.topics import topic_of_record
from tradewind.settings import Settings

_NAMES = uuid.UUID("8f0f9f0e-52c5-4b8b-9d5e-5f6b1f6b0c55")
#: The broker may be away for minutes, and a steady producer outlasts that.
_PATIENCE_S = 900.0
#: Enough for a page of its own.
_FACTS = {
    "material": "copper",
    "colour": "brown",
    "weight": "1.2 kg",
    "height": "24 cm",
    "handle": "oak",
    "origin": "Italy",
}
#: Of so many listings that are asked about, the first are known: their questions get a draft from a template, the
#: others are handed to a person. A draft's ranking and guards take ten times as long as all the rest of its way.
ASKED_ABOUT, LISTINGS = 10_000, 500


@dataclass(frozen=True, slots=True)
class Stream:
    """So many events of a kind, at a steady pace.

    Attributes:
        kind: orders, questions or listings. Of each question a draft must come, of each listing its copy.
        events: how many; broken messages come beside them.
        rate: of events a second.
        poison: share of all messages that are broken.
    """

    kind: str
    events: int
    rate: float
    poison: float = 0.0

    @property
    def results(self) -> dict[str, set[uuid.UUID]]:
        """By table, the ids that must be there at the end."""
        ids = {self.event_id(number) for number in range(self.events)}
        if self.kind == "questions":
            return {"questions": ids, "answers_drafted": {derived_id("answer", each) for each in ids}}
        if self.kind == "listings":
            return {"listings": ids, "listings_enriched": {derived_id("enrich", each) for each in ids}}
        return {"orders": ids}

    @property
    def last_table(self) -> str:
        """Where an event's way ends."""
        return {"questions": "answers_drafted", "listings": "listings_enriched", "orders": "orders"}[self.kind]

    def event_id(self, number: int) -> uuid.UUID:
        """The id of an event."""
        return uuid.uuid5(_NAMES, f"{self.kind}/{number}")

    def event(self, number: int, at: datetime) -> Event:
        """An event."""
        same = {"event_id": self.event_id(number), "occurred_at": at, "merchant_id": f"m-{number % 50}"}
        if self.kind == "questions":
            listing = f"l-{number % ASKED_ABOUT}"
            return QuestionAsked(**same, listing_id=listing, question_id=f"q-{number}", text="Is it made of copper?")  # type: ignore[arg-type]
        if self.kind == "listings":
            attributes = {**_FACTS, "capacity": f"{number + 100} ml"}
            title = f"Kettle number {number}"
            return ListingPublished(**same, listing_id=f"l-{number}", title=title, attributes=attributes, language="en")  # type: ignore[arg-type]
        amount = Decimal(number % 10_000 + 1) / 100
        return OrderEvent(
            **same,  # type: ignore[arg-type]
            order_id=f"o-{number // 3}",
            listing_id=f"l-{number % 5000}",
            kind=OrderKind.PLACED,
            amount=amount,
            currency="EUR",
        )

    def messages(self, at: datetime) -> Iterator[tuple[bytes, bytes, bool]]:
        """Key and value of each message, and whether it is a broken one."""
        codec, broken = Codec(CommittedRegistry()), 0
        for number in range(self.events):
            while broken < (number + broken + 1) * self.poison:
                yield f"poison-{broken}".encode(), f"{self.kind} poison {broken}".encode(), True
                broken += 1
            event = self.event(number, at)
            topic = topic_of_record(type(event).__name__)
            yield str(getattr(event, topic.key)).encode(), codec.encode_event(event), False

    @property
    def topic(self) -> str:
        """Where it is sent."""
        return {"questions": "questions.v1", "listings": "listings.v1", "orders": "orders.v1"}[self.kind]


def publish_listings(settings: Settings) -> None:
    """What the questions are about; acknowledged when this returns."""
    stream, now = Stream("listings", LISTINGS, rate=1.0), datetime.now(timezone.utc)
    with Publisher(settings.kafka_client(), Codec(CommittedRegistry())) as publisher:
        for number in range(stream.events):
            publisher.publish(stream.event(number, now))


class Load:
    """Sends a stream, in a thread of its own.

    Attributes:
        sent: events that are handed to the producer by now.
        broken: the broken messages.
        error: why it ended early, if it did.
    """

    def __init__(self, stream: Stream, settings: Settings) -> None:
        self.stream = stream
        self.sent = 0
        self.error: Exception | None = None
        messages = list(stream.messages(datetime.now(timezone.utc)))  # encoded before, so that the pace is kept
        self.broken = [value for _, value, broken in messages if broken]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(messages, settings), name=f"load of {stream.kind}")

    @property
    def ended(self) -> bool:
        """Whether all is sent and acknowledged."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End early; returns when it has."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self, messages: list[tuple[bytes, bytes, bool]], settings: Settings) -> None:
        try:
            codec = Codec(CommittedRegistry())
            with Publisher(settings.kafka_client(), codec, delivery_timeout_s=_PATIENCE_S) as publisher:
                began, pace = time.monotonic(), self.stream.rate * len(messages) / self.stream.events
                for number, (key, value, broken) in enumerate(messages):
                    if (ahead := began + number / pace - time.monotonic()) > 0.005 and self._stop.wait(ahead):
                        return
                    publisher.publish_bytes(self.stream.topic, key, value)
                    self.sent += not broken
        except Exception as error:
            self.error = error
