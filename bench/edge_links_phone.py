"""A phone: the edge client behind its link, told what to do on standard input, and telling what it saw.

    python -m bench.edge_links_phone URL FILE [KEEP_AWAKE_S]    with the key in BENCH_KEY

A JSON object a line either way. All moments are `time.time()`, which this machine's processes share.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import sys
import time
import zlib
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import aiohttp
import structlog
from backports import zstd

from streams.edge import EdgeClient, EdgePolicy

_TIMING = re.compile(r"(\w+);dur=([\d.]+)")
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_EVENT_ID = re.compile(rb'"event_id": ?"([0-9a-f-]{36})"')


def tell(what: str, **more: Any) -> None:
    """A line for whoever runs this."""
    print(json.dumps({"what": what, **more}), flush=True)


def event_ids(body: bytes) -> list[bytes]:
    """The ids of the events in a request's body, which the client makes smaller where several went together."""
    if body.startswith(_ZSTD):
        body = zstd.decompress(body)
    elif body.startswith(_GZIP):
        body = zlib.decompress(body, wbits=31)
    return _EVENT_ID.findall(body)


def traced() -> aiohttp.TraceConfig:
    """Tells of each request: which events it had, when it began, and the gateway's own times (Server-Timing)."""
    config, first = aiohttp.TraceConfig(), dict[str, float]()

    async def start(session: object, context: SimpleNamespace, params: aiohttp.TraceRequestStartParams) -> None:
        context.began, context.events = time.time(), []

    async def chunk(session: object, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams) -> None:
        for found in event_ids(params.chunk):
            context.events.append(found.decode())
            # One that is sent again began with its first request: Kafka may have it from that one.
            context.began = min(context.began, first.setdefault(found.decode(), context.began))

    async def end(session: object, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        times = _TIMING.findall(params.response.headers.get("server-timing", ""))
        if params.method == "POST":
            server = {name: float(ms) for name, ms in times}
            tell("request", ids=context.events, began=context.began, answered=time.time(), server=server)

    config.on_request_start.append(start)
    config.on_request_chunk_sent.append(chunk)
    config.on_request_end.append(end)
    return config


async def run(url: str, path: str, keep_awake_s: float | None) -> None:
    """Obey until standard input ends."""
    commands = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with EdgeClient(url, os.environ["BENCH_KEY"], path, EdgePolicy(keep_awake_s=keep_awake_s)) as client:
        listening = asyncio.ensure_future(listen(client))
        while line := await commands.readline():
            command = json.loads(line)
            if "upload" in command:
                await upload(client, command["upload"])
                continue
            began = time.time()
            await client.put("questions", command["ask"])
            tell("put", id=command["ask"]["event_id"], at=began)
        listening.cancel()


async def listen(client: EdgeClient) -> None:
    """Tell of each draft as it comes."""
    async for message in client.stream(["answers-drafted"]):
        event = message.event
        tell(
            "draft",
            id=event.get("source_event_id"),
            at=time.time(),
            published_at=message.published_at,
            pushed_at=message.pushed_at,
            total_ms=event.get("timings", {}).get("total_ms"),
            of_model=bool(event.get("provenance", {}).get("prompt_tokens")),
        )


async def upload(client: EdgeClient, path: str) -> None:
    """Hand over a file of orders, and wait until the gateway has acknowledged them all."""
    with open(path, encoding="utf-8") as file:  # noqa: ASYNC230 - nothing else goes on
        orders = [json.loads(line) for line in file]
    before = asdict((await client.status()).traffic)
    began = time.monotonic()
    await client.put_many("orders", orders)
    done = await client.flush(300)
    took = time.monotonic() - began
    status = await client.status()
    after = asdict(status.traffic)
    traffic = {name: after[name] - before[name] for name in ("requests", "body_bytes", "sent_bytes", "timeouts", "cut")}
    refused = len(await client.refused())
    tell("uploaded", seconds=took, done=done, refused=refused, orders=len(orders), **traffic)


def main() -> None:
    """Be a phone."""
    url, path, *more = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # The client makes its own session; a library's tracing is the one way to see requests without changing either.
    setattr(aiohttp, "ClientSession", functools.partial(aiohttp.ClientSession, trace_configs=[traced()]))  # noqa: B010
    asyncio.run(run(url, path, float(more[0]) if more else None))


if __name__ == "__main__":
    main()
