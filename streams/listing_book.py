"""The listings that a question can find: the latest of each, from `listings.v1`, and how to wait for one.

The topic is compacted, so a page is read as each listing once and not as its history; and a backlog of copy to write
never keeps a question from its listing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from typing import Any

from schemas.limits import MAX_VALUE_BYTES
from schemas.topics import LISTINGS, Topic
from streams import metrics
from streams.book import Book


class ListingBook(Book[dict[bytes, bytes]]):
    """Latest listing message by key.

    Args:
        client: settings of a confluent-kafka client.
    """

    def __init__(self, client: Mapping[str, Any], topic: Topic = LISTINGS) -> None:
        super().__init__("listing-book", (topic,), client)
        self._waiting: dict[bytes, set[asyncio.Event]] = {}

    async def find(self, listing_id: str, partition: int, wait_s: float) -> bytes | None:
        """The listing's latest message, waited for up to that many seconds; None if it does not come.

        The time that the book takes to read the partition for the first time does not count.
        """
        page = await self._page(partition)
        if page is None:
            return None  # taken away while the question was in hand; whoever has it now answers too
        key = listing_id.encode()
        arrived = asyncio.Event()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(arrived)
        try:
            if key not in page and wait_s > 0:
                await asyncio.wait_for(arrived.wait(), wait_s)
        except asyncio.TimeoutError:
            return None
        finally:
            waiting.discard(arrived)
            if not waiting:
                self._waiting.pop(key, None)
        return page.get(key)

    def _new_page(self) -> dict[bytes, bytes]:
        return {}

    def _enter(self, page: dict[bytes, bytes], topic: str, key: bytes, value: bytes | None) -> None:
        if value is None:
            page.pop(key, None)
        else:
            # What the enrich agent refuses is as good as no listing; kept, a few could fill the memory.
            page[key] = value if len(value) <= MAX_VALUE_BYTES else b""

    def _entered(self, keys: Set[bytes]) -> None:
        pages = self._pages()
        for key in self._waiting.keys() & keys:
            if any(key in page for page in pages):  # it may have been deleted again
                for waiting in self._waiting[key]:
                    waiting.set()
        metrics.LISTINGS_KNOWN.set(sum(map(len, pages)))
