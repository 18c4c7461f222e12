from __future__ import annotations

import asyncio

import pytest

from model.evaluation.runs import Listening, run_all
from model.protocol import ChatPrompt, EngineClosed, GenerationFailed, GenerationRequest, generate
from tests.support.scripted_engine import ScriptedEngine

REQUEST = GenerationRequest(ChatPrompt("s", "u"), 8)


def test_results_stand_in_the_order_of_the_rows_and_few_run_at_once() -> None:
    running: list[int] = []
    most = 0
    done: list[None] = []

    async def work(number: int, row: str) -> str:
        nonlocal most
        running.append(number)
        most = max(most, len(running))
        for _ in range(5 - number):
            await asyncio.sleep(0)
        running.remove(number)
        return f"{number}{row}"

    assert run_all(list("abcde"), work, lambda: done.append(None), at_once=2) == ["0a", "1b", "2c", "3d", "4e"]
    assert most == 2
    assert len(done) == 5


def test_what_one_row_raises_is_raised() -> None:
    async def work(number: int, row: int) -> int:
        raise EngineClosed("closed")

    with pytest.raises(EngineClosed):
        run_all([1, 2], work)


async def test_a_listener_keeps_what_was_asked_and_said() -> None:
    engine = Listening(ScriptedEngine("It folds.", GenerationFailed("broken")))
    await generate(engine, REQUEST)
    with pytest.raises(GenerationFailed):
        await generate(engine, REQUEST)
    assert engine.requests == [REQUEST, REQUEST]
    assert [completion.text for completion in engine.completions] == ["It folds."]


async def test_closing_a_listener_leaves_the_engine_open() -> None:
    engine = ScriptedEngine()
    Listening(engine).close()
    assert not engine.closed
