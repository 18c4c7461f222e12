"""What one writes first, to stand beside in `edge_push.py`: a consumer that sends to sockets of Starlette on Uvicorn.

    python -m bench.edge_push_peer PORT     runs until SIGTERM, with the settings of the environment

It has a key for each device, a queue for each socket, and writes each message once for all sockets of a merchant. It
resumes nothing: what is sent while a device is away is lost to it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvicorn
from confluent_kafka import OFFSET_END, Consumer, TopicPartition
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from schemas.codec import Rejected
from schemas.topics import ANSWERS_DRAFTED
from streams.gateway import key_file
from streams.gateway.message import event_json
from tradewind.assembly import make_codec
from tradewind.settings import Settings


class Fanout:
    """Queues by merchant, and the thread that fills them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._codec = make_codec(settings)
        self._queues: dict[str, set[asyncio.Queue[str]]] = {}
        with key_file.opened(settings.gateway_keys_file) as file:
            self._merchants = {stored.secret_sha256: stored.key.merchant_id for stored in key_file.read(file)}

    @asynccontextmanager
    async def consuming(self, _: Starlette) -> AsyncIterator[None]:
        """Consume while the application runs."""
        threading.Thread(target=self._consume, args=(asyncio.get_running_loop(),), daemon=True).start()
        yield

    async def serve(self, socket: WebSocket) -> None:
        """One device, until it goes."""
        secret = socket.headers.get("authorization", "").rpartition("_")[2]
        merchant_id = self._merchants.get(key_file.digest(secret))
        if merchant_id is None:
            await socket.close(1008)
            return
        await socket.accept()
        queue: asyncio.Queue[str] = asyncio.Queue(1000)
        self._queues.setdefault(merchant_id, set()).add(queue)
        sending = asyncio.ensure_future(self._send(socket, queue))
        try:
            await socket.send_text('{"id":"","type":"hello"}')
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            sending.cancel()
            self._queues[merchant_id].discard(queue)

    async def _send(self, socket: WebSocket, queue: asyncio.Queue[str]) -> None:
        while True:
            await socket.send_text(await queue.get())

    def _consume(self, loop: asyncio.AbstractEventLoop) -> None:
        consumer = Consumer({**self._settings.kafka_client(), "group.id": "bench-peer", "enable.auto.commit": False})
        there = consumer.list_topics(ANSWERS_DRAFTED.name, timeout=10).topics[ANSWERS_DRAFTED.name].partitions
        consumer.assign([TopicPartition(ANSWERS_DRAFTED.name, number, OFFSET_END) for number in there])
        while True:
            message = consumer.poll(0.5)
            if message is None or message.error() is not None:
                continue
            value = message.value()
            assert not isinstance(value, str)
            datum = self._codec.decode(ANSWERS_DRAFTED, value)
            assert not isinstance(datum, Rejected)
            head: dict[str, Any] = {"id": "", "type": "answers-drafted", "offset": message.offset()}
            text = orjson.dumps(head | {"event": orjson.Fragment(event_json(datum))}).decode()
            loop.call_soon_threadsafe(self._fan_out, datum["merchant_id"], text)

    def _fan_out(self, merchant_id: str, text: str) -> None:
        for queue in self._queues.get(merchant_id, ()):
            queue.put_nowait(text)


def main() -> None:
    """Serve."""
    fanout = Fanout(Settings())
    app = Starlette(routes=[WebSocketRoute("/v1/stream", fanout.serve)], lifespan=fanout.consuming)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", backlog=4096, loop="uvloop")


if __name__ == "__main__":
    main()
