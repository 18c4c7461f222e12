"""A text handed on while it is written: the pieces joined are the text, and nothing is handed on that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.jobs import Job, settled
from model.loading import LoadedModel
from model.protocol import ChatPrompt, Completion, EngineClosed, GenerationRequest, PromptTooLong, stream
from model.sampling import Choice
from model.tokenizer import TextTokenizer
from tests.support.tiny_engine import PATIENCE_S, Dictated, Gate, request, result, running
from tests.support.tiny_model import make_tokenizer

_TOKENIZER = make_tokenizer()
TOKENIZER = TextTokenizer(_TOKENIZER, _TOKENIZER)
STOPS = st.lists(st.text("ab水🙂\n", min_size=1, max_size=5), max_size=3)


def written(text: str, stop: Sequence[str] = (), most: int = 1000) -> tuple[Completion, list[str]]:
    """What a job makes of a model that says `text`, and the pieces that it hands on."""
    pieces: list[str] = []
    job = Job(GenerationRequest(ChatPrompt("", ""), most, stop=tuple(stop)), 0.0, pieces.append)
    for token in [*TOKENIZER.encode(text), -1]:
        if (end := job.accept(Choice(token, -0.5), frozenset({-1}), TOKENIZER.decode)) is not None:
            job.finish(*end, now=1.0)
            break
    return job.future.result(0), pieces


@given(st.text("ab水🙂\n", max_size=20) | st.text(max_size=20), STOPS, st.integers(1, 40))
def test_pieces_joined_are_the_text(text: str, stop: list[str], most: int) -> None:
    done, pieces = written(text, stop, most)
    assert "".join(pieces) == done.text
    assert all(pieces)
    assert not any(one in done.text for one in stop)
    if done.finish_reason == "stop":
        assert done.text == text[: len(done.text)]
        rest = text[len(done.text) :]
        assert rest == "" or any(rest.startswith(one) for one in stop)


@given(st.binary(max_size=12), STOPS, st.integers(1, 12))
def test_pieces_of_broken_characters_joined_are_the_text(data: bytes, stop: list[str], most: int) -> None:
    """A model may say any bytes, not only those of whole characters."""
    spelled = {bytes_: number for number in range(256) for bytes_ in [_token_bytes(number)] if bytes_ is not None}
    pieces: list[str] = []
    job = Job(GenerationRequest(ChatPrompt("", ""), most, stop=tuple(stop)), 0.0, pieces.append)
    for token in [*(spelled[byte] for byte in data), -1]:
        if (end := job.accept(Choice(token, -0.5), frozenset({-1}), TOKENIZER.decode)) is not None:
            job.finish(*end, now=1.0)
            break
    assert "".join(pieces) == job.future.result(0).text


def _token_bytes(number: int) -> int | None:
    """The byte that a token of one byte stands for, in the spelling of byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling = {chr(byte): byte for byte in printable}
    spelling |= {chr(256 + place): byte for place, byte in enumerate(sorted({*range(256)} - {*printable}))}
    token = _TOKENIZER.id_to_token(number)
    return spelling[token] if token is not None and len(token) == 1 else None


@given(st.text("ab水\ufffd", max_size=12), st.lists(st.text("ab水", min_size=1, max_size=4), max_size=3))
def test_settled_is_all_but_what_may_yet_be_a_stop_string(text: str, stop: list[str]) -> None:
    end = settled(text, stop)
    sure = text.rstrip("\ufffd")
    held = [
        start
        for start in range(len(sure))
        if any(len(one) >= len(sure) - start and one.startswith(sure[start:]) for one in stop)
    ]
    assert end == min(held, default=len(sure))


@pytest.mark.parametrize("text", ["价格：二十五元。可以机洗吗？", "ok 🙂🙃 ok", "naïve – 24 °C"])
def test_character_comes_whole(text: str) -> None:
    assert len(TOKENIZER.encode(text)) > len(text) / 2
    done, pieces = written(text)
    assert done.text == "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) > 3


@pytest.mark.parametrize("stop", ["\n\nQuestion:", "水壶", "🙃", "tle of st"])
def test_stop_string_of_several_tokens_is_never_handed_on(stop: str) -> None:
    text = "A bottle of steel 水 🙂\n\nQuest 水壶 🙃 \n\nQuestion: is it"
    assert len(TOKENIZER.encode(stop)) > 1
    done, pieces = written(text, (stop, "never there"))
    assert "".join(pieces) == done.text == text[: text.index(stop)]


# ---- through the engine


def saying(tiny: LoadedModel, text: str) -> LoadedModel:
    """An engine's model that answers the default request with `text`, over and over."""
    prompt_tokens = len(tiny.chat.encode(request().prompt))
    return replace(tiny, model=Dictated(tiny.model, prompt_tokens, tiny.tokenizer.encode(text) * 40))


@pytest.mark.parametrize("guesses", [0, 4])
def test_engine_hands_on_what_the_completion_says(tiny: LoadedModel, guesses: int) -> None:
    for stop in ((), ("壶是", "zz"), ("l bottle 🙂 不",)):
        with running(saying(tiny, "a steel bottle 🙂 不锈钢水壶是"), guesses=guesses) as (engine, _):
            pieces: list[str] = []
            done = result(engine.submit(request(max_new_tokens=90, stop=stop), pieces.append))
        assert "".join(pieces) == done.text != ""
        assert done.finish_reason == ("stop" if stop else "length")


def test_pieces_come_while_the_rest_is_written(tiny: LoadedModel) -> None:
    with running(saying(tiny, "a lamp "), guesses=0) as (engine, watched):
        gate, pieces = Gate(), list[str]()

        def listen(piece: str) -> None:
            pieces.append(piece)
            watched.before = gate

        future = engine.submit(request(max_new_tokens=20), listen)
        assert gate.reached.wait(PATIENCE_S)
        assert len(pieces) == 1
        assert not future.done()
        gate.open.set()
        assert result(future).text == "".join(pieces)


def test_cancelling_ends_the_pieces(tiny: LoadedModel) -> None:
    with running(saying(tiny, "a lamp "), guesses=0) as (engine, watched):
        watched.before = gate = Gate()  # until there is a future to cancel
        pieces: list[str] = []

        def listen(piece: str) -> None:
            pieces.append(piece)
            if len(pieces) == 3:
                assert future.cancel()

        future = engine.submit(request(max_new_tokens=100), listen)
        gate.open.set()
        with pytest.raises(CancelledError):
            result(future)
        assert result(engine.submit(request())).text
        assert len(pieces) == 3


def test_listener_that_raises_loses_its_pieces_and_nothing_else(tiny: LoadedModel) -> None:
    heard: list[str] = []

    def broken(piece: str) -> None:
        heard.append(piece)
        raise KeyError(piece)

    with running(tiny) as (engine, _):
        futures = [engine.submit(request(), listen) for listen in (broken, None)]
        assert result(futures[0]).text == result(futures[1]).text
        assert len(heard) == 1


async def test_stream_gives_the_text_and_raises_what_went_wrong(tiny: LoadedModel) -> None:
    with running(saying(tiny, "a lamp 🙂 "), slots=1) as (engine, watched):
        expected = result(engine.submit(request(max_new_tokens=30))).text
        pieces = [piece async for piece in stream(engine, request(max_new_tokens=30))]
        assert "".join(pieces) == expected
        assert len(pieces) > 3
        with pytest.raises(PromptTooLong):
            [piece async for piece in stream(engine, request("bottle " * 300))]
        watched.before = gate = Gate()
        pending = asyncio.create_task(_all(stream(engine, request())))
        assert await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
        engine._waiting.close("closed")
        gate.open.set()
        with pytest.raises(EngineClosed):
            await asyncio.wait_for(pending, PATIENCE_S)


async def _all(pieces: AsyncIterator[str]) -> list[str]:
    return [piece async for piece in pieces]


async def test_leaving_a_stream_cancels_its_request(tiny: LoadedModel) -> None:
    with running(saying(tiny, "a lamp "), slots=1, guesses=0) as (engine, watched):
        gate = Gate()
        pieces = stream(engine, request(max_new_tokens=200))
        assert await anext(pieces)
        watched.before = gate
        assert await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
        await pieces.aclose()
        steps: list[int] = []
        watched.before = lambda tokens: steps.append(1)
        gate.open.set()
        following = await asyncio.wait_for(asyncio.wrap_future(engine.submit(request("next"))), PATIENCE_S)
        assert following.completion_tokens == 12
        assert len(steps) < 30
