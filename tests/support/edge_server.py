"""A gateway that does on demand what the real one can't be made to do: hang, cut an answer, say 429, lose its mind.

It speaks what the gateway documents: `POST /v1/KIND`, `GET /v1/stream`. What it acknowledged is in `taken`, each time
it did, so that a test sees what came twice.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from backports import zstd

KEY = "tw_test_secret"
Step = Callable[["EdgeServer", web.Request, list[dict[str, Any]]], Awaitable[web.StreamResponse]]


@dataclass
class EdgeServer:
    """A server on a free port of this machine; use with `async with`.

    Attributes:
        script: what to do with the next requests, in order; when it is used up, `accept`.
        taken: ids that were acknowledged, by kind, in order.
        events: the events themselves, the same way.
        requests: of each request the kind, its number of events, its headers and bytes.
        messages: what the stream has; the cursor after message n is its number plus 1.
        keys: those that open the door.
        stream_script: what to do with the next streams: `cut:N` after N messages, `silent`, or a status.
        resumed_from: the cursor that each stream came with.
        tls: for HTTPS.
    """

    script: list[Step] = field(default_factory=list)
    taken: dict[str, list[str]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=lambda: {KEY})
    stream_script: list[str] = field(default_factory=list)
    resumed_from: list[str | None] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    pings: int = 0
    url: str = ""
    loop: asyncio.AbstractEventLoop | None = None
    tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> EdgeServer:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/{kind}", self._post)
        app.router.add_get("/v1/stream", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self._runner.addresses[0][1]}"
        self._news, self.loop = asyncio.Condition(), asyncio.get_running_loop()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def say(self, *events: dict[str, Any], kind: str = "answers-drafted", **more: Any) -> None:
        """Put messages on the stream."""
        async with self._news:
            for event in events:
                number = len(self.messages)
                at = {
                    "topic": f"{kind}.v1",
                    "partition": 0,
                    "offset": number,
                    "published_at": 1_700_000_000_000 + number,
                }
                said = {"id": f"c{number + 1}", "type": kind, "pushed_at": 1_700_000_000_001 + number}
                about = {} if kind == "gap" else {**at, "event": event}
                self.messages.append({**said, **about, **more})
            self._news.notify_all()

    async def sign_of_life(self, cursor: str) -> None:
        """What the gateway says when there is nothing to say: how far the stream has come."""
        async with self._news:
            self.signs.append(cursor)
            self._news.notify_all()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        encoding = request.headers.get("Content-Encoding")
        if encoding == "zstd":
            body = zstd.decompress(raw)
        elif encoding == "gzip":
            body = zlib.decompress(raw, wbits=31)
        else:
            body = raw
        events = json.loads(body)
        kind = request.match_info["kind"]
        self.requests.append(
            {"kind": kind, "events": len(events), "headers": request.headers.copy(), "bytes": len(raw)}
        )
        if not self._admits(request):
            return problem(401, "unknown_key")
        step = self.script.pop(0) if self.script else accept
        return await step(self, request, events)

    def _admits(self, request: web.Request) -> bool:
        return request.headers.get("Authorization", "").removeprefix("Bearer ") in self.keys

    def take(self, request: web.Request, events: list[dict[str, Any]]) -> None:
        """Acknowledge: this is where Kafka would have them."""
        self.taken.setdefault(request.match_info["kind"], []).extend(event["event_id"] for event in events)
        self.events.extend(events)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self._admits(request):
            return problem(401, "unknown_key")
        told = self.stream_script.pop(0) if self.stream_script else ""
        if told.isdigit():
            return problem(int(told), "told_to")
        cursor = request.headers.get("Last-Event-ID")
        self.resumed_from.append(cursor)
        cut = int(told.removeprefix("cut:")) if told.startswith("cut:") else None
        start = len(self.messages) if cursor is None else int(cursor[1:])
        hello = {"id": f"c{start}", "type": "hello", **({} if cursor is None else {"resumed": True})}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, hello, start, cut, silent=told == "silent")
        return await self._sse(request, hello, start, cut)

    async def _websocket(
        self, request: web.Request, hello: dict[str, Any], start: int, cut: int | None, *, silent: bool
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if silent:
            with suppress(asyncio.TimeoutError):
                await socket.receive(timeout=30)
            return socket
        await socket.send_json(hello)
        reading = asyncio.ensure_future(self._read(socket))
        try:
            await self._tell(
                start, cut, socket.send_json, lambda cursor: socket.send_json({"id": cursor, "type": "ping"})
            )
        except ConnectionError:
            pass
        finally:
            reading.cancel()
        await socket.close()
        return socket

    async def _read(self, socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if frame.type is WSMsgType.PING:
                self.pings += 1
                await socket.pong(frame.data)

    async def _sse(
        self, request: web.Request, hello: dict[str, Any], start: int, cut: int | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)

        async def send(message: dict[str, Any]) -> None:
            text = f"id: {message['id']}\nevent: {message['type']}\ndata: {json.dumps(message)}\n\n"
            await response.write(text.encode())

        await response.write(b": a comment\n\n")
        await send(hello)
        with suppress(ConnectionError):
            await self._tell(start, cut, send, lambda cursor: response.write(f": ping\nid: {cursor}\n\n".encode()))
        return response

    async def _tell(
        self,
        start: int,
        cut: int | None,
        send: Callable[[dict[str, Any]], Awaitable[None]],
        sign: Callable[[str], Awaitable[None]],
    ) -> None:
        told = 0
        while cut is None or told < cut:
            async with self._news:
                while len(self.messages) <= start and not self.signs:
                    await self._news.wait()
            if self.signs:
                await sign(self.signs.pop(0))
                continue
            await send(self.messages[start])
            start, told = start + 1, told + 1


def problem(status: int, code: str, *, headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    """An answer in the gateway's words."""
    said = {"type": f"urn:tradewind:problem:{code}", "title": code, "status": status, "detail": code, **more}
    return web.json_response(said, status=status, headers=headers, content_type="application/problem+json")


async def accept(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    """202."""
    server.take(request, events)
    return web.json_response({"accepted": len(events), "rejected": 0, "items": []}, status=202)


def say(status: int, code: str, **headers: str) -> Step:
    """A problem, and nothing taken."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return problem(status, code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return step


def foreign(status: int, text: str) -> Step:
    """A page of somebody else, such as a captive portal."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type="text/html")

    return step


def refuse(*numbers: int, status: int = 422, others: str = "accept") -> Step:
    """207: the events of these places in the request are not taken, the others are."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        bad = [event for at, event in enumerate(events) if at in numbers]
        good = [event for at, event in enumerate(events) if at not in numbers]
        items = [
            {"status": status, "event_id": event["event_id"], "type": "urn:tradewind:problem:unfit", "detail": "unfit"}
            for event in bad
        ]
        if not good:
            return problem(status, "unfit", items=items)
        server.take(request, good)
        return web.json_response({"accepted": len(good), "rejected": len(bad), "items": items}, status=207)

    return step


def refuse_order(order_id: str) -> Step:
    """The event of that order is not taken, the others are."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        bad = (at for at, event in enumerate(events) if event["order_id"] == order_id)
        return await refuse(*bad)(server, request, events)

    return step


async def cut_after(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    """Kafka has it, and the connection breaks before the answer."""
    server.take(request, events)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_before(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    """The connection breaks, and Kafka has nothing."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def hang(*, taken: bool) -> Step:
    """No answer comes."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        if taken:
            server.take(request, events)
        await asyncio.Event().wait()
        raise AssertionError

    return step


async def half_an_answer(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    """202 and the beginning of its body, and then the connection breaks."""
    server.take(request, events)
    response = web.StreamResponse(status=202, headers={"content-type": "application/json", "content-length": "100"})
    await response.prepare(request)
    await response.write(b'{"accepted": ')
    assert request.transport is not None
    request.transport.abort()
    return response


def too_large(most: int) -> Step:
    """413 for more than so many events."""

    async def step(server: EdgeServer, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return problem(413, "too_large") if len(events) > most else await accept(server, request, events)

    return step


def order(number: int, **more: Any) -> dict[str, Any]:
    """An order line."""
    return {
        "occurred_at": "2026-03-01T09:30:00Z",
        "order_id": f"o-{number}",
        "listing_id": "l-1",
        "kind": "PLACED",
        "amount": "19.99",
        "currency": "EUR",
        **more,
    }


def orders(count: int) -> Iterator[dict[str, Any]]:
    """Order lines."""
    return (order(number) for number in range(count))


@contextmanager
def serving(server: EdgeServer) -> Iterator[EdgeServer]:
    """The server in a thread with a loop of its own, for tests of what runs no loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _cancel_all() -> None:
    """End handlers that wait for news which never come."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
