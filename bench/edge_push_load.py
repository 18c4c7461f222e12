"""The other side of `edge_push.py`: drafts onto the topic at a steady pace, and what it costs who serves."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import datetime, timezone
from types import TracebackType

from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.events import AnswerDrafted, AnswerRoute, Evidence, EvidenceSource, Method, Provenance, Timings
from schemas.publisher import PARTITIONER
from schemas.topics import ANSWERS_DRAFTED
from tradewind.assembly import make_codec
from tradewind.settings import Settings

_TEXT = "Yes. The listing says that the jacket is waterproof up to 10,000 mm and that its seams are taped."
_TICK_S = 0.01


def merchant(number: int) -> str:
    """The id of a merchant."""
    return f"merchant-{number}"


def draft(merchant_number: int, number: int) -> AnswerDrafted:
    """A draft as the answer agent writes them, with the moment of its making in it."""
    now = datetime.now(timezone.utc)
    return AnswerDrafted(
        event_id=uuid.uuid4(),
        occurred_at=now,
        merchant_id=merchant(merchant_number),
        listing_id=f"listing-{merchant_number}-{number % 20}",
        question_id=f"{merchant_number}-{number}-{time.time_ns()}",
        source_event_id=uuid.uuid4(),
        asked_at=now,
        language="en",
        question="Does it keep the rain out on a long walk?",
        draft=_TEXT,
        evidence=(Evidence(_TEXT, EvidenceSource.DESCRIPTION, "", 12, 109, 0.8),),
        confidence=0.83,
        route=AnswerRoute.REVIEW,
        reason="confidence",
        provenance=Provenance(Method.MODEL, "a-model", "0" * 64, None, "local", "answer-3", 412, 38),
        timings=Timings(3.1, 0.4, 61.0, 420.5, 485.0),
    )


class Load:
    """Drafts for all merchants in turn, at a pace, from a thread.

    Attributes:
        made: how many each merchant was made; those of one merchant are numbered from 0.
    """

    def __init__(self, settings: Settings, merchants: int) -> None:
        self.made = [0] * merchants
        self._producer = Producer(
            {
                **settings.kafka_client(),
                "enable.idempotence": True,
                "linger.ms": 1,
                "partitioner": PARTITIONER,
            }
        )
        self._codec: Codec = make_codec(settings)
        self._next = 0
        self._pace = 0.0
        self._changed = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def pace(self, messages_s: float) -> None:
        """So many a second from now on."""
        self._pace = messages_s

    def flush(self) -> None:
        """Make no more, and wait until Kafka has them all."""
        self.pace(0)
        time.sleep(2 * _TICK_S)
        assert self._producer.flush(60) == 0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending = True
        self._thread.join()

    def _run(self) -> None:
        due, before = 0.0, time.monotonic()
        while not self._ending:
            now = time.monotonic()
            due = due + (now - before) * self._pace if self._pace else 0.0
            before = now
            while due >= 1:
                due -= 1
                self._one()
            self._producer.poll(0)
            time.sleep(_TICK_S)

    def _one(self) -> None:
        number = self._next % len(self.made)
        self._next += 1
        event = draft(number, self.made[number])
        self.made[number] += 1
        self._producer.produce(ANSWERS_DRAFTED.name, self._codec.encode_event(event), event.listing_id.encode())
