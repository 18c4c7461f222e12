"""A request on its way through the engine, and the line in which requests wait. No tensors here."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from model.lookup import PromptLookup
from model.protocol import (
    Completion,
    EngineClosed,
    EngineDeadline,
    EngineError,
    EngineOverloaded,
    FinishReason,
    GenerationRequest,
    OnText,
    Priority,
)

if TYPE_CHECKING:
    from model.sampling import Choice, Sampler

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Job:
    """A request, what has been generated for it, and when. Times are seconds of the engine's clock."""

    request: GenerationRequest
    submitted: float
    on_text: OnText | None = None
    future: Future[Completion] = field(default_factory=Future)
    sampler: Sampler | None = None
    prompt: list[int] = field(default_factory=list)
    prefix: int | None = None  # number of the kept prefix that its slot begins with
    tokens: list[int] = field(default_factory=list)  # generated ones
    logprobs: list[float] = field(default_factory=list)
    opening_logprobs: tuple[float, ...] = ()
    lookup: PromptLookup | None = None
    said: int = 0  # characters handed to `on_text`
    joined: float = 0.0
    prefilled: float = 0.0

    @property
    def is_answer(self) -> bool:
        return self.request.priority == Priority.ANSWER

    @property
    def cached(self) -> int:
        """Positions of its cache slot that are filled: all but the newest token's, which the next step reads."""
        return len(self.prompt) + len(self.tokens) - 1

    def guess(self, most: int) -> list[int]:
        """Up to `most` tokens that may follow the newest; none that it could not use. Only greedy text is guessed."""
        if self.sampler is not None:
            return []
        if self.lookup is None:
            self.lookup = PromptLookup(self.prompt)
        for token in self.tokens[len(self.lookup) - len(self.prompt) :]:
            self.lookup.add(token)
        return self.lookup.guess(min(most, self.request.max_new_tokens - len(self.tokens) - 1))

    def gave_up(self, now: float) -> bool:
        """Whether its deadline has passed or its caller has cancelled it."""
        limit = self.request.deadline_s
        return self.future.cancelled() or (limit is not None and now - self.submitted >= limit)

    def accept(
        self, choice: Choice, end_tokens: frozenset[int], decode: Callable[[list[int]], str]
    ) -> tuple[str, FinishReason] | None:
        """Add a token; the text and the reason if that ends it."""
        if choice.token in end_tokens:
            return decode(self.tokens), "stop"
        self.tokens.append(choice.token)
        self.logprobs.append(choice.logprob)
        if self.request.stop or self.on_text is not None:
            text = decode(self.tokens)
            ends = [end for end in map(text.find, self.request.stop) if end >= 0]
            if ends:
                return text[: min(ends)], "stop"
            self._say(text[: settled(text, self.request.stop)])
        if len(self.tokens) == self.request.max_new_tokens:
            return decode(self.tokens), "length"
        return None

    def finish(self, text: str, reason: FinishReason, now: float) -> None:
        """Resolve the future, unless the caller has cancelled it."""
        self._say(text)
        if not self.future.set_running_or_notify_cancel():
            return
        count = len(self.tokens)
        self.future.set_result(
            Completion(
                text=text,
                tokens=tuple(self.tokens),
                finish_reason=reason,
                prompt_tokens=len(self.prompt),
                completion_tokens=count,
                mean_logprob=sum(self.logprobs) / count if count else 0.0,
                token_logprobs=tuple(self.logprobs),
                queued_ms=(self.joined - self.submitted) * 1e3,
                prefill_ms=(self.prefilled - self.joined) * 1e3,
                decode_ms=(now - self.prefilled) * 1e3,
                opening_logprobs=self.opening_logprobs,
            )
        )

    def fail(self, error: EngineError) -> None:
        """Put the error into the future, unless the caller has cancelled it."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def fail_late(self) -> None:
        """Tell that it gave up."""
        limit, count = self.request.deadline_s, len(self.tokens)
        self.fail(EngineDeadline(f"not done within its {limit} s; {count} tokens were generated until then"))

    def _say(self, text: str) -> None:
        """Hand on what is new in `text`, the settled beginning of the completion."""
        if self.on_text is None or len(text) <= self.said or self.future.cancelled():
            return
        try:
            self.on_text(text[self.said :])
        except Exception as error:  # a listener's bug must not stop the engine; the text itself stays out of the log
            log.warning("engine.listener_failed", error=type(error).__name__)
            self.on_text = None
        self.said = len(text)


def settled(text: str, stop: Sequence[str]) -> int:
    """How many characters of an unfinished text can't change or turn out to be a stop string any more.

    A character of several tokens is U+FFFD until its last one has come.
    """
    end = len(text.rstrip("\ufffd"))
    for length in range(min(end, max(map(len, stop), default=0)), 0, -1):
        if any(one.startswith(text[end - length : end]) for one in stop):
            return end - length
    return end


class WaitingLine:
    """Jobs that wait for a slot: bounded, answers before descriptions, else first come, first served. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[int, int, Job]] = []
        self._numbers = itertools.count()
        self._closed: str | None = None
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, job: Job) -> None:
        """Queue a job, or fail it at once when the line is full or closed. Never blocks for long."""
        with self._changed:
            if self._closed is not None:
                error: EngineError = EngineClosed(self._closed)
            elif len(self._heap) >= self._size:
                error = EngineOverloaded(f"{self._size} requests wait already, no more are taken; try again later")
            else:
                heapq.heappush(self._heap, (job.request.priority, next(self._numbers), job))
                self._changed.notify()
                return
        job.fail(error)

    def take(self, answers_only: bool = False) -> Job | None:
        """The job whose turn it is; None if nobody waits, or only descriptions though only answers are asked for."""
        with self._changed:
            if not self._heap or (answers_only and not self._heap[0][2].is_answer):
                return None
            return heapq.heappop(self._heap)[2]

    def take_late(self, now: float) -> list[Job]:
        """Those who gave up waiting."""
        with self._changed:
            late = [job for _, _, job in self._heap if job.gave_up(now)]
            if late:
                self._heap = [entry for entry in self._heap if entry[2] not in late]
                heapq.heapify(self._heap)
        return late

    def wait(self) -> bool:
        """Block until somebody waits (True) or the line is closed (False)."""
        with self._changed:
            self._changed.wait_for(lambda: self._heap or self._closed is not None)
            return self._closed is None

    @property
    def is_closed(self) -> bool:
        return self._closed is not None

    def close(self, reason: str) -> None:
        """Take no more jobs; those that wait stay until `drain`. The first reason given counts."""
        with self._changed:
            self._closed = self._closed or reason
            self._changed.notify_all()

    def drain(self) -> list[Job]:
        """Everyone who waits, taken out."""
        with self._changed:
            jobs, self._heap = [job for _, _, job in self._heap], []
        return jobs
