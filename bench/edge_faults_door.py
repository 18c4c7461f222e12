"""A TCP proxy before the gateway that cuts answers: Kafka has the events, and the device is never told.

Where packets can't be emulated it is also the link: it can hold everything back, as tests/faults/wire.py does.
"""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from typing import final

_CHUNK = 256 * 1024
#: What the gateway begins an answer with that acknowledges something.
_ACKNOWLEDGED = (b"HTTP/1.1 202", b"HTTP/1.1 207")


@final
class Door:
    """A way to a server on this machine; use as a context manager.

    Args:
        host: where it listens.
        target_port: of the server, on 127.0.0.1.
        cut_share: so many of the acknowledging answers are cut.
    """

    def __init__(self, host: str, target_port: int, cut_share: float, seed: int) -> None:
        self._host, self._target_port, self._cut_share = host, target_port, cut_share
        self._rng = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        self.cut = 0
        self.port = 0

    def __enter__(self) -> Door:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self, seconds: float) -> None:
        """Pass nothing on for so long; then what was held comes at once."""

        def begin() -> None:
            self._passing.clear()
            self._loop.call_later(seconds, self._passing.set)

        self._loop.call_soon_threadsafe(begin)

    async def _open(self) -> None:
        self._passing.set()
        self._server = await asyncio.start_server(self._connected, self._host, 0, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._passing.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self._target_port, limit=_CHUNK)
        except OSError:
            writer.close()  # the gateway is dead
            self._tasks.discard(task)
            return
        pumps = [asyncio.ensure_future(self._pump(reader, back)), asyncio.ensure_future(self._answers(there, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tasks.discard(task)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (back, writer):
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_CHUNK):
                await self._passing.wait()
                writer.write(piece)
                await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_CHUNK):
                await self._passing.wait()
                if piece.startswith(_ACKNOWLEDGED) and self._rng.random() < self._cut_share:
                    self.cut += 1
                    return
                writer.write(piece)
                await writer.drain()
