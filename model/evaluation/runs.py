"""Running the tasks over many rows: a few dozen at once, so that the engine's batches are full, in the rows' order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from model.protocol import Completion, Engine, EngineInfo, GenerationRequest, OnText

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

#: Rows under way at once; the engine's slots decide how many of them run.
AT_ONCE = 48


class Listening:
    """An engine that keeps what one row asked and what was said, so that raw text can be judged beside the rest."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.requests: list[GenerationRequest] = []
        self.completions: list[Completion] = []

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        self.requests.append(request)
        future = self._engine.submit(request, on_text)
        future.add_done_callback(self._keep)
        return future

    def close(self) -> None:
        """Nothing: the engine belongs to who opened it."""

    def _keep(self, future: Future[Completion]) -> None:
        if not future.cancelled() and future.exception() is None:
            self.completions.append(future.result())


def run_all(
    rows: Sequence[RowT],
    work: Callable[[int, RowT], Awaitable[ResultT]],
    step: Callable[[], None] = lambda: None,
    at_once: int = AT_ONCE,
) -> list[ResultT]:
    """`work` of each row's number and row, in order; `step` is called as each is done. What one raises, this raises."""

    async def run() -> list[ResultT]:
        free = asyncio.Semaphore(at_once)

        async def one(number: int, row: RowT) -> ResultT:
            async with free:
                result = await work(number, row)
            step()
            return result

        return await asyncio.gather(*(one(number, row) for number, row in enumerate(rows)))

    return asyncio.run(run())
