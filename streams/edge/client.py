"""The edge client: a queue on the device's disk, a sender that empties it, and the stream of what comes back."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

from streams.edge.awake import Expected
from streams.edge.disk import Disk
from streams.edge.errors import EdgeError, KeyRefused
from streams.edge.event import Entry, entry
from streams.edge.link import Link, State
from streams.edge.message import GAP, HELLO, Message
from streams.edge.policy import EdgePolicy
from streams.edge.queue import EdgeQueue, Refused
from streams.edge.queue_totals import Counts
from streams.edge.receiver import Receiver
from streams.edge.sender import Sender, Traffic


@dataclass(frozen=True, slots=True)
class Status:
    """How it stands.

    Attributes:
        state: idle, sending, waiting (for the link or the gateway), key_refused, or ended (the file can't be used).
        why: for the last three, in a few words.
        counts: of the queue.
        traffic: what sending took so far.
        batch_bytes: size of the next request.
        round_trip_s: time to acknowledgement, smoothed; None before the first.
    """

    state: State
    why: str
    counts: Counts
    traffic: Traffic
    batch_bytes: int
    round_trip_s: float | None


class EdgeClient:
    """Hands events to the gateway, whatever the link does, and gives what comes back. Use it with `async with`.

        async with EdgeClient("https://gateway.example.com", key, "edge.sqlite") as client:
            await client.put("questions", {"merchant_id": "m-1", "listing_id": "l-1", ...})
            async for message in client.stream():
                print(message.event)

    Args:
        url: of the gateway.
        key: API key; its scopes say whether it may publish, read or both.
        path: the file that keeps events until they are acknowledged, and how far the stream was read.
        policy: how it behaves.
        tls: whom to trust; the system's authorities where it is left out.
        sending: False only keeps events; whoever opens the file next sends them.
        now, rng: time and chance.

    Raises:
        QueueInUse: another client has the file.
        QueueBroken, QueueDiskFull: it can't be used.
        WrongAddress: `url` is none.
    """

    def __init__(
        self,
        url: str,
        key: str,
        path: str | Path,
        policy: EdgePolicy = EdgePolicy(),
        *,
        tls: ssl.SSLContext | None = None,
        sending: bool = True,
        now: Callable[[], float] = time.time,
        rng: Random | None = None,
    ) -> None:
        self._policy, self._now, self._sends = policy, now, sending
        self._link = Link(url, key, policy, tls)
        self._queue = EdgeQueue(path, policy, clock=now)
        self._disk = Disk(self._queue, self._wake)
        self._expected = Expected(policy.expect_s)
        chance = rng or Random()
        self._sender = Sender(self._link, self._queue, policy, self._disk.run, self._was_sent, rng=chance)
        self._receiver = Receiver(self._link, policy, self._expected, rng=chance)
        self._sending: asyncio.Task[None] | None = None
        self._streaming = False
        self._cursor: str | None = None

    async def __aenter__(self) -> EdgeClient:
        if self._sends:
            self._sending = asyncio.ensure_future(self._sender.run())
            self._sending.add_done_callback(self._sender.ended)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop; what was not acknowledged stays in the file."""
        if self._sending is not None:
            self._sending.cancel()
            # Why it ended by itself, if it did, was told.
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        await self._link.close()
        await self._disk.close()

    # -- out --------------------------------------------------------------------------------------------------

    async def put(self, kind: str, event: Mapping[str, Any], *, origin: str = "") -> str:
        """Keep an event and send it; returns its id once it is on disk.

        An id that it has is kept, so putting an event again under its id makes no second one. Without one it gets a
        random one. `occurred_at` may be left out on listings and questions: it is now.

        Args:
            kind: listings, questions or orders.
            origin: where it came from, shown beside it if it is refused.

        Raises:
            UnfitEvent: it can't be sent as it is. Whether its fields fit is told by the gateway; see `refused`.
            QueueFull, QueueDiskFull: it is not kept.
        """
        made = self._entry(kind, event, origin)
        await self._disk.put([made])
        return made.event_id

    async def put_many(
        self, kind: str, events: Iterable[Mapping[str, Any]], *, source: str = "", reached: str = ""
    ) -> list[str]:
        """The same for many events at once, which is much quicker: all are kept, or none.

        Args:
            source, reached: where they came from and how far that was read, noted together with them; see `reached`.
        """
        made = [self._entry(kind, event, "") for event in events]
        await self._disk.put(made, source, reached)
        return [each.event_id for each in made]

    async def put_entries(self, entries: list[Entry], *, source: str = "", reached: str = "") -> int:
        """As `put_many`, of events that were made before; gives how many are new."""
        return await self._disk.put(entries, source, reached)

    async def reached(self, source: str) -> str:
        """How far a source had been read when the last of its events was kept; empty where none was."""
        return await self._disk.run(self._queue.reached, source)

    async def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing waits any more; False where the time passed first.

        Raises:
            KeyRefused: the gateway does not take the key, so it would never be.
            EdgeError: sending ended.
        """
        waiting = asyncio.ensure_future(self._sender.settled(self._nothing_waits))
        watched: set[asyncio.Future[Any]] = {waiting} | ({self._sending} if self._sending else set())
        try:
            await asyncio.wait(watched, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._link.key.refused:
            raise KeyRefused(f"the gateway does not take the key ({self._sender.why}); what is queued waits")
        if self._sending is not None and self._sending.done():
            raise EdgeError("sending has ended") from self._sending.exception()
        return waiting.done() and not waiting.cancelled()

    def change_key(self, key: str) -> None:
        """Use another key from now on; what waited for one goes on."""
        self._link.key.change(key)

    def link_is_back(self) -> None:
        """The device knows that there is a network again: try at once, instead of at the end of a pause."""
        self._sender.hurry()

    async def status(self) -> Status:
        """How it stands."""
        counts = await self._disk.run(self._queue.counts)
        sender = self._sender
        return Status(sender.state, sender.why, counts, sender.traffic, sender.pace.size, sender.patience.smooth_s)

    async def refused(self, limit: int = 1_000) -> list[Refused]:
        """Events that the gateway does not take, with its reasons."""
        return await self._disk.run(self._queue.refused, limit)

    async def again(self, event_ids: Sequence[str] | None = None) -> int:
        """Send refused events again, all or those; gives how many."""
        count = await self._disk.run(self._queue.again, event_ids)
        self._sender.wake()
        return count

    async def forget(self, event_ids: Sequence[str] | None = None) -> int:
        """Drop refused events for good, all or those; gives how many."""
        return await self._disk.run(self._queue.forget, event_ids)

    # -- in ---------------------------------------------------------------------------------------------------

    async def stream(self, topics: Sequence[str] = ()) -> AsyncGenerator[Message, None]:
        """What the agents made: drafts, enriched listings and insights, as they come, for ever.

        How far it was read is noted in the file when the next message is asked for. So each message comes at least
        once: one that was in hand when the device died comes again, with the same `place` and the same
        `event["event_id"]`. A message of type `gap` says that some are gone for good.

        Args:
            topics: such as `answers-drafted`; all where it is left out.

        Raises:
            KeyRefused: the gateway does not take the key; ask again after `change_key`.
            WrongAddress: there is no stream at this address.
            RuntimeError: another one is being read: there is one cursor.
        """
        if self._streaming:
            raise RuntimeError("a stream of this client is being read already; its cursor can't be in two places")
        self._streaming = True
        try:
            self._cursor = await self._disk.run(self._queue.cursor)
            async with aclosing(self._receiver.messages(topics, self._cursor)) as messages:
                async for message in messages:
                    if message.type == HELLO:
                        self._sender.hurry()  # there is a link
                    if message.place is None and message.type != GAP:
                        # All before it was read, for whoever reads is waiting.
                        if message.type != HELLO or self._cursor is None:
                            await self.confirm(message)
                        continue
                    yield message
                    if self._cursor != message.id:
                        await self.confirm(message)
        finally:
            self._streaming = False

    async def confirm(self, message: Message) -> None:
        """Note that the stream was read up to this message, for whoever does not ask for the next one."""
        await self._disk.run(self._queue.set_cursor, message.id)
        self._cursor = message.id

    # -- within -----------------------------------------------------------------------------------------------

    def _entry(self, kind: str, event: Mapping[str, Any], origin: str) -> Entry:
        moment = datetime.fromtimestamp(self._now(), timezone.utc)
        return entry(kind, event, moment, self._policy.max_event_bytes, origin)

    def _wake(self) -> None:
        self._sender.wake()

    def _was_sent(self, kind: str, event_ids: list[str]) -> None:
        if kind == "questions":
            self._expected.sent(event_ids, time.monotonic())

    def _nothing_waits(self) -> bool:
        return self._link.key.refused or self._queue.waiting == 0
