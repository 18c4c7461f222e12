"""Which answers of people a draft may rest on, on a real broker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from model.evidence import ApprovedAnswer
from schemas.codec import Codec
from schemas.events import AnswerDrafted, AnswerReviewed, Decision, Method, Provenance, Timings
from schemas.registry import CommittedRegistry, RegistryUnavailable
from schemas.topics import ANSWERS_DRAFTED, ANSWERS_REVIEWED, Topic
from streams.approved_book import ApprovedBook
from tests.support.topics import make_topic, produce

pytestmark = pytest.mark.integration

CODEC = Codec(CommittedRegistry())
AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
DEADLINE_S = 20.0
EDIT, APPROVE, REJECT = Decision.EDIT, Decision.APPROVE, Decision.REJECT


def drafted(number: int, text: str | None = None, merchant: str = "m-1", listing: str = "l-1") -> AnswerDrafted:
    return AnswerDrafted(
        event_id=uuid.UUID(int=number),
        occurred_at=AT,
        merchant_id=merchant,
        listing_id=listing,
        question_id=f"q-{number}",
        source_event_id=uuid.UUID(int=number + 1000),
        asked_at=AT,
        provenance=Provenance(Method.MODEL),
        timings=Timings(),
        question=f"Question {number}?",
        draft=f"Draft {number}." if text is None else text,
    )


def reviewed(
    of: int, decision: Decision = APPROVE, answer: str | None = None, merchant: str = "m-1", listing: str = "l-1"
) -> AnswerReviewed:
    return AnswerReviewed(
        event_id=uuid.uuid4(),
        occurred_at=AT,
        merchant_id=merchant,
        listing_id=listing,
        question_id=f"q-{of}",
        draft_event_id=uuid.UUID(int=of),
        decision=decision,
        reviewer="r-1",
        answer=answer,
    )


def approved(number: int, answer: str | None = None) -> ApprovedAnswer:
    return ApprovedAnswer(str(uuid.UUID(int=number)), f"Question {number}?", answer or f"Draft {number}.")


@dataclass
class Place:
    """A broker with the two topics, all in one partition."""

    broker: str
    reviews: Topic
    drafts: Topic

    def send(self, *events: AnswerDrafted | AnswerReviewed) -> None:
        for event in events:
            self.send_bytes(event.listing_id, CODEC.encode_event(event), drafts=isinstance(event, AnswerDrafted))

    def send_bytes(self, key: str, value: bytes | None, *, drafts: bool) -> None:
        produce(self.broker, self.drafts if drafts else self.reviews, (0, key.encode(), value))

    @asynccontextmanager
    async def book(self, per_listing: int = 50, codec: Codec = CODEC, **more: Any) -> AsyncIterator[ApprovedBook]:
        client = {"bootstrap.servers": self.broker}
        book = ApprovedBook(client, codec, per_listing=per_listing, reviewed=self.reviews, drafted=self.drafts, **more)
        book.start()
        try:
            book.assign([0])
            yield book
        finally:
            await book.close()


@pytest.fixture
def place(broker: str, unique_name: Callable[[str], str]) -> Place:
    reviews, drafts = (make_topic(broker, like, unique_name) for like in (ANSWERS_REVIEWED, ANSWERS_DRAFTED))
    return Place(broker, reviews, drafts)


async def found(book: ApprovedBook, merchant: str = "m-1", listing: str = "l-1") -> list[ApprovedAnswer]:
    asked = asyncio.ensure_future(book.find(merchant, listing, 0))
    either: set[asyncio.Future[Any]] = {asked, book.failed}
    await asyncio.wait(either, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    if book.failed.done():
        book.failed.result()
    assert asked.done()
    return list(asked.result())


async def until(book: ApprovedBook, expected: list[ApprovedAnswer]) -> None:
    give_up = asyncio.get_running_loop().time() + DEADLINE_S
    while (there := await found(book)) != expected:
        assert asyncio.get_running_loop().time() < give_up, there
        await asyncio.sleep(0.02)


async def test_what_people_let_pass_is_found_the_newest_first(place: Place) -> None:
    place.send(*(drafted(number) for number in (1, 2, 3, 4, 5)), drafted(6, text=" "), drafted(7))
    place.send(reviewed(3), reviewed(1), reviewed(2, REJECT), reviewed(4, EDIT, "Mine."), reviewed(6))
    place.send(reviewed(7, Decision.UNKNOWN, "?"), reviewed(8), reviewed(5, EDIT))
    async with place.book() as book:
        assert await found(book) == [approved(4, "Mine."), approved(1), approved(3)]
        assert await found(book, listing="l-2") == []


async def test_the_last_review_of_a_draft_counts(place: Place) -> None:
    place.send(drafted(1), drafted(1, text="Written anew."), drafted(2), drafted(3))
    place.send(
        reviewed(1), reviewed(2), reviewed(2, REJECT), reviewed(3, REJECT), reviewed(3), reviewed(1, EDIT, "Mine.")
    )
    async with place.book() as book:
        assert await found(book) == [approved(1, "Mine."), approved(3)]
        place.send(reviewed(1))
        place.send(reviewed(3, REJECT))
        await until(book, [approved(1)])


async def test_reviews_and_drafts_that_come_while_it_runs(place: Place) -> None:
    async with place.book() as book:
        assert await found(book) == []
        place.send(drafted(1))
        place.send(reviewed(1))
        await until(book, [approved(1)])
        place.send(reviewed(2, EDIT, "Mine."))
        place.send(drafted(2))
        await until(book, [approved(2, "Mine."), approved(1)])


async def test_one_merchants_answers_are_not_told_for_another(place: Place) -> None:
    place.send(drafted(1), drafted(2, merchant="m-2"), drafted(3), drafted(4, listing="l-2"))
    place.send(reviewed(1), reviewed(2, merchant="m-2"), reviewed(3, merchant="m-2"), reviewed(4))
    place.send(reviewed(1, REJECT, merchant="m-2"))
    async with place.book() as book:
        assert await found(book) == [approved(1)]
        assert await found(book, merchant="m-2") == [approved(2)]


async def test_personal_data_is_replaced(place: Place) -> None:
    place.send(drafted(1), drafted(2, text="Call 030 1234567."))
    place.send(reviewed(1, EDIT, "Write to anna.schmidt@example.com."), reviewed(2))
    async with place.book() as book:
        assert [answer.answer for answer in await found(book)] == ["Call [phone].", "Write to [email]."]


async def test_memory_is_bounded(place: Place) -> None:
    place.send(*(drafted(number) for number in range(1, 6)))
    place.send(*(reviewed(number) for number in (4, 1, 2)))
    async with place.book(per_listing=2, drafts_kept=1) as book:
        # Of the drafts that were there at the start all count, whatever is kept for reviews to come.
        assert await found(book) == [approved(2), approved(1)]
        place.send(reviewed(3), reviewed(5))
        await until(book, [approved(5)])


async def test_what_does_not_decode_is_passed_over(place: Place) -> None:
    for drafts in (False, True):
        place.send_bytes("l-1", b"\x01broken", drafts=drafts)
        place.send_bytes("l-1", None, drafts=drafts)
    place.send(drafted(1))
    place.send(reviewed(1))
    async with place.book() as book:
        assert await found(book) == [approved(1)]


async def test_a_registry_that_is_away_is_asked_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.book._PAUSE_S", 0.01)
    registry = Away()
    place.send(drafted(1))
    place.send(reviewed(1))
    async with place.book(codec=Codec(registry)) as book:
        assert await found(book) == [approved(1)]
    assert registry.refused == 2


class Away(CommittedRegistry):
    """Gives no answer the first two times."""

    refused = 0

    def by_id(self, schema_id: int) -> str:
        if self.refused < 2:
            self.refused += 1
            raise RegistryUnavailable("no answer")
        return super().by_id(schema_id)
