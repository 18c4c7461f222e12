from __future__ import annotations

from dataclasses import replace
from itertools import repeat

import pytest

from model.protocol import ChatPrompt, EngineOverloaded, GenerationRequest, Priority
from tests.support.scripted_engine import ScriptedEngine, completion
from tradewind.demo.requests import task_requests
from tradewind.model_bench import FEWEST_REQUESTS, covered, measure, percentile, summary, warm_up

REQUEST = GenerationRequest(ChatPrompt("s", "u"), 8)


@pytest.mark.parametrize(
    ("intervals", "length"),
    [([], 0), ([(1, 3)], 2), ([(1, 3), (5, 6)], 3), ([(5, 6), (1, 3), (2, 5.5)], 5), ([(0, 9), (1, 2), (3, 4)], 9)],
)
def test_what_overlaps_counts_once(intervals: list[tuple[float, float]], length: float) -> None:
    assert covered(intervals) == length


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(value) for value in range(1, 21)]
    assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [10, 19, 20]
    assert percentile([7.0], 0.95) == 7


def test_reading_and_writing_are_told_apart() -> None:
    """Two at once: the second is read while the first waits; from 0.3 s to 1.3 s both are written."""
    first = replace(completion("one two three"), prompt_tokens=100, queued_ms=0.0, prefill_ms=100.0, decode_ms=1200.0)
    second = replace(first, queued_ms=100.0, prefill_ms=200.0, decode_ms=1000.0)
    level = summary([(5.0, first), (5.0, second)], at_once=2, seconds=2.0)
    assert (level.requests, level.prompt_tokens, level.new_tokens, level.tok_s) == (2, 200, 6, 3.0)
    assert level.first_token_p50_ms == 100
    assert level.first_token_p95_ms == 300
    assert level.prefill_tok_s == pytest.approx(200 / 0.3)
    assert level.decode_tok_s == pytest.approx(4 / 1.0)


def test_no_time_of_its_own_gives_no_rate() -> None:
    done = replace(completion("one two"), queued_ms=0.0, prefill_ms=0.0, decode_ms=0.0)
    level = summary([(0.0, done)], at_once=1, seconds=1.0)
    assert (level.prefill_tok_s, level.decode_tok_s) == (None, None)


@pytest.mark.parametrize("at_once", [1, 3, 6])
def test_few_at_once_are_repeated(at_once: int) -> None:
    engine, seen = ScriptedEngine(*["a b"] * 6), iter(range(100))
    level = measure(engine, repeat(REQUEST), at_once, lambda: next(seen) and None)
    assert level.requests == len(engine.requests) == next(seen) >= FEWEST_REQUESTS
    assert level.requests % at_once == 0


def test_a_request_that_fails_ends_it() -> None:
    with pytest.raises(EngineOverloaded):
        measure(ScriptedEngine("a", EngineOverloaded("full"), "c", "d"), repeat(REQUEST), 4)


@pytest.fixture(scope="module")
def requests() -> list[GenerationRequest]:
    return task_requests()


def test_requests_are_of_both_tasks_and_all_different(requests: list[GenerationRequest]) -> None:
    assert len({request.prompt for request in requests}) == len(requests) >= 32
    assert [request.priority for request in requests[:4]] == [Priority.ANSWER, Priority.DESCRIPTION] * 2


def test_each_task_is_warmed_up_once(requests: list[GenerationRequest]) -> None:
    engine = ScriptedEngine("a", "b")
    warm_up(engine, requests)
    assert {request.prompt.system for request in engine.requests} == {request.prompt.system for request in requests}
