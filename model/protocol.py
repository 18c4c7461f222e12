"""The seam between the agents and whatever generates text: plain values in, a future out.

Nothing here imports torch, so agents, routes and their tests can be written against `Engine` alone. `model.engine`
implements it on this machine; any other implementation (an HTTP endpoint, a recording for a test) may as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal, Protocol, runtime_checkable

FinishReason = Literal["stop", "length"]

#: Takes the next piece of a text while the rest is still being written. Called from the engine's thread, so it must
#: return at once and not raise. The pieces joined are the completion's text; a piece is never empty.
OnText = Callable[[str], None]


class Priority(IntEnum):
    """Who goes first while requests wait; lower goes first. A person waits for an answer, nobody for a description."""

    ANSWER = 0
    DESCRIPTION = 1


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """One turn of a chat. Neither text can inject a control token of the chat template: they are encoded as text."""

    system: str
    user: str


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What to generate and under which limits.

    `temperature` 0 is greedy, and then `top_p` and `seed` have no effect. `top_p` keeps the smallest set of tokens
    whose probability reaches it (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration"). `seed` makes
    sampling reproducible; None draws a fresh one. Generation ends before the first of the `stop` strings, which is not
    part of the text. `deadline_s` counts from `submit`, waiting included; None means no deadline. `openings` are words
    that the text may begin with, and whose probabilities are wanted (a classification by the way). With `opening_bias`,
    one number for each, the text begins with the one whose log-probability plus bias is highest, and with no other
    word; a server takes no notice of it.

    Raises ValueError for a value outside of its range.
    """

    prompt: ChatPrompt
    max_new_tokens: int
    priority: Priority = Priority.DESCRIPTION
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    deadline_s: float | None = None
    openings: tuple[str, ...] = ()
    opening_bias: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}, expected at least 1")
        if not 0.0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature is {self.temperature}, expected 0 (greedy) or a finite positive number")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p is {self.top_p}, expected a number above 0 and up to 1")
        if self.opening_bias and len(self.opening_bias) != len(self.openings):
            raise ValueError(f"{len(self.opening_bias)} biases for {len(self.openings)} openings, expected as many")
        if "" in self.openings:
            raise ValueError("openings holds an empty string, which every text begins with")
        if "" in self.stop:
            raise ValueError("stop holds an empty string, which would end every text before its first character")
        if self.deadline_s is not None and not self.deadline_s > 0:
            raise ValueError(f"deadline_s is {self.deadline_s}, expected a positive number of seconds or None")


@dataclass(frozen=True, slots=True)
class Completion:
    """A generated text and what it took. Times are in milliseconds, log-probabilities are natural logarithms.

    `token_logprobs` holds, for each generated token (an end-of-turn token is not among them), its log-probability
    under the model before temperature and top-p; `mean_logprob` is their mean, 0.0 when nothing was generated. A server
    that gives none leaves them empty and the mean at -inf, which nobody can take for a sure text. `opening_logprobs`
    holds the log-probability that the text begins with the first token of each of the request's `openings`; a server
    gives none.
    """

    text: str
    tokens: tuple[int, ...]  # what the text was made of, as far as it is known: a server does not tell
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    mean_logprob: float
    token_logprobs: tuple[float, ...]
    queued_ms: float
    prefill_ms: float
    decode_ms: float
    opening_logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Which model answers, for provenance, logs and metrics."""

    model: str  # the name that the checkpoint gives itself
    checkpoint_sha256: str  # of the weight file's bytes, hexadecimal; empty where a server has them
    parameters: int  # number of weights; 0 where a server does not tell
    dtype: str  # the numeric format that it runs in: fp32, bf16, int8; unknown
    device: str  # cpu, cuda:0, ...; remote
    context_length: int  # prompt and completion together, in tokens; 0 where a server does not tell
    load_seconds: float  # from opening the file to the end of the warm-up; of a server, until it has told its models
    memory_mb: float  # growth of this process's resident memory by loading, in 2**20 bytes
    adapter: str = ""  # name and the beginning of the SHA-256 of what is merged into the checkpoint


class EngineError(Exception):
    """A request could not be served. `transient` says whether the same request may succeed later."""

    transient: ClassVar[bool] = False


class EngineOverloaded(EngineError):
    """The waiting queue is full: slow down and try again."""

    transient = True


class EngineDeadline(EngineError):
    """The request's own deadline passed before its text was complete."""

    transient = True


class EngineOutOfMemory(EngineError):
    """There was not memory enough for the step: no request in particular is to blame, and it may fit later."""

    transient = True


class EngineClosed(EngineError):
    """The engine is shut down (or was, before the request was done): another worker can serve the request."""

    transient = True


class EngineRefused(EngineClosed):
    """Who serves the model refuses us whatever we ask (the key, the model's name): somebody must mend the settings."""


class EngineUnavailable(EngineError):
    """Who serves the model can't be reached, or can't serve now. `retry_after_s` is when it says to come again."""

    transient = True

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PromptTooLong(EngineError):
    """The prompt leaves no room for an answer in the model's context."""


class GenerationFailed(EngineError):
    """This request, and only this one, broke the model (for example logits that are not finite)."""


@runtime_checkable
class Watched(Protocol):
    """An engine that computes in this process, and can tell whether it gets on. Asked from any thread."""

    def stalled_s(self) -> float:
        """For how many seconds it has been in the step that it is in; 0.0 when it has nothing to do."""
        ...

    def short_of_memory_s(self) -> float:
        """Seconds from the first to the last of the steps that failed in a row for want of memory; 0.0 for none."""
        ...


class Engine(Protocol):
    """Serves generation requests, many at a time."""

    @property
    def info(self) -> EngineInfo:
        """The model behind this engine."""
        ...

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        """Queue a request, without blocking and from any thread; `on_text` is given the text as it comes.

        Never raises: every failure is an `EngineError` in the future. Cancelling the future drops the request, also in
        the middle of its generation.
        """
        ...

    def close(self) -> None:
        """Fail what waits and what runs with `EngineClosed`, free the model; calling it again does nothing."""
        ...


async def generate(engine: Engine, request: GenerationRequest) -> Completion:
    """Await one completion without blocking the event loop; cancelling the awaiting task cancels the request."""
    return await asyncio.wrap_future(engine.submit(request))


async def stream(engine: Engine, request: GenerationRequest) -> AsyncIterator[str]:
    """The text piece by piece, as it is written. Raises EngineError; leaving the loop early cancels the request."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def pass_on(piece: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    future = engine.submit(request, pass_on)
    future.add_done_callback(lambda _: pass_on(None))
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
        await asyncio.wrap_future(future)  # raises what went wrong
    finally:
        future.cancel()
