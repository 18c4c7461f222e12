"""A network between a client and a server that can be cut, or made slow, and mended again.

A TCP proxy. Cut, it takes everything and passes nothing on, in either direction, and closes nothing: as with a pulled
cable, both ends wait, and what was under way arrives once it is mended. It can't lose a packet, for it ends the
connections; a lost one would only be sent again.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TypeVar

_CHUNK = 256 * 1024
_HOST = "127.0.0.1"

WireT = TypeVar("WireT", bound="Wire")


class Wire:
    """A wire to a server on this machine; use as a context manager.

    Args:
        target_port: where the server listens.
        port: where the wire is entered; 0 takes a free one.
        host: the address of this machine at which it is.
    """

    def __init__(self, target_port: int, port: int = 0, host: str = _HOST) -> None:
        self._target_port = target_port
        self._wanted_port = port
        self._host = host
        self._loop = asyncio.new_event_loop()
        self._whole = asyncio.Event()
        self._delay_s = 0.0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

    @property
    def port(self) -> int:
        """Where the wire is entered."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def __enter__(self: WireT) -> WireT:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Pass nothing on from now."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Pass everything on again, what was held first."""
        self._loop.call_soon_threadsafe(self._whole.set)

    def hold(self, seconds: float) -> None:
        """Pass nothing on for so long; then what was held comes at once."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self._whole.set)

    def slow_down(self, delay_s: float) -> None:
        """Hold each piece of up to 256 KiB for so long, one after the other; 0 is as fast as it goes."""
        self._delay_s = delay_s

    async def _open(self) -> None:
        self._whole.set()
        self._server = await asyncio.start_server(self._connected, self._host, self._wanted_port, limit=_CHUNK)

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
            await self._between(reader, writer)
        finally:
            self._tasks.discard(task)
            self._end(writer)

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        try:
            there, back = await asyncio.open_connection(_HOST, self._target_port, limit=_CHUNK)
        except OSError:
            return  # nobody listens; the client sees its connection closed
        pumps = [
            asyncio.ensure_future(self._pump(reader, back)),
            asyncio.ensure_future(self._pump(there, writer, answers=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._end(back)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._whole.wait()
                if answers and not self._lets_through(piece):
                    return
                writer.write(piece)
                await writer.drain()

    def _lets_through(self, answer: bytes) -> bool:
        """Whether a piece of the server's answer goes on; else the connection ends instead."""
        return True

    def _end(self, writer: asyncio.StreamWriter) -> None:
        """Close one end of a connection that is over."""
        writer.close()
