"""The gateway as an ASGI application: which path is answered by whom, and what every answer has in common."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Protocol, final

import orjson
import structlog

from schemas.codec import Codec
from schemas.registry import RegistryError
from schemas.topics import Topic
from streams.gateway import ingest, metrics, openapi
from streams.gateway.acks import Outgoing, Word
from streams.gateway.answers import COMMON_HEADERS, JSON, Answer, ingest_answer, problem_answer
from streams.gateway.bodies import ClientGone, inflate, read_body
from streams.gateway.docs_page import DOCS_HEADERS, docs_page
from streams.gateway.keys import Keys, Scope
from streams.gateway.problems import Problem

log = structlog.get_logger("tradewind.streams")

Scope_ = MutableMapping[str, Any]
ASGIReceive = Callable[[], Awaitable[MutableMapping[str, Any]]]
ASGISend = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope_, ASGIReceive, ASGISend], Awaitable[None]]
#: By check: why it fails, or None where all is well.
Ask = Callable[[], Mapping[str, "str | None"]]

STREAM_PATH = "/v1/stream"
#: Events that are checked before the loop gets a turn for others.
_TURN = 100
#: A body of more bytes is inflated in a thread.
_INFLATE_HERE = 64 * 1024
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_COMMON_HEADERS = tuple((name.encode(), value.encode()) for name, value in COMMON_HEADERS.items())


class Sends(Protocol):
    """What the application asks of Kafka."""

    async def send(self, events: list[Outgoing]) -> list[Word]:
        """Kafka's word on each event, in a bounded time."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may have.

    Attributes:
        events: at most.
        body_bytes: as sent, and again when inflated.
        body_s: until the body is whole.
    """

    events: int = 2_000
    body_bytes: int = 8 * 1024 * 1024
    body_s: float = 30.0


@dataclass(slots=True)
class Timing:
    """Where a request's time went, in seconds."""

    read: float = 0.0
    check: float = 0.0
    kafka: float = 0.0

    def header(self) -> bytes:
        """As `Server-Timing` has it."""
        return b"read;dur=%.3f, check;dur=%.3f, kafka;dur=%.3f" % (self.read * 1e3, self.check * 1e3, self.kafka * 1e3)


@final
class App:
    """The gateway.

    Args:
        keys: who may do what.
        acks: the way to Kafka.
        codec: encodes the events.
        live, ready: the checks behind /healthz and /readyz.
        stream: answers /v1/stream; None where nothing is pushed.
        now: the time, in UTC.
    """

    def __init__(
        self,
        keys: Keys,
        acks: Sends,
        codec: Codec,
        limits: Limits,
        *,
        live: Ask,
        ready: Ask,
        now: Callable[[], datetime],
        stream: ASGIApp | None = None,
    ) -> None:
        self._keys, self._acks, self._codec, self._limits = keys, acks, codec, limits
        self._health: Mapping[str, Ask] = {"/healthz": live, "/readyz": ready}
        self._now, self._stream = now, stream
        self._pages: Mapping[str, tuple[str, bytes, tuple[tuple[str, str], ...]]] = {
            "/openapi.json": (JSON, openapi.document_bytes(limits.events, limits.body_bytes), ()),
            "/docs": ("text/html; charset=utf-8", docs_page(limits.events, limits.body_bytes), DOCS_HEADERS),
        }
        self._routes = frozenset({STREAM_PATH, *self._health, *self._pages})

    async def __call__(self, scope: Scope_, receive: ASGIReceive, send: ASGISend) -> None:
        """Answer one request, or hand a connection over to the stream."""
        if scope["type"] not in ("http", "websocket"):
            return
        opens_stream = scope["path"] == STREAM_PATH and (scope["type"] == "websocket" or scope["method"] == "GET")
        if opens_stream and self._stream is not None:
            await self._stream(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "there is no stream here"})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope_, receive: ASGIReceive, send: ASGISend) -> None:
        began = time.perf_counter()
        method, path = scope["method"], scope["path"]
        headers = dict(scope["headers"])
        timing: Timing | None = None
        topic = ingest.TOPICS.get(path[4:]) if path.startswith("/v1/") else None
        route = path if topic is not None or path in self._routes else "other"
        try:
            if topic is not None and method == "POST":
                timing = Timing()
                answer = await self._ingest(topic, route, scope.get("http_version", "1.1"), headers, receive, timing)
            else:
                answer = self._plain(topic, method, path)
        except ClientGone:
            # Nobody may be there any more; or somebody whose chunks are none, and who should hear of it.
            answer = problem_answer(_BROKEN_BODY)
        except Exception as error:
            # The type alone: an error's text may hold an event's.
            log.error("a request met a fault of ours", error=type(error).__name__, route=route)
            metrics.ERRORS.labels(type(error).__name__).inc()
            answer = problem_answer(Problem(500, "fault", "a fault of ours; it is in the log", retry_after_s=1))
        await self._answer(answer, method, headers, timing, send)
        _labelled(metrics.REQUESTS, route, f"{answer.status // 100}xx").inc()
        _labelled(metrics.REQUEST_SECONDS, route).observe(time.perf_counter() - began)

    async def _answer(
        self, answer: Answer, method: str, asked: Mapping[bytes, bytes], timing: Timing | None, send: ASGISend
    ) -> None:
        headers = [
            *_COMMON_HEADERS,
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
        ]
        headers += [(name.encode(), value.encode()) for name, value in answer.headers]
        if timing is not None:
            headers.append((b"server-timing", timing.header()))
        if (request_id := asked.get(b"x-request-id")) is not None and _REQUEST_ID.fullmatch(request_id):
            headers.append((b"x-request-id", request_id))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})

    async def _ingest(
        self,
        topic: Topic,
        route: str,
        version: str,
        headers: Mapping[bytes, bytes],
        receive: ASGIReceive,
        timing: Timing,
    ) -> Answer:
        key = self._keys.admit(_text(headers.get(b"authorization")), Scope.PUBLISH)
        if isinstance(key, Problem):
            return problem_answer(key)
        media_type = ingest.media_type_of(_text(headers.get(b"content-type")) or "")
        if isinstance(media_type, Problem):
            return problem_answer(media_type)
        clock = time.perf_counter
        began = clock()
        limit = self._limits.body_bytes
        length = headers.get(b"content-length")
        # In HTTP/2 a request ends by a frame of its own; who answers before it resets the stream.
        body = await read_body(receive, length, limit, self._limits.body_s, ends_by_length=version[0] == "1")
        if isinstance(body, Problem):
            return problem_answer(body)
        timing.read = clock() - began
        began = clock()
        _labelled(metrics.BODY_BYTES, route).inc(len(body))
        encoding = _text(headers.get(b"content-encoding")) or ""
        inflated = (
            inflate(body, encoding, limit)
            if not encoding or len(body) <= _INFLATE_HERE
            else await asyncio.to_thread(inflate, body, encoding, limit)
        )
        if isinstance(inflated, Problem):
            return problem_answer(inflated)
        read = ingest.read_rows(topic, media_type, inflated, self._limits.events)
        if isinstance(read, Problem):
            return problem_answer(read)
        if (slow_down := self._keys.spend(key, len(read.rows))) is not None:
            return problem_answer(slow_down)
        try:
            checked = await self._checked(topic, read.rows, key.merchant_id)
        except RegistryError as error:
            log.error("events can't be encoded", error=type(error).__name__)
            return problem_answer(_NO_SCHEMA)
        timing.check = clock() - began
        began = clock()
        words = await self._acks.send([event.outgoing for event in checked if isinstance(event, ingest.Ready)])
        timing.kafka = clock() - began
        if words:
            metrics.ACK_SECONDS.observe(timing.kafka)
        minimal = b"return=minimal" in headers.get(b"prefer", b"").replace(b" ", b"").lower()
        answer = ingest_answer(topic, checked, words, alone=read.alone, minimal=minimal)
        self._count(topic, checked, words)
        return answer

    async def _checked(self, topic: Topic, rows: Any, merchant_id: str) -> list[ingest.Checked]:
        """Each event ready or refused; between some, others have their turn."""
        now = self._now()
        if len(rows) <= _TURN:
            return ingest.check(topic, rows, merchant_id, now, self._codec)
        checked: list[ingest.Checked] = []
        for start in range(0, len(rows), _TURN):
            checked += ingest.check(topic, rows[start : start + _TURN], merchant_id, now, self._codec)
            await asyncio.sleep(0)
        return checked

    @staticmethod
    def _count(topic: Topic, checked: Iterable[ingest.Checked], words: Iterable[Word]) -> None:
        outcomes: dict[str, int] = {}
        for each in (event.problem for event in checked if isinstance(event, ingest.Refused)):
            outcome = f"{each.status} {each.code}"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        for word in words:
            outcome = f"{word.status} {word.code}" if isinstance(word, Problem) else "202"
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        for outcome, number in outcomes.items():
            _labelled(metrics.EVENTS, topic.name, outcome).inc(number)

    def _plain(self, topic: Topic | None, method: str, path: str) -> Answer:
        """Everything that takes no body."""
        if topic is not None:
            return _other_method(method, "POST, OPTIONS")
        if path == STREAM_PATH:
            return problem_answer(_NO_STREAM) if method == "GET" else _other_method(method, "GET, OPTIONS")
        if (ask := self._health.get(path)) is not None:
            return _health_answer(ask) if method in ("GET", "HEAD") else _other_method(method, "GET, HEAD, OPTIONS")
        if (page := self._pages.get(path)) is not None:
            if method in ("GET", "HEAD"):
                return Answer(200, page[0], page[1], page[2])
            return _other_method(method, "GET, HEAD, OPTIONS")
        return problem_answer(_NOT_FOUND)


@cache
def _labelled(metric: Any, *labels: str) -> Any:
    """A label's child, for looking it up takes a lock and some microseconds, and there are few of them."""
    return metric.labels(*labels)


_BROKEN_BODY = Problem(400, "body_broken", "the body ended in the middle, or its chunks are none; send it again")
_NOT_FOUND = Problem(404, "not_found", "there is nothing under this path; /docs lists what there is")
_NO_STREAM = Problem(503, "no_stream", "this gateway pushes nothing at the moment", retry_after_s=30)
_NO_SCHEMA = Problem(
    503,
    "no_schema_id",
    "the schema registry gives no id for the event, which its operator has to mend",
    retry_after_s=5,
)


def _other_method(method: str, allowed: str) -> Answer:
    """204 to OPTIONS, 405 to what is not allowed."""
    if method == "OPTIONS":
        return Answer(204, JSON, b"", (("allow", allowed),))
    answer = problem_answer(Problem(405, "method_not_allowed", f"this path takes {allowed}"))
    return replace(answer, headers=(*answer.headers, ("allow", allowed)))


def _health_answer(ask: Ask) -> Answer:
    found = ask()
    well = all(why is None for why in found.values())
    checks = {name: {"ok": why is None} | ({} if why is None else {"why": why}) for name, why in found.items()}
    return Answer(200 if well else 503, JSON, orjson.dumps({"ok": well, "checks": checks}))


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
