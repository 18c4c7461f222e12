"""Receives what comes down the stream, over one connection after the other, each message once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from random import Random
from typing import TYPE_CHECKING, Any

import aiohttp

from streams.edge.answer import Next, read_answer
from streams.edge.awake import Expected
from streams.edge.errors import KeyRefused, WrongAddress
from streams.edge.link import Link
from streams.edge.log import log
from streams.edge.message import HELLO, Message, Seen, SseLines, read_message
from streams.edge.pace import Backoff
from streams.edge.policy import EdgePolicy
from streams.edge.sender import in_words

if TYPE_CHECKING:
    from aiohttp.client import _RequestContextManager


_FRAME_BYTES = 16 * 2**20
_ERROR_BYTES = 64 * 1024
#: Answers of the gateway that come again whenever one asks.
_SAYS_WHY = frozenset((400, 401, 403, 404))


class Receiver:
    """Messages, for ever.

    Args:
        expected: drafts that are waited for.
        clock: `time.monotonic`.
        rng: for the pauses.

    Attributes:
        connections: that were made.
        again: messages that came a second time and were dropped.
        pings: that were sent to keep the radio awake.
    """

    def __init__(
        self,
        link: Link,
        policy: EdgePolicy,
        expected: Expected,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: Random,
    ) -> None:
        self._link, self._policy, self._expected, self._clock = link, policy, expected, clock
        self._backoff = Backoff(policy, rng)
        self._seen = Seen(policy.remember)
        self.connections = 0
        self.again = 0
        self.pings = 0

    async def messages(self, topics: Sequence[str], cursor: str | None) -> AsyncGenerator[Message, None]:
        """Messages after the cursor, and a `hello` at each new connection; each once, however often it comes.

        Raises:
            KeyRefused: the gateway does not take the key.
            WrongAddress: there is no stream at this address.
        """
        while True:
            why, began = "ended", self._clock()
            try:
                async with aclosing(self._connection(topics, cursor)) as connection:
                    async for message in connection:
                        if message.type != HELLO:  # with which also one begins that ends at once
                            self._backoff.succeeded()
                        cursor = message.id
                        if self._seen.is_new(message):
                            self._expected.came(str(message.event.get("source_event_id")))
                            yield message
                        else:
                            self.again += 1
            except asyncio.TimeoutError:
                why = "silent"
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # A frame that is no message is no reason to lose one: what follows the cursor comes again.
                why = in_words(error)
            pause = self._backoff.pause_s()
            log.info("edge_stream_ended", why=why, after_s=round(self._clock() - began, 1), pause_s=round(pause, 2))
            await asyncio.sleep(pause)

    async def _connection(self, topics: Sequence[str], cursor: str | None) -> AsyncGenerator[Message, None]:
        if self._link.key.refused:
            raise KeyRefused("the gateway does not take the key; change it, then ask for the stream again")
        key = self._link.key.now()
        headers = {"authorization": f"Bearer {key}"}
        if cursor is not None:
            headers["last-event-id"] = cursor
        params = {"topics": ",".join(topics)} if topics else {}
        url = f"{self._link.url}/v1/stream"
        connect = self._websocket if self._policy.transport == "websocket" else self._sse
        async with aclosing(connect(url, params, headers)) as messages:
            async for message in messages:
                yield message

    async def _websocket(
        self, url: str, params: dict[str, str], headers: dict[str, str]
    ) -> AsyncGenerator[Message, None]:
        opening = self._link.session().ws_connect(
            url,
            params=params,
            headers=headers,
            timeout=aiohttp.ClientWSTimeout(ws_receive=self._policy.silent_s, ws_close=1.0),
            max_msg_size=_FRAME_BYTES,
            compress=15,
        )
        try:
            socket = await asyncio.wait_for(opening, self._policy.silent_s)
        except aiohttp.WSServerHandshakeError as error:
            if error.status in _SAYS_WHY:  # the words are in the body, which aiohttp does not give
                await self._ask_why(url, params, headers)
            raise
        self.connections += 1
        awake = asyncio.ensure_future(self._keep_awake(socket))
        try:
            while True:
                frame = await socket.receive()
                if frame.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    if (message := read_message(frame.data)) is not None:
                        yield message
                elif frame.type is aiohttp.WSMsgType.ERROR:
                    raise aiohttp.ClientConnectionError
                else:  # it closes
                    return
        finally:
            awake.cancel()
            await socket.close()

    async def _keep_awake(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        """A ping now and then, while a draft is expected."""
        if (every := self._policy.keep_awake_s) is None:
            return
        with suppress(ConnectionError, RuntimeError):  # it closes; whoever receives sees that
            while True:
                await asyncio.sleep(every)
                if self._expected.any(self._clock()):
                    await socket.ping()
                    self.pings += 1

    async def _sse(self, url: str, params: dict[str, str], headers: dict[str, str]) -> AsyncGenerator[Message, None]:
        async with self._get(url, params, headers) as response:
            await self._see_that_it_streams(response, headers)
            self.connections += 1
            lines = SseLines()
            async for piece in response.content.iter_any():
                for data in lines.feed(piece):
                    if (message := read_message(data)) is not None:
                        yield message

    async def _ask_why(self, url: str, params: dict[str, str], headers: dict[str, str]) -> None:
        async with self._get(url, params, headers) as response:
            await self._see_that_it_streams(response, headers)

    def _get(self, url: str, params: dict[str, str], headers: dict[str, str]) -> _RequestContextManager:
        return self._link.session().get(
            url,
            params=params,
            headers={**headers, "accept": "text/event-stream", "cache-control": "no-cache"},
            allow_redirects=False,  # where it leads, the key would go as well
            timeout=self._link.timeout(sock_read=self._policy.silent_s),
        )

    async def _see_that_it_streams(self, response: aiohttp.ClientResponse, headers: dict[str, str]) -> None:
        if response.status == 200 and response.content_type == "text/event-stream":
            return
        answer = read_answer(response.status, response.headers, await response.content.read(_ERROR_BYTES), ())
        if answer.then is Next.STOP:
            self._link.key.refuse(headers["authorization"].removeprefix("Bearer "))
            raise KeyRefused(f"the gateway does not take the key ({answer.why}); get another one, with the scope read")
        if answer.why.startswith(("400 ", "404 ")):
            raise WrongAddress(
                f"{response.url.origin()}: no stream is there ({answer.why}); check the address and the topics"
            )
        raise aiohttp.ClientConnectionError
