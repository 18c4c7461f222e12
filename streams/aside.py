"""A blocking call in a thread that nobody waits for when the process ends.

`asyncio.to_thread` takes one of a pool's threads, and both the event loop and the interpreter wait for those at their
end: a query that hangs for a minute would then delay a worker's stop by a minute.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def aside(call: Callable[[], ResultT], name: str) -> ResultT:
    """The call's result; when the waiting task is cancelled, the call is left to itself.

    Args:
        name: of the thread.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[ResultT] = loop.create_future()

    def settle(result: ResultT | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done
