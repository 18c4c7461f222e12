"""Talks to a server that has the model: one question, one streamed answer, and every way in which that can fail.

No state but the connections, and no second try: who asks decides about that (`model.remote`).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from random import Random
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from model import remote_wire as wire
from model.protocol import (
    EngineError,
    EngineInfo,
    EngineRefused,
    EngineUnavailable,
    GenerationFailed,
    GenerationRequest,
    OnText,
)

_MOST_ERROR_BYTES = 1 << 16
_MOST_LISTING_BYTES = 1 << 22  # hosts list hundreds of models
_URL = re.compile(r"https?://[^\s@/?#]+(/[^\s@?#]*)?")


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """Where the model is, and how much is asked of its server.

    Attributes:
        base_url: address of the API, up to and with its version, such as http://gpu:8000/v1.
        model: name of the model there.
        api_key: sent as a bearer token; never shown.
        concurrency: requests that the server works on at once; more of them wait here.
        queue_size: requests that may wait.
        connect_timeout_s: longest wait for a connection.
        read_timeout_s: longest silence of the server, before a text and within it.
        retries: further tries of a request that meets a passing error.
        first_pause_s, longest_pause_s: upper bound of the pause before the first retry, doubled each time, and of any.

    Raises ValueError for a base_url that is none, or holds a password.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    concurrency: int = 16
    queue_size: int = 256
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 60.0
    retries: int = 4
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.base_url):
            raise ValueError("base_url is expected as http(s)://host[:port]/v1, without user, password and query")

    def pause_s(self, attempt: int, random: Random) -> float:
        """Pause after the attempt of that number, from 1, in seconds: exponential, up to half of it jitter."""
        bound: float = min(self.longest_pause_s, self.first_pause_s * 2.0 ** min(attempt - 1, 32))
        return random.uniform(bound / 2, bound)


class RemoteServer:
    """The server's side of an engine. Use as an asynchronous context manager, within one event loop.

    What goes wrong is an EngineError: EngineUnavailable where another try may help. None quotes a text.
    """

    def __init__(self, settings: RemoteSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._settings, self._clock = settings, clock
        self._base = settings.base_url.rstrip("/")
        self._proxy = _proxy(settings.base_url)

    async def __aenter__(self) -> RemoteServer:
        key = self._settings.api_key
        if key and not (key.isascii() and key.isprintable()):
            raise EngineRefused("the key holds what no HTTP header can; set TRADEWIND_MODEL_API_KEY anew")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=aiohttp.ClientTimeout(
                total=None, connect=self._settings.connect_timeout_s, sock_read=self._settings.read_timeout_s
            ),
            connector=aiohttp.TCPConnector(limit=0),  # the engine counts by itself
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def look(self) -> EngineInfo:
        """What the server tells of the model. EngineRefused when it does not have it."""
        began, url = self._clock(), f"{self._base}/models"
        async with (
            self._telling_what_broke(),
            self._session.get(url, proxy=self._proxy, allow_redirects=False) as response,
        ):
            if response.status == 404:
                raise EngineRefused(f"{url}: HTTP 404; TRADEWIND_MODEL_URL must be the whole address, mostly with /v1")
            if response.status == 403:
                raise EngineRefused(f"{url}: HTTP 403; set TRADEWIND_MODEL_API_KEY to a key that may see the models")
            if response.status != 200:
                raise await _error(response)
            listing = await _beginning(response, _MOST_LISTING_BYTES)
        try:
            context = wire.context_length(listing, self._settings.model)
        except GenerationFailed as error:
            raise EngineRefused(f"{url}: {error}; check TRADEWIND_MODEL_URL") from None
        return EngineInfo(
            model=self._settings.model,
            checkpoint_sha256="",
            parameters=0,
            dtype="unknown",
            device="remote",
            context_length=context,
            load_seconds=self._clock() - began,
            memory_mb=0.0,
        )

    async def ask(self, request: GenerationRequest, on_text: OnText, left_out: Set[str]) -> tuple[wire.Reply, float]:
        """The reply to a request without the optional fields `left_out`, and when its first text came.

        Raises:
            FieldsRefused: perhaps the server would take it with fewer of them.
            EngineError: anything else.
        """
        body, reply = wire.chat_body(request, self._settings.model, left_out), wire.Reply(request.stop)
        first, complete = None, False
        async with (
            self._telling_what_broke(),
            self._session.post(
                f"{self._base}/chat/completions", json=body, proxy=self._proxy, allow_redirects=False
            ) as response,
        ):
            if response.status != 200:
                raise await _error(response, sent=body.keys() & wire.OPTIONAL.keys())
            if response.content_type != "text/event-stream":
                raise GenerationFailed("the model server does not stream: its answer is no text/event-stream")
            async for line in response.content:  # to its very end, so that the connection can be used again
                data = wire.event(line)
                complete = complete or data == b"[DONE]"
                if data is None or complete:
                    continue
                if piece := reply.add(wire.json_object(data)):
                    first = self._clock() if first is None else first
                    on_text(piece)
        if reply.finish_reason is None:
            if complete:
                raise GenerationFailed("the model server ended the text without saying why")
            raise EngineUnavailable(f"{self._base}: the model server broke off before the text was complete")
        return reply, self._clock() if first is None else first

    @asynccontextmanager
    async def _telling_what_broke(self) -> AsyncIterator[None]:
        """Errors of the connection as ours. Some of aiohttp's quote what was received, so their words are not told."""
        at = self._base
        try:
            yield
        except aiohttp.InvalidURL:
            raise EngineRefused(f"{at} is no address; set TRADEWIND_MODEL_URL") from None
        except asyncio.TimeoutError as error:
            raise EngineUnavailable(f"{at}: the model server is silent ({type(error).__name__})") from None
        except aiohttp.ClientConnectorCertificateError:
            raise EngineUnavailable(f"{at}: the model server's certificate is not one that we trust") from None
        except aiohttp.ClientConnectorError as error:
            why = error.os_error.strerror or type(error).__name__
            raise EngineUnavailable(f"{at}: no connection to the model server: {why}") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineUnavailable(f"{at}: the model server broke the connection ({type(error).__name__})") from None


def probe(settings: RemoteSettings) -> EngineInfo:
    """What the server tells of the model. Blocks: call it outside of an event loop.

    Raises:
        EngineUnavailable: the server can't be reached, or can't serve now.
        EngineRefused: it refuses our key, does not have the model, or is none of the kind.
    """

    async def look() -> EngineInfo:
        async with RemoteServer(settings) as server:
            return await server.look()

    return asyncio.run(look())


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL. (aiohttp's own look at it would also read ~/.netrc.)"""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


async def _error(response: aiohttp.ClientResponse, sent: Set[str] = frozenset()) -> EngineError:
    wait = wire.retry_after(response.headers.get("Retry-After"), datetime.now(timezone.utc))
    body = await _beginning(response, _MOST_ERROR_BYTES)
    return wire.error_of(response.status, body, retry_after_s=wait, sent=sent)


async def _beginning(response: aiohttp.ClientResponse, size: int) -> bytes:
    body = b""
    async for part in response.content.iter_chunked(size):
        body += part
        if len(body) >= size:
            break
    return body[:size]
