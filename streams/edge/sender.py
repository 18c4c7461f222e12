"""Sends what the queue holds: one request at a time, each event until the gateway has said what becomes of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeVar

import aiohttp

from streams.edge.answer import Answer, Next, read_answer
from streams.edge.errors import EdgeError, QueueDiskFull
from streams.edge.link import Link, State
from streams.edge.log import log
from streams.edge.pace import Backoff, Pace, Patience
from streams.edge.packing import packed
from streams.edge.policy import EdgePolicy
from streams.edge.queue import Batch, EdgeQueue

#: An answer of ours is small; what is larger comes from somebody else.
_ANSWER_BYTES = 4 * 2**20

ResultT = TypeVar("ResultT")


class OnDisk(Protocol):
    """Runs a step of the queue in the queue's own thread."""

    def __call__(self, step: Callable[..., ResultT], *args: object) -> Awaitable[ResultT]:
        """Its result."""
        ...


@dataclass(slots=True)
class Traffic:
    """What sending took.

    Attributes:
        requests: that were sent.
        events: events in them, each as often as it was sent.
        body_bytes: of their JSON.
        sent_bytes: of their bodies as they went.
        timeouts, cut: requests without an answer in time, or whose connection broke.
        put_off: answers that said to try again.
        connected_at: when the gateway last answered; `time.monotonic`'s.
    """

    requests: int = 0
    events: int = 0
    body_bytes: int = 0
    sent_bytes: int = 0
    timeouts: int = 0
    cut: int = 0
    put_off: int = 0
    answered_at: float | None = None


class Sender:
    """Runs until it is cancelled.

    Args:
        on_disk: runs a step of the queue.
        on_sent: told of each batch, with the ids that were acknowledged.
        clock: `time.monotonic`.
        rng: for the pauses.
    """

    def __init__(
        self,
        link: Link,
        queue: EdgeQueue,
        policy: EdgePolicy,
        on_disk: OnDisk,
        on_sent: Callable[[str, list[str]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Random,
    ) -> None:
        self._link, self._queue, self._policy = link, queue, policy
        self._on_disk, self._on_sent, self._clock = on_disk, on_sent, clock
        self.pace, self.patience, self._backoff = Pace(policy), Patience(policy), Backoff(policy, rng)
        self.traffic = Traffic()
        self.state, self.why = State.IDLE, ""
        self._woken = asyncio.Event()
        self._settled = asyncio.Condition()
        self._hurry = asyncio.Event()
        self._alone = 0
        self._plain = False

    def wake(self) -> None:
        """There is something to send."""
        self._woken.set()

    def hurry(self) -> None:
        """The link is back: end a pause."""
        self._hurry.set()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            if self._link.key.refused:
                await self._say(State.KEY_REFUSED, self.why)
            key = await self._link.key.wait()
            self._woken.clear()
            events, size = (1, 1) if self._alone else (self.pace.events, self.pace.size)
            batch = await self._on_disk(self._queue.take, events, size)
            if batch is None:
                self._alone = 0
                await self._say(State.IDLE, "")
                await self._woken.wait()
                if self._policy.linger_s:
                    await asyncio.sleep(self._policy.linger_s)
                continue
            await self._say(State.SENDING, "")
            try:
                answer = await self._send(batch, key)
            except BaseException:
                self._queue.give_back(batch)
                raise
            await self._settle(batch, answer)
            await self._follow(batch, answer, key)

    def ended(self, task: asyncio.Future[None]) -> None:
        """Sending has ended, and why, if nobody asked for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            # A fault of ours may quote an event; what is ours by name does not.
            self.state, self.why = State.ENDED, str(error) if isinstance(error, EdgeError) else type(error).__name__
            log.error("edge_sending_ended", why=self.why)

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at whenever something was settled or the state changed."""
        async with self._settled:
            await self._settled.wait_for(condition)

    async def _say(self, state: State, why: str) -> None:
        async with self._settled:
            if state is not self.state:
                log.debug("edge_state", state=state.value, why=why)
            self.state, self.why = state, why
            self._settled.notify_all()

    async def _send(self, batch: Batch, key: str) -> Answer:
        body = b"[" + b",".join(batch.bodies) + b"]"
        content, encoding = (body, None) if self._plain else packed(body, self._policy.compress_from_bytes)
        headers = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            "accept": "application/json, application/problem+json",
            "prefer": "return=minimal",
        }
        if encoding:
            headers["content-encoding"] = encoding
        traffic = self.traffic
        traffic.requests += 1
        traffic.events += len(batch.numbers)
        traffic.body_bytes += len(body)
        traffic.sent_bytes += len(content)
        began = self._clock()
        try:
            async with self._link.session().post(
                f"{self._link.url}/v1/{batch.kind}",
                data=content,
                headers=headers,
                allow_redirects=False,  # where it leads, the key would go as well
                timeout=self._link.timeout(total=self.patience.timeout_s),
            ) as response:
                said = await response.content.read(_ANSWER_BYTES)
                while not response.content.at_eof() and len(said) < _ANSWER_BYTES:
                    said += await response.content.read(_ANSWER_BYTES)
        except asyncio.TimeoutError:
            traffic.timeouts += 1
            self.patience.timed_out()
            self.pace.failed()
            return Answer(Next.LATER, why="no answer in time")
        except (aiohttp.ClientError, OSError) as error:
            traffic.cut += 1
            self.pace.failed()
            return Answer(Next.LATER, why=in_words(error))
        took = self._clock() - began
        traffic.answered_at = self._clock()
        self.patience.answered(took)
        answer = read_answer(response.status, response.headers, said, batch.event_ids)
        if answer.sent:
            self.pace.acknowledged(len(body), len(batch.numbers), took)
        return answer

    async def _settle(self, batch: Batch, answer: Answer) -> None:
        """Note it on disk; on a full one, for as long as it takes: what was acknowledged is not sent again."""
        sent = [batch.numbers[at] for at in answer.sent]
        refused = {batch.numbers[at]: problem for at, problem in answer.refused.items()}
        if not sent and not refused:
            self._queue.give_back(batch)
            return
        while True:
            try:
                await self._on_disk(self._queue.settle, batch, sent, refused)
                break
            except QueueDiskFull as error:
                log.warning("edge_disk_full", file=str(self._queue.path))
                await self._say(State.WAITING, str(error))
                await asyncio.sleep(1.0)
        if refused:
            log.warning("edge_events_refused", kind=batch.kind, count=len(refused), why=answer.why)
        self._on_sent(batch.kind, [batch.event_ids[at] for at in answer.sent])
        async with self._settled:
            self._settled.notify_all()

    async def _follow(self, batch: Batch, answer: Answer, key: str) -> None:
        """Do as the answer says."""
        if answer.sent or answer.refused:
            self._backoff.succeeded()
        self._alone = max(0, self._alone - 1)
        if answer.then is Next.SMALLER:
            self.pace.too_large(sum(map(len, batch.bodies)), len(batch.numbers))
        elif answer.then is Next.ALONE:
            self._alone = len(batch.numbers)
        elif answer.then is Next.PLAIN and not self._plain:
            self._plain = True
        elif answer.then is Next.STOP:
            log.error("edge_key_refused", why=answer.why)
            self.why = answer.why
            self._link.key.refuse(key)
        elif answer.then in (Next.LATER, Next.PLAIN):
            self.traffic.put_off += 1
            pause = self._backoff.pause_s(answer.retry_after_s)
            log.info("edge_later", kind=batch.kind, why=answer.why, pause_s=round(pause, 2))
            self._hurry.clear()  # before it is told, or who hurries at once is not heard
            await self._say(State.WAITING, answer.why)
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)


def in_words(error: Exception) -> str:
    """What happened to a connection, without an address or what was on it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "the gateway's certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the gateway's name is not known here"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno  # its text has the address
        return f"the gateway can't be reached: {os.strerror(number) if number else type(error.os_error).__name__}"
    return f"the connection broke: {type(error).__name__}"
