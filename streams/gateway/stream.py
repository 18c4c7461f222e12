"""`GET /v1/stream`: what was made of a merchant's events, over WebSocket or as server-sent events. ASGI 3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from streams.gateway import metrics
from streams.gateway.answers import COMMON_HEADERS, problem_answer
from streams.gateway.connection import End, LineClosed
from streams.gateway.cursor import BadCursor, Offsets, decode
from streams.gateway.hub import Hub
from streams.gateway.keys import ApiKey, Keys, Scope
from streams.gateway.message import NAMES
from streams.gateway.problems import Problem
from streams.gateway.reading import EVERYTHING, Piece

Scope_ = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

PROTOCOL = "tradewind.v1"
_KEY_PROTOCOL = "bearer."
_PARAMETERS = ("topics", "last_event_id")
_RETRY_MS = 2_000  # a browser's EventSource comes back after so long
_FAREWELL_S = 1.0  # a device that does not read is not waited for longer
_MAX_QUERY = 64 * 1024
_MAX_FRAME = 4096  # characters of what a device may say
#: Codes of WebSocket (RFC 6455, and the registry of IANA).
_CODES = {End.SLOW: 1013, End.REVOKED: 1008, End.STOPPING: 1012, End.ANEW: 1012}
_REASONS = {
    End.SLOW: "you did not read what was sent; come back with your last id",
    End.REVOKED: "the key was revoked or has expired",
    End.STOPPING: "the gateway stops; come back with your last id",
    End.ANEW: "the topics begin anew; come back with your last id",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that may be served."""

    key: ApiKey
    topics: tuple[int, ...]
    offsets: Offsets | None


class Stream:
    """The ASGI application of this one path: GET requests and WebSockets.

    Args:
        hub: has been started.
    """

    def __init__(self, hub: Hub, keys: Keys) -> None:
        self._hub = hub
        self._keys = keys

    async def __call__(self, scope: Scope_, receive: Receive, send: Send) -> None:
        """Serve one request, to its end."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._events(scope, receive, send)

    async def _events(self, scope: Scope_, receive: Receive, send: Send) -> None:
        asked = await self._admit(scope, _header(scope, b"authorization"))
        if isinstance(asked, Problem):
            await _refuse(asked, send)
            return
        connection = self._hub.open(asked.key, asked.topics, _Events(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        leaving.add_done_callback(lambda _: connection.end(End.GONE))
        why = End.GONE
        metrics.CONNECTIONS.labels("sse").inc()
        try:
            # Proxies of the nginx kind would else keep events back until they have a whole buffer of them.
            headers = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
            await send(_start(200, headers))
            why = await self._hub.serve(connection, asked.offsets)
        finally:
            metrics.CONNECTIONS.labels("sse").dec()
            metrics.ENDED.labels(why.value).inc()
            leaving.cancel()
            self._hub.drop(connection)
        if why is not End.GONE:
            last = f": {_REASONS[why]}\n\n".encode()
            await _farewell(send({"type": "http.response.body", "body": last, "more_body": False}))

    async def _websocket(self, scope: Scope_, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        offered: Sequence[str] = scope.get("subprotocols") or ()
        presented = next((each[len(_KEY_PROTOCOL) :] for each in offered if each.startswith(_KEY_PROTOCOL)), None)
        asked = await self._admit(scope, _header(scope, b"authorization") or presented)
        if isinstance(asked, Problem):
            await _refuse_websocket(scope, asked, send)
            return
        connection = self._hub.open(asked.key, asked.topics, _Frames(send))
        listening: asyncio.Future[None] | None = None
        why = End.GONE
        metrics.CONNECTIONS.labels("websocket").inc()
        try:
            await send({"type": "websocket.accept", "subprotocol": PROTOCOL if PROTOCOL in offered else None})
            listening = asyncio.ensure_future(_listen(receive, send))
            listening.add_done_callback(lambda _: connection.end(End.GONE))
            why = await self._hub.serve(connection, asked.offsets)
        finally:
            metrics.CONNECTIONS.labels("websocket").dec()
            metrics.ENDED.labels(why.value).inc()
            if listening is not None:
                listening.cancel()
            self._hub.drop(connection)
        if why is not End.GONE:
            await _farewell(send({"type": "websocket.close", "code": _CODES[why], "reason": _REASONS[why]}))

    async def _admit(self, scope: Scope_, presented: str | None) -> _Asked | Problem:
        key = self._keys.admit(presented, Scope.READ)
        if isinstance(key, Problem):
            return key
        asked = _asked(scope, key)
        return asked if isinstance(asked, Problem) else await self._hub.admit(key) or asked


class _Events:
    """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def pieces(self, pieces: Sequence[Piece], now_ms: int) -> None:
        await self._body(
            b"".join(
                message.live_sse(now_ms) if cursor is None else message.sse(cursor, now_ms)
                for message, cursor in pieces
            )
        )

    async def note(self, body: Mapping[str, Any]) -> None:
        retry = f"retry: {_RETRY_MS}\n" if body["type"] == "hello" else ""
        head = f"{retry}id: {body['id']}\nevent: {body['type']}\ndata: "
        await self._body(b"".join((head.encode(), orjson.dumps(body), b"\n\n")))

    async def ping(self, cursor: str) -> None:
        # An id without data tells no event, and moves the place from which a browser goes on.
        await self._body(f": ping\nid: {cursor}\n\n".encode())

    async def _body(self, body: bytes) -> None:
        try:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        except Exception as error:  # each server has its own
            raise LineClosed from error


class _Frames:
    """WebSocket: a text frame for each message."""

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    async def pieces(self, pieces: Sequence[Piece], now_ms: int) -> None:
        for message, cursor in pieces:
            await self._text(message.live_text(now_ms) if cursor is None else message.text(cursor, now_ms))

    async def note(self, body: Mapping[str, Any]) -> None:
        await self._text(orjson.dumps(body).decode())

    async def ping(self, cursor: str) -> None:
        # ASGI has no way to send a ping of the protocol's own.
        await self._text(f'{{"id":"{cursor}","type":"ping"}}')

    async def _text(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except Exception as error:  # each server has its own
            raise LineClosed from error


async def _until_gone(receive: Receive) -> None:
    """Returns when the device has gone."""
    with suppress(Exception):  # each server has its own
        while (await receive())["type"] != "http.disconnect":
            pass


async def _listen(receive: Receive, send: Send) -> None:
    """Answer the device's own pings, until it goes. Each is answered before the next is read."""
    with suppress(Exception):  # each server has its own
        await _answer_pings(receive, send)


async def _answer_pings(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text") or ""
        if len(text) > _MAX_FRAME:
            continue
        try:
            said = orjson.loads(text)
        except ValueError:
            continue
        if isinstance(said, dict) and "ping" in said:
            await send({"type": "websocket.send", "text": orjson.dumps({"pong": said["ping"]}).decode()})


def _asked(scope: Scope_, key: ApiKey) -> _Asked | Problem:
    """What the request is for, or what is wrong with it."""
    raw: bytes = scope.get("query_string", b"")
    if len(raw) > _MAX_QUERY:
        return Problem(400, "query", f"the query has {len(raw)} bytes, at most {_MAX_QUERY} are taken")
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name not in _PARAMETERS:
            known = " and ".join(_PARAMETERS)
            return Problem(400, "query", f"the query has a parameter that is not known; there are {known}, and no key")
        if name in query:
            return Problem(400, "query", f"{name} is given twice; give it once")
        query[name] = value
    topics = EVERYTHING
    if "topics" in query:
        names = [name.strip().removesuffix(".v1") for name in query["topics"].split(",")]
        if not set(names) <= set(NAMES):
            return Problem(400, "topics", f"topics names one that is not pushed; there are {', '.join(NAMES)}")
        topics = tuple(number for number, name in enumerate(NAMES) if name in names)
    text = _header(scope, b"last-event-id") or query.get("last_event_id") or None
    try:
        return _Asked(key, topics, None if text is None else decode(text))
    except BadCursor as error:
        return Problem(400, "cursor", str(error))


def _header(scope: Scope_, name: bytes) -> str | None:
    found: bytes | None = next((value for each, value in scope["headers"] if each.lower() == name), None)
    return None if found is None else found.decode("latin-1")


def _start(status: int, headers: Mapping[str, str], kind: str = "http.response.start") -> dict[str, Any]:
    names = {**headers, **COMMON_HEADERS}
    return {"type": kind, "status": status, "headers": [(k.encode(), v.encode()) for k, v in names.items()]}


async def _refuse(problem: Problem, send: Send, kind: str = "http.response") -> None:
    answer = problem_answer(problem)
    headers = {"content-type": answer.content_type, **dict(answer.headers)}
    await send(_start(answer.status, headers, f"{kind}.start"))
    await send({"type": f"{kind}.body", "body": answer.body})


async def _refuse_websocket(scope: Scope_, problem: Problem, send: Send) -> None:
    if "websocket.http.response" in (scope.get("extensions") or {}):
        await _refuse(problem, send, "websocket.http.response")
    else:
        await send({"type": "websocket.close", "code": 1008})


async def _farewell(sending: Awaitable[None]) -> None:
    async def wait() -> None:
        await sending

    with suppress(Exception):  # also a timeout: a device that does not read learns it from its broken connection
        await asyncio.wait_for(wait(), _FAREWELL_S)
