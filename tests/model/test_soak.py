"""2,000 requests of every kind from several threads: each ends in a text or a reason, and nothing is left over."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections import Counter, deque
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from model.engine import LocalEngine
from model.loading import resident_mb
from model.protocol import (
    ChatPrompt,
    Completion,
    EngineDeadline,
    EngineOverloaded,
    GenerationRequest,
    Priority,
    PromptTooLong,
)
from tests.support.tiny_engine import PATIENCE_S, SYSTEM, load_as, request, result, running

REQUESTS, FIRST, CALLERS, WINDOW = 2000, 200, 4, 12
SYSTEMS = ["", "Be brief.", *(f"{n}. {SYSTEM}" for n in range(6))]
KNOWN = {"Completion", "Cancelled", EngineDeadline.__name__, EngineOverloaded.__name__, PromptTooLong.__name__}

# What 1,800 requests may add to resident memory. A request that left its keys and values behind (about 60 tokens x 3
# layers x 2 x 2 heads x 16 numbers, 46 KB in fp32) would come to 80 MB; what the allocators keep for later is less.
BOUND_MB = 24.0


class Caller:
    """One thread's requests, a few at a time, and how they ended."""

    def __init__(self, engine: LocalEngine, seed: int) -> None:
        self.engine, self.dice = engine, random.Random(seed)
        self.pending: deque[tuple[Future[Completion], list[str] | None, GenerationRequest]] = deque()
        self.ends: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, count: int) -> None:
        for _ in range(count):
            self.submit(self.draw())
            if len(self.pending) >= WINDOW:
                self.take()
        while self.pending:
            self.take()

    def draw(self) -> GenerationRequest:
        dice = self.dice
        too_long = dice.random() < 0.03
        return GenerationRequest(
            ChatPrompt(dice.choice(SYSTEMS), "lamp " * (300 if too_long else dice.choice((1, 2, 5, 12, 40)))),
            max_new_tokens=dice.choice((1, 2, 6, 12, 25)),
            priority=dice.choice((Priority.ANSWER, Priority.DESCRIPTION)),
            temperature=dice.choice((0.0, 0.0, 0.0, 1.0)),
            stop=dice.choice(((), (), ("e",), ("lamp", "\n"))),
            deadline_s=dice.choice((None, None, None, None, PATIENCE_S, 0.01, 1e-6)),
        )

    def submit(self, asked: GenerationRequest) -> None:
        pieces: list[str] | None = [] if self.dice.random() < 0.3 else None
        leaves_after = self.dice.choice((0, 1, 3, 1000, 1000, 1000, 1000, 1000))  # pieces, or at once
        future: Future[Completion] = Future()

        def listen(piece: str) -> None:
            assert pieces is not None
            pieces.append(piece)
            if len(pieces) == leaves_after:
                future.cancel()

        future = self.engine.submit(asked, listen if pieces is not None else None)
        if leaves_after == 0:
            future.cancel()
        self.pending.append((future, pieces, asked))

    def take(self) -> None:
        """Wait for the oldest; a caller that was refused asks again, or takes it."""
        future, pieces, asked = self.pending.popleft()
        try:
            error = future.exception(PATIENCE_S)
        except CancelledError:
            self.ends["Cancelled"] += 1
            return
        if error is not None:
            self.ends[type(error).__name__] += 1
            if not str(error):
                self.wrong.append(f"no reason: {error!r}")
            if isinstance(error, EngineOverloaded) and self.dice.random() < 0.5:
                self.ends["again"] += 1
                self.submit(asked)
            return
        done = future.result()
        self.ends["Completion"] += 1
        if pieces is not None and "".join(pieces) != done.text:
            self.wrong.append(f"{pieces} make another text than {done.text!r}")
        if done.completion_tokens > asked.max_new_tokens or any(stop in done.text for stop in asked.stop):
            self.wrong.append(f"more than was asked for: {done}")


def from_all_sides(engine: LocalEngine, count: int, seed: int) -> Counter[str]:
    callers = [Caller(engine, seed + number) for number in range(CALLERS)]
    threads = [threading.Thread(target=caller.run, args=(count // CALLERS,), daemon=True) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE_S)
        assert not thread.is_alive()
    assert [wrong for caller in callers for wrong in caller.wrong] == []
    return sum((caller.ends for caller in callers), Counter())


def settle(engine: LocalEngine) -> None:
    """Wait until those who were cancelled in the middle have left."""
    deadline = time.monotonic() + PATIENCE_S
    while engine.load() != (0, 0):
        assert time.monotonic() < deadline, f"{engine.load()} wait and run, though every future is done"
    assert len(engine._active) == 0
    gc.collect()


@pytest.mark.parametrize("number_format", ["fp32", "int8"])
def test_nothing_is_left_of_two_thousand_requests(number_format: str, tiny_folder: Path) -> None:
    loaded = load_as(number_format, tiny_folder)
    with running(loaded, slots=8, answer_slots=2, queue_size=16, prefixes=3, step_tokens=24) as (engine, _):
        before = result(engine.submit(request(max_new_tokens=40)))
        ends = from_all_sides(engine, FIRST, seed=1)
        settle(engine)
        memory = resident_mb()
        ends += from_all_sides(engine, REQUESTS - FIRST, seed=100)
        settle(engine)
        grown = resident_mb() - memory
        after = result(engine.submit(request(max_new_tokens=40)))
    asked_again = ends.pop("again")
    print(f"{number_format}: {dict(ends)}, of these asked again {asked_again}; {grown:.1f} MB more")
    assert sum(ends.values()) == REQUESTS + asked_again
    assert set(ends) == KNOWN
    assert grown < BOUND_MB
    assert after.text == before.text
    assert after.token_logprobs == pytest.approx(before.token_logprobs, abs=1e-4)
