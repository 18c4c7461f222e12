"""A chat-completions server on a real port, in a thread of its own, that behaves as a test has scripted it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PATIENCE_S = 30.0

Behaviour = Callable[["Visit"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Visit:
    """One request to complete a chat."""

    http: web.Request
    body: dict[str, Any]

    async def stream(self) -> web.StreamResponse:
        """The head of a streamed answer."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(self.http)
        return response


@dataclass
class OpenAIServer:
    """What the server is told to do, and what it has seen. Its behaviours are used up in order; the last one stays."""

    behaviours: list[Behaviour] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "tiny", "max_model_len": 512}])
    key: str | None = None
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    disconnected: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def then(self, *behaviours: Behaviour) -> None:
        """What to do with the next requests."""
        self.behaviours = list(behaviours)

    def wait_for(self, requests: int) -> None:
        """Until so many requests have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.bodies) >= requests, PATIENCE_S), len(self.bodies)

    def asked(self) -> list[str]:
        """What the users of all requests said, in order."""
        return [body["messages"][-1]["content"] for body in self.bodies]

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "bad key", "code": "invalid_api_key"}}, status=401)
        return web.json_response({"object": "list", "data": self.models})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        with self.changed:
            self.bodies.append(body)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.changed.notify_all()
        try:
            return await behaviour(Visit(request, body))
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise
        finally:
            self.at_once -= 1


@contextmanager
def serving(*behaviours: Behaviour, **given: Any) -> Iterator[OpenAIServer]:
    """A running server; leaving stops it, whatever it is about to do."""
    server = OpenAIServer(list(behaviours), **given)
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/models", server.list_models), web.post("/v1/chat/completions", server.complete)])
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="openai-server")
    thread.start()
    assert started.wait(PATIENCE_S)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def chunk(content: str | None = None, finish: str | None = None, logprob: float | None = None) -> bytes:
    """A chunk of a streamed answer."""
    choice: dict[str, Any] = {"index": 0, "delta": {} if content is None else {"content": content}}
    choice["finish_reason"] = finish
    if logprob is not None:
        choice["logprobs"] = {"content": [{"token": content, "logprob": logprob}]}
    return event({"object": "chat.completion.chunk", "choices": [choice]})


def usage(prompt: int, completion: int) -> bytes:
    """The last chunk, which has no choices."""
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}})


def event(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


DONE = event(b"[DONE]")


def says(*pieces: str, finish: str = "stop", logprobs: Sequence[float] | None = None) -> Behaviour:
    """Streams these pieces, each a token, with these log-probabilities or else -0.5 each if they are asked for."""

    async def behave(visit: Visit) -> web.StreamResponse:
        response = await visit.stream()
        given = logprobs if logprobs is not None else [-0.5] * len(pieces)
        for piece, logprob in zip(pieces, given, strict=True):
            await response.write(chunk(piece, logprob=logprob if visit.body.get("logprobs") else None))
        await response.write(chunk(finish=finish))
        if visit.body.get("stream_options"):
            await response.write(usage(10, len(pieces)))
        await response.write(DONE)
        return response

    return behave


def sends(*events: bytes) -> Behaviour:
    """Streams just these bytes and ends."""

    async def behave(visit: Visit) -> web.StreamResponse:
        response = await visit.stream()
        for data in events:
            await response.write(data)
        return response

    return behave


def drops(*events: bytes) -> Behaviour:
    """Streams these bytes and breaks the connection."""

    async def behave(visit: Visit) -> web.StreamResponse:
        response = await sends(*events)(visit)
        assert visit.http.transport is not None
        visit.http.transport.close()
        return response

    return behave


def refuses(status: int, error: dict[str, Any] | None = None, **headers: str) -> Behaviour:
    """Answers with an error."""

    async def behave(visit: Visit) -> web.StreamResponse:
        return web.json_response({"error": error or {}}, status=status, headers=headers)

    return behave


def without(field_name: str, otherwise: Behaviour) -> Behaviour:
    """Refuses requests that have a field, as a server does that does not know it."""

    async def behave(visit: Visit) -> web.StreamResponse:
        if field_name in visit.body:
            return web.json_response({"error": {"message": f"{field_name} is not supported"}}, status=400)
        return await otherwise(visit)

    return behave


async def hangs(visit: Visit) -> web.StreamResponse:
    """Begins an answer and never goes on."""
    response = await visit.stream()
    await asyncio.get_running_loop().create_future()
    return response


class Gate:
    """Holds requests, without a head of an answer, until it is opened."""

    def __init__(self, then: Behaviour) -> None:
        self._then, self._opened = then, threading.Event()

    def open(self) -> None:
        self._opened.set()

    async def __call__(self, visit: Visit) -> web.StreamResponse:
        await asyncio.to_thread(self._opened.wait, PATIENCE_S)
        return await self._then(visit)
