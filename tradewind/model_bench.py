"""How fast an engine serves the two tasks' requests, whatever stands behind the seam."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from itertools import islice

from model.protocol import Completion, Engine, GenerationRequest

#: A level with fewer requests at once is repeated, so that its percentiles rest on as many.
FEWEST_REQUESTS = 4

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Level:
    """What some requests at once took. Prompt tokens count in full, also those that a prefix cache saved.

    Attributes:
        at_once: requests that were submitted together.
        requests: requests in all.
        prompt_tokens, new_tokens: read and written, in all.
        seconds: from the first request to the last text.
        first_token_p50_ms, first_token_p95_ms: from submitting a request to its first token, the queue included.
        prefill_tok_s: prompt tokens by the time in which any prompt was read.
        decode_tok_s: tokens after each first one by the time in which texts were written and no prompt was read;
            None where there was no such time, as with a server that reads and writes at once.
        tok_s: new tokens by all of the time.
    """

    at_once: int
    requests: int
    prompt_tokens: int
    new_tokens: int
    seconds: float
    first_token_p50_ms: float
    first_token_p95_ms: float
    prefill_tok_s: float | None
    decode_tok_s: float | None
    tok_s: float


def warm_up(engine: Engine, requests: Sequence[GenerationRequest]) -> None:
    """Serve one request of each task, so that what a task's prompts share has been read. Raises EngineError."""
    tasks = {request.prompt.system: request for request in requests}
    for future in [engine.submit(replace(request, max_new_tokens=2)) for request in tasks.values()]:
        future.result()


def measure(
    engine: Engine, requests: Iterator[GenerationRequest], at_once: int, on_done: Callable[[], None] = lambda: None
) -> Level:
    """Serve the next `at_once` requests, again until there were `FEWEST_REQUESTS`; `on_done` is called after each.

    Raises EngineError for the first that fails.
    """
    served: list[tuple[float, Completion]] = []  # when it was submitted, and what came
    started = time.monotonic()
    for _ in range(total(at_once) // at_once):
        futures: dict[Future[Completion], float] = {}
        for request in islice(requests, at_once):
            submitted = time.monotonic()  # before it is: the engine may be quicker than the next line
            futures[engine.submit(request)] = submitted
        for future in as_completed(futures):
            served.append((futures[future], future.result()))
            on_done()
    return summary(served, at_once, time.monotonic() - started)


def total(at_once: int) -> int:
    """How many requests a level makes."""
    return math.ceil(FEWEST_REQUESTS / at_once) * at_once


def summary(served: Sequence[tuple[float, Completion]], at_once: int, seconds: float) -> Level:
    """The figures of completions, each with when it was submitted, in seconds of any clock."""
    reading: list[Interval] = []
    writing: list[Interval] = []
    for submitted, done in served:
        joined = submitted + done.queued_ms / 1000
        first = joined + done.prefill_ms / 1000
        reading.append((joined, first))
        writing.append((first, first + done.decode_ms / 1000))
    first_ms = sorted(done.queued_ms + done.prefill_ms for _, done in served)
    new_tokens = sum(done.completion_tokens for _, done in served)
    prompt_tokens = sum(done.prompt_tokens for _, done in served)
    later_tokens = sum(max(0, done.completion_tokens - 1) for _, done in served)
    reading_s = covered(reading)
    return Level(
        at_once=at_once,
        requests=len(served),
        prompt_tokens=prompt_tokens,
        new_tokens=new_tokens,
        seconds=seconds,
        first_token_p50_ms=percentile(first_ms, 0.5),
        first_token_p95_ms=percentile(first_ms, 0.95),
        prefill_tok_s=_rate(prompt_tokens, reading_s),
        decode_tok_s=_rate(later_tokens, covered([*reading, *writing]) - reading_s),
        tok_s=new_tokens / seconds,
    )


def covered(intervals: Iterable[Interval]) -> float:
    """The length of what the intervals cover together, overlaps counted once."""
    length, reached = 0.0, -math.inf
    for start, end in sorted(intervals):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def percentile(ordered: Sequence[float], share: float) -> float:
    """The least of the ordered values that at least this share (0..1) does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _rate(tokens: int, seconds: float) -> float | None:
    return tokens / seconds if tokens and seconds > 1e-6 else None
