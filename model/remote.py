"""Serves generation requests from another machine: any server that speaks OpenAI's chat-completions API.

vLLM on a GPU of your own, or a hosted model. One thread of its own runs an event loop, and all state is changed in it.
Every text is streamed, also where nobody watches it come: so a server that died is noticed by its silence, and the time
it takes to read a prompt can be told from the time to write.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from random import Random

import structlog

from model.protocol import (
    Completion,
    EngineClosed,
    EngineDeadline,
    EngineError,
    EngineInfo,
    EngineOverloaded,
    EngineUnavailable,
    GenerationFailed,
    GenerationRequest,
    OnText,
)
from model.remote_server import RemoteServer, RemoteSettings
from model.remote_wire import FieldsRefused

log = structlog.get_logger(__name__)

_CLOSED = "the engine was closed before the request was done"


@dataclass(eq=False, slots=True)
class _Job:
    """A request, and how far it is. Times are seconds of the engine's clock."""

    request: GenerationRequest
    on_text: OnText | None
    submitted: float
    future: Future[Completion] = field(default_factory=Future)
    timer: asyncio.TimerHandle | None = None
    trouble: EngineUnavailable | None = None  # why it is tried again
    spoken: bool = False  # some of its text has been handed on

    @property
    def deadline(self) -> float:
        """When it must be done."""
        limit = self.request.deadline_s
        return float("inf") if limit is None else self.submitted + limit

    def hand_on(self, piece: str) -> None:
        """Give its caller a piece of the text, if it wants them."""
        if self.on_text is not None and not self.future.done():
            self.spoken = True
            self.on_text(piece)

    def finish(self, completion: Completion) -> None:
        """Resolve the future, unless it is failed or cancelled."""
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_result(completion)

    def fail(self, error: EngineError) -> None:
        """Put the error into the future, likewise."""
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class RemoteEngine:
    """Implements `model.protocol.Engine` with a server that has the model.

    Requests beyond the server's share wait here, answers before descriptions. Passing errors are tried again within a
    request's deadline; but not after a part of its text was handed on, for another try may write another text.
    """

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        """Ask the server for its models, and serve. Blocks until it has answered: call it outside of an event loop.

        `clock` gives seconds; `sleep` pauses between tries and `random` spreads them.

        Raises:
            EngineUnavailable: the server can't be reached, or can't serve now.
            EngineRefused: it refuses our key, does not have the model, or is none of the kind.
        """
        self._settings, self._clock, self._sleep = settings, clock, sleep
        self._random = random or Random()
        self._waiting: list[tuple[int, int, _Job]] = []  # a heap: priority, number, job
        self._numbers = itertools.count()
        self._active: dict[_Job, asyncio.Task[None]] = {}
        self._trouble: EngineUnavailable | None = None  # of the last try, whosever it was; None when that went well
        self._left_out: frozenset[str] = frozenset()  # fields that the server refuses
        self._closing, self._closed = threading.Lock(), False
        ready: Future[EngineInfo] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), name="tradewind-remote-engine", daemon=True
        )
        self._thread.start()
        self._info = ready.result()
        log.info("engine.ready", **asdict(self._info))

    @property
    def info(self) -> EngineInfo:
        return self._info

    def load(self) -> tuple[int, int]:
        """How many requests wait and how many are under way, for metrics."""
        return len(self._waiting), len(self._active)

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        job = _Job(request, on_text, submitted=self._clock())
        if not self._tell_loop(self._take_in, job):
            job.fail(EngineClosed(_CLOSED))
        return job.future

    def close(self) -> None:
        with self._closing:
            if not self._closed:
                self._closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _tell_loop(self, step: Callable[[_Job], None], job: _Job) -> bool:
        """Have the loop take a step, unless it was told to stop; what it is told before that, it still does."""
        with self._closing:
            if not self._closed:
                self._loop.call_soon_threadsafe(step, job)
            return not self._closed

    # ---- everything below runs in the engine's thread

    async def _run(self, ready: Future[EngineInfo]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with RemoteServer(self._settings, self._clock) as self._server:
                ready.set_result(await self._server.look())
                await self._stop.wait()
                await self._shut_down()
        except BaseException as error:  # raised again in the thread that waits for it
            if ready.done():
                raise
            ready.set_exception(error)

    async def _shut_down(self) -> None:
        waiting, self._waiting = [job for _, _, job in self._waiting], []
        tasks = list(self._active.values())
        for job in [*self._active, *waiting]:
            job.fail(EngineClosed(_CLOSED))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_in(self, job: _Job) -> None:
        if len(self._waiting) >= self._settings.queue_size:
            job.fail(
                EngineOverloaded(f"{len(self._waiting)} requests wait already, no more are taken; try again later")
            )
            return
        if job.request.deadline_s is not None:
            left = max(0.0, job.deadline - self._clock())
            job.timer = self._loop.call_later(left, self._fail_late, job)
        heapq.heappush(self._waiting, (job.request.priority, next(self._numbers), job))
        job.future.add_done_callback(lambda _: self._tell_loop(self._let_go, job))
        self._start_next()

    def _start_next(self) -> None:
        while self._waiting and len(self._active) < self._settings.concurrency:
            self._start(heapq.heappop(self._waiting)[2])

    def _start(self, job: _Job) -> None:
        self._active[job] = task = self._loop.create_task(self._work_on(job))
        task.add_done_callback(lambda _: self._make_room(job))  # also for one that is cancelled before its first step

    def _make_room(self, job: _Job) -> None:
        del self._active[job]
        self._start_next()

    def _fail_late(self, job: _Job) -> None:
        limit = job.request.deadline_s  # it is not to blame when the server is away
        job.fail(job.trouble or self._trouble or EngineDeadline(f"the text was not complete within its {limit} s"))

    def _let_go(self, job: _Job) -> None:
        """Its future is done, in whatever way: abort what is still under way for it."""
        if job.timer is not None:
            job.timer.cancel()
        if job in self._active:
            self._active[job].cancel()
            return
        self._waiting = [entry for entry in self._waiting if entry[2] is not job]
        heapq.heapify(self._waiting)

    async def _work_on(self, job: _Job) -> None:
        try:
            job.finish(await self._try_until_done(job))
        except EngineError as error:
            job.fail(error)
        except Exception as error:  # its words may quote a text
            job.fail(GenerationFailed(f"the model server's answer could not be read: {type(error).__name__}"))

    async def _try_until_done(self, job: _Job) -> Completion:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._ask(job)
            except EngineUnavailable as error:
                self._trouble = error
                backoff = self._settings.pause_s(attempt, self._random)
                pause = backoff if error.retry_after_s is None else error.retry_after_s
                if job.spoken or attempt > self._settings.retries or self._clock() + pause >= job.deadline:
                    raise
                job.trouble = error
                log.warning("engine.retry", why=str(error), attempt=attempt, pause_s=round(pause, 3))
            await self._sleep(pause)

    async def _ask(self, job: _Job) -> Completion:
        """Ask once; and again without the optional fields that the server refuses, for good if that helps."""
        left_out = self._left_out
        while True:
            began = self._clock()
            try:
                reply, first = await self._server.ask(job.request, job.hand_on, left_out)
                break
            except FieldsRefused as error:
                left_out |= error.fields  # they had been sent, so this comes to an end
        self._trouble = None
        if not left_out <= self._left_out:
            self._left_out |= left_out
            log.warning("engine.fields_refused", fields=sorted(self._left_out))
        assert reply.finish_reason is not None
        return Completion(
            tokens=(),
            text=reply.text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens or len(reply.logprobs),
            mean_logprob=reply.mean_logprob,
            token_logprobs=tuple(reply.logprobs),
            queued_ms=(began - job.submitted) * 1e3,
            prefill_ms=(first - began) * 1e3,
            decode_ms=(self._clock() - first) * 1e3,
        )
