"""How a question finds its listing, on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaException

from schemas.topics import LISTINGS, Topic
from streams.listing_book import ListingBook
from tests.support.topics import make_topic, produce

pytestmark = pytest.mark.integration

DEADLINE_S = 20.0


@pytest.fixture
def topic(broker: str, unique_name: Callable[[str], str]) -> Topic:
    """A topic of this test's own in the place of `listings.v1`."""
    return make_topic(broker, LISTINGS, unique_name)


async def find(book: ListingBook, listing_id: str, partition: int = 0, wait_s: float = 0.0) -> bytes | None:
    return await asyncio.wait_for(book.find(listing_id, partition, wait_s), DEADLINE_S)


async def test_a_listing_is_found_where_its_partition_is_followed(broker: str, topic: Topic) -> None:
    produce(broker, topic, (0, b"l-1", b"old"), (0, b"l-1", b"new"), (1, b"l-2", b"other"), (0, None, b"no key"))
    book = ListingBook({"bootstrap.servers": broker}, topic)
    book.start()
    try:
        book.assign([0])
        assert await find(book, "l-1") == b"new"
        assert await find(book, "l-2", partition=1) is None
        book.assign([1])
        assert await find(book, "l-2", partition=1) == b"other"
        assert await find(book, "l-1") is None
        book.assign([0, 1])
        assert await find(book, "l-1") == b"new"
    finally:
        await book.close()


async def test_a_question_waits_for_its_listing(broker: str, topic: Topic) -> None:
    book = ListingBook({"bootstrap.servers": broker}, topic)
    book.start()
    try:
        book.assign([0, 1, 2])
        assert await find(book, "l-9", wait_s=0.05) is None
        waiting = asyncio.ensure_future(find(book, "l-9", wait_s=DEADLINE_S))
        await asyncio.sleep(0)
        await asyncio.to_thread(produce, broker, topic, (0, b"l-9", b"at last"))
        assert await waiting == b"at last"
    finally:
        await book.close()


async def test_a_deleted_listing_is_gone(broker: str, topic: Topic) -> None:
    produce(broker, topic, (0, b"l-1", b"there"), (0, b"l-1", None), (0, b"l-2", b"there"))
    book = ListingBook({"bootstrap.servers": broker}, topic)
    book.start()
    try:
        book.assign([0])
        assert await find(book, "l-2") == b"there"
        assert await find(book, "l-1") is None
    finally:
        await book.close()


async def test_a_partition_that_goes_and_comes_back_is_read_anew(broker: str, topic: Topic) -> None:
    """Also when the reading thread sees only that it is there again; and nobody waits for one that went."""
    produce(broker, topic, (0, b"l-1", b"there"))
    book = ListingBook({"bootstrap.servers": broker}, topic)
    book.start()
    try:
        book.assign([0])
        waiting = asyncio.ensure_future(find(book, "l-1"))
        await asyncio.sleep(0)
        book.assign([])
        await waiting
        book.assign([0])
        assert await find(book, "l-1") == b"there"
        assert await find(book, "l-1", partition=7) is None
    finally:
        await book.close()


async def test_an_error_that_ends_the_reading_is_told() -> None:
    book = ListingBook({"no.such.setting": "x"})
    book.start()
    with pytest.raises(KafkaException, match=r"no\.such\.setting"):
        await asyncio.wait_for(book.failed, DEADLINE_S)
    await book.close()
