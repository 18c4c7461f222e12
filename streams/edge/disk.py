"""The queue for an event loop: its steps run in one thread, and puts that come together wait for the disk together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from streams.edge.event import Entry
from streams.edge.queue import EdgeQueue

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class _Put:
    entries: list[Entry]
    source: str
    reached: str
    done: asyncio.Future[int]


class Disk:
    """A queue and its thread.

    Args:
        on_put: told when something new is on disk.
    """

    def __init__(self, queue: EdgeQueue, on_put: Callable[[], None]) -> None:
        self.queue = queue
        self._on_put = on_put
        self._thread = ThreadPoolExecutor(1, "edge-queue")
        self._asked: list[_Put] = []
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def run(self, step: Callable[..., ResultT], *args: Any) -> ResultT:
        """A step of the queue, in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, step, *args)

    async def put(self, entries: list[Entry], source: str = "", reached: str = "") -> int:
        """As the queue's. Those that come while the disk is busy share the next wait for it."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asked.append(_Put(entries, source, reached, done))
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._write())
        return await done

    async def close(self) -> None:
        """End, once what was asked for is done."""
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            await self._writer
        await self.run(self.queue.close)
        self._thread.shutdown()

    async def _write(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                together = [each for each in asked if not each.source]
                if len(together) < 2 or not await self._all_at_once(together):
                    together = []
                for each in asked:
                    if each not in together:
                        await self._one(each)
                self._on_put()
        finally:
            self._writer = None

    async def _all_at_once(self, puts: list[_Put]) -> bool:
        """One transaction for all; where it fails, nothing is kept, and each is to be told by itself."""
        try:
            await self.run(self.queue.put, [entry for put in puts for entry in put.entries])
        except Exception:  # whatever it is, each is told by itself
            return False
        for put in puts:
            _tell(put, len(put.entries))
        return True

    async def _one(self, put: _Put) -> None:
        try:
            _tell(put, await self.run(partial(self.queue.put, put.entries, source=put.source, reached=put.reached)))
        except Exception as error:
            if not put.done.done():
                put.done.set_exception(error)


def _tell(put: _Put, new: int) -> None:
    if not put.done.done():  # who waited may have been cancelled
        put.done.set_result(new)
