"""The listings that a question can find: a Faust table of the latest listing by id, and how to wait for one.

The table is fed from `listings.v1` in the answer agent's own consumer group, so that a backlog of copy to write never
keeps a question from its listing. Both topics have the same keys, partitions and partitioner: whoever is assigned a
partition of the questions has the same partition of the listings. The values are the framed messages as they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Sequence
from typing import Any

from faust.types import EventT as FaustEvent

from schemas.codec import Codec, Rejected
from schemas.events import ListingPublished
from schemas.topics import LISTINGS
from streams import metrics
from streams.retrying import Retrier


class ListingBook:
    """Latest listing by id, for the partitions of this worker.

    Args:
        table: the Faust table, bytes to bytes.
        codec: decodes listings.
        retry: for what may be away for a while.
    """

    def __init__(self, table: Any, codec: Codec, retry: Retrier) -> None:
        self._table = table
        self._codec = codec
        self._retry = retry
        self._waiting: dict[bytes, set[asyncio.Future[None]]] = {}

    async def feed(self, batches: AsyncIterable[Sequence[FaustEvent]]) -> None:
        """Keep the table up to date. A batch is acknowledged once its entries stand in the changelog.

        A listing that does not decode is left out here without a word: the enrich agent and the sink, who read the same
        topic, make it a dead letter.
        """
        async for batch in batches:
            # In the order of the stream, so that the last of two versions stays; only their delivery is awaited at once.
            sent = [await self._set(event) for event in batch]
            await asyncio.gather(*filter(None, sent))
            for event in batch:
                event.ack()
            metrics.LISTINGS_KNOWN.set(len(self._table))

    async def find(self, listing_id: str, wait_s: float) -> ListingPublished | None:
        """The listing, waited for up to that many seconds; None if it does not come."""
        key = listing_id.encode()
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(key, set()).add(arrived)
            try:
                found = self._table.get(key)
                if found is not None:
                    listing = self._codec.decode_event(LISTINGS, found)
                    assert isinstance(listing, ListingPublished), "the table holds only what decodes"
                    return listing
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return None
                await asyncio.wait({arrived}, timeout=left)
            finally:
                waiting = self._waiting[key]
                waiting.discard(arrived)
                if not waiting:
                    del self._waiting[key]

    async def _set(self, event: FaustEvent) -> Awaitable[Any] | None:
        """Enter a listing; gives the delivery of its changelog entry, or None where there is nothing to enter."""
        value = event.message.value
        listing, _ = await self._retry(lambda: self._decode(value))
        if isinstance(listing, Rejected):
            return None
        key = listing.listing_id.encode()
        # What `table[key] = value` does, but for the future, which we want: Faust's own buffer can be lost in a crash
        # after the source was acknowledged.
        sent: Awaitable[Any] = self._table.send_changelog(event.message.partition, key, value)
        self._table.data[key] = value
        for waiting in self._waiting.get(key, ()):
            if not waiting.done():
                waiting.set_result(None)
        return sent

    async def _decode(self, value: bytes | None) -> ListingPublished | Rejected:
        event = self._codec.decode_event(LISTINGS, value)
        assert isinstance(event, (ListingPublished, Rejected))
        return event
