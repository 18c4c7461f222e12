"""The engine that stands for a server, against one on a real port that behaves, misbehaves, or runs our model."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from model.engine import EngineSettings, LocalEngine
from model.protocol import (
    ChatPrompt,
    Completion,
    EngineClosed,
    EngineDeadline,
    EngineError,
    EngineOverloaded,
    EngineRefused,
    EngineUnavailable,
    GenerationFailed,
    GenerationRequest,
    Priority,
    PromptTooLong,
    generate,
    stream,
)
from model.remote import RemoteEngine
from model.remote_server import RemoteSettings, probe
from streams.delivery import Verdict, verdict
from tests.support.openai_server import (
    DONE,
    PATIENCE_S,
    Behaviour,
    Gate,
    OpenAIServer,
    Visit,
    chunk,
    drops,
    event,
    hangs,
    refuses,
    says,
    sends,
    serving,
    usage,
    without,
)

PRIVATE = "zebra-4711"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


Pause = Callable[[float], Awaitable[None]]


class Pauses:
    """Pauses between tries that are written down and not made."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@contextmanager
def running(server: OpenAIServer, pauses: Pause | None = None, **settings: Any) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(RemoteSettings(server.url, "tiny", **settings), sleep=pauses or Pauses(), random=Random(7))
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def engine_with(*behaviours: Behaviour, **settings: Any) -> Iterator[tuple[RemoteEngine, OpenAIServer]]:
    with serving(*behaviours) as server, running(server, **settings) as engine:
        yield engine, server


def request(user: str = PRIVATE, max_new_tokens: int = 12, **more: Any) -> GenerationRequest:
    return GenerationRequest(ChatPrompt("Be brief.", user), max_new_tokens, **more)


def result(future: Future[Completion]) -> Completion:
    return future.result(PATIENCE_S)


def failure(future: Future[Completion]) -> EngineError:
    error = future.exception(PATIENCE_S)
    assert isinstance(error, EngineError)
    assert PRIVATE not in str(error)
    assert "\n" not in str(error)
    return error


# ---- what a request gets, and what the server is sent


def test_a_completion_tells_what_it_took() -> None:
    with engine_with(says("It", " holds", " 1.7 l.", logprobs=[-0.1, -0.2, -0.6])) as (engine, _):
        done = result(engine.submit(request()))
    assert (done.text, done.finish_reason) == ("It holds 1.7 l.", "stop")
    assert (done.prompt_tokens, done.completion_tokens) == (10, 3)
    assert done.token_logprobs == (-0.1, -0.2, -0.6)
    assert done.mean_logprob == pytest.approx(-0.3)
    assert min(done.queued_ms, done.prefill_ms, done.decode_ms) >= 0


def test_a_text_that_is_full_says_so() -> None:
    with engine_with(says("It holds", finish="length")) as (engine, _):
        assert result(engine.submit(request())).finish_reason == "length"


def test_the_request_reaches_the_server_whole() -> None:
    with engine_with(says("Yes.")) as (engine, server):
        result(engine.submit(request("Is it?", 7, temperature=0.7, top_p=0.9, seed=5, stop=("\n", "Question:"))))
        result(engine.submit(GenerationRequest(ChatPrompt("", "Is it?"), 7, seed=5)))
    sampled, greedy = server.bodies
    assert sampled == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it?"}],
        "max_tokens": 7,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 5,
        "stop": ["\n", "Question:"],
        "logprobs": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert greedy["temperature"] == 0
    assert not {"seed", "top_p", "stop"} & set(greedy)
    assert [message["role"] for message in greedy["messages"]] == ["user"]


async def test_the_pieces_joined_are_the_text() -> None:
    with engine_with(says("Es ", "hält ", "1,7 l – ", "不锈钢", ".")) as (engine, _):
        pieces = [piece async for piece in stream(engine, request())]
        assert pieces == ["Es ", "hält ", "1,7 l – ", "不锈钢", "."]
        assert "".join(pieces) == (await generate(engine, request())).text


def test_the_end_of_a_text_is_ours_to_see_to() -> None:
    """A server may stop elsewhere than at our stop string, cut it in two, or send it along."""
    pieces: list[str] = []
    with engine_with(says("Yes. Quest", "ions are Ques", "tion: what", " else? Question:")) as (engine, _):
        done = result(engine.submit(request(stop=("Question:",)), pieces.append))
    assert done.text == "Yes. Questions are "
    assert "".join(pieces) == done.text
    assert done.finish_reason == "stop"
    assert len(done.token_logprobs) == 3


def test_what_looked_like_a_stop_string_is_not_lost() -> None:
    with engine_with(says("Any Quest")) as (engine, _):
        assert result(engine.submit(request(stop=("Question:",)))).text == "Any Quest"


def test_comments_and_windows_line_ends_are_read_over() -> None:
    lines = b": waiting\r\n\r\nevent: x\r\n" + chunk("Yes.").replace(b"\n", b"\r\n") + chunk(finish="stop")
    with engine_with(sends(lines[:30], lines[30:], usage(3, 1), DONE)) as (engine, _):
        assert result(engine.submit(request())).text == "Yes."


# ---- servers that can do less


def test_a_server_that_refuses_logprobs_is_asked_without_them_and_not_again() -> None:
    with engine_with(without("logprobs", says("Yes."))) as (engine, server), capture_logs() as logs:
        first, second = (result(engine.submit(request())) for _ in range(2))
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]
    assert first.text == second.text == "Yes."
    assert first.token_logprobs == ()
    assert first.mean_logprob == -math.inf, "an unknown probability must not pass for a sure one"
    assert [entry["fields"] for entry in logs if entry["event"] == "engine.fields_refused"] == [["logprobs"]]


def test_each_field_that_is_refused_is_left_out() -> None:
    picky = without("logprobs", without("stream_options", says("Yes.")))
    with engine_with(picky) as (engine, server):
        result(engine.submit(request()))
        result(engine.submit(request()))
    assert len(server.bodies) == 4
    assert not {"logprobs", "stream_options"} & set(server.bodies[-1])


def test_a_bad_request_is_not_blamed_on_the_fields() -> None:
    with engine_with(refuses(400, {"message": PRIVATE}), refuses(400, {}), says("Yes.")) as (engine, server):
        assert type(failure(engine.submit(request()))) is GenerationFailed
        result(engine.submit(request()))
    assert ["logprobs" in body for body in server.bodies] == [True, False, True]


# ---- errors that pass


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_a_passing_error_is_tried_again(status: int) -> None:
    pauses = Pauses()
    with engine_with(refuses(status), refuses(status), says("Yes."), pauses=pauses) as (engine, _):
        assert result(engine.submit(request())).text == "Yes."
    assert 0.25 <= pauses.seconds[0] <= 0.5 <= pauses.seconds[1] <= 1.0


def test_retry_after_is_honoured() -> None:
    pauses = Pauses()
    with engine_with(refuses(429, **{"Retry-After": "7"}), says("Yes."), pauses=pauses) as (engine, _):
        assert result(engine.submit(request())).text == "Yes."
    assert pauses.seconds == [7.0]


def test_a_pause_beyond_the_deadline_is_not_made() -> None:
    pauses = Pauses()
    with engine_with(refuses(429, {"code": "rate_limited"}, **{"Retry-After": "999"}), pauses=pauses) as (
        engine,
        server,
    ):
        error = failure(engine.submit(request(deadline_s=300.0)))
    assert isinstance(error, EngineUnavailable)
    assert "429 rate_limited" in str(error)
    assert (pauses.seconds, len(server.bodies)) == ([], 1)


def test_a_server_that_stays_away_is_a_passing_error_in_the_end() -> None:
    with engine_with(refuses(503, {"message": PRIVATE, "code": "overloaded"}), retries=3) as (engine, server):
        error = failure(engine.submit(request()))
    assert isinstance(error, EngineUnavailable)
    assert verdict(error) is Verdict.RETRY
    assert "503 overloaded" in str(error)
    assert len(server.bodies) == 4


def test_a_server_that_goes_away_is_named() -> None:
    with serving(says("Yes.")) as server, running(server, retries=1) as engine:
        result(engine.submit(request()))
        url = server.url
        server.then(drops())
        error = failure(engine.submit(request()))
    assert isinstance(error, EngineUnavailable)
    assert url in str(error)


def test_a_text_that_breaks_off_is_asked_for_again() -> None:
    half = chunk("It ho")
    with engine_with(drops(half), sends(half), says("It holds 1.7 l.")) as (engine, server):
        assert result(engine.submit(request())).text == "It holds 1.7 l."
    assert len(server.bodies) == 3


def test_a_text_that_was_handed_on_in_part_is_not_begun_again() -> None:
    pieces: list[str] = []
    with engine_with(drops(chunk("It ho")), says("Yes.")) as (engine, server):
        error = failure(engine.submit(request(), pieces.append))
    assert isinstance(error, EngineUnavailable)
    assert pieces == ["It ho"]
    assert len(server.bodies) == 1


def test_an_error_within_a_stream_is_what_it_says() -> None:
    away = event({"error": {"message": PRIVATE, "code": 503}})
    wrong = event({"error": {"message": PRIVATE, "code": 400, "type": "BadRequestError"}})
    with engine_with(sends(chunk("It"), away), says("Yes."), sends(chunk("It"), wrong)) as (engine, _):
        assert result(engine.submit(request())).text == "Yes."
        assert "BadRequestError" in str(failure(engine.submit(request())))


# ---- errors that stay


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (refuses(401, {"message": PRIVATE}), EngineRefused, "TRADEWIND_MODEL_API_KEY"),
        (refuses(403, {"message": PRIVATE}), GenerationFailed, "TRADEWIND_MODEL_API_KEY"),
        (refuses(404, {"code": "model_not_found"}), EngineRefused, "TRADEWIND_MODEL"),
        (refuses(301), EngineRefused, "TRADEWIND_MODEL_URL"),
        (refuses(400, {"message": "maximum context length is 512"}), PromptTooLong, "context"),
        (refuses(400, {"code": "context_length_exceeded"}), PromptTooLong, "context_length_exceeded"),
        (refuses(413), GenerationFailed, "413"),
        (sends(event(PRIVATE.encode())), GenerationFailed, "no JSON object"),
        (sends(event([PRIVATE])), GenerationFailed, "no JSON object"),
        (sends(chunk("Yes.", logprob=float("nan"))), GenerationFailed, "no JSON object"),
        (sends(event(b"[" * 50_000)), GenerationFailed, "no JSON object"),
        (sends(chunk("\ud83d")), GenerationFailed, "not as the API says"),
        (sends(event({"choices": PRIVATE})), GenerationFailed, "not as the API says"),
        (sends(event({"choices": [{"delta": {"content": [PRIVATE]}}]})), GenerationFailed, "not as the API says"),
        (sends(event({"choices": [], "usage": {}}), DONE), GenerationFailed, "without saying why"),
        (sends(chunk(PRIVATE, finish="content_filter")), GenerationFailed, "content_filter"),
        (sends(chunk(PRIVATE, finish=f"{PRIVATE}?")), GenerationFailed, "something unknown"),
        (sends(b"data: " + b"x" * 2**20), GenerationFailed, "could not be read"),
    ],
)
def test_an_error_that_stays_is_told_at_once(behaviour: Behaviour, kind: type[EngineError], words: str) -> None:
    pauses = Pauses()
    with engine_with(behaviour, pauses=pauses) as (engine, _), capture_logs() as logs:
        error = failure(engine.submit(request()))
        assert type(error) is kind
        assert words in str(error)
    assert engine.load() == (0, 0)
    assert pauses.seconds == []
    assert PRIVATE not in str(logs)


def test_an_answer_that_is_no_stream_is_refused() -> None:
    async def plain(visit: Visit) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"content": PRIVATE}}]})

    with engine_with(plain) as (engine, _):
        assert "text/event-stream" in str(failure(engine.submit(request())))


def test_a_worker_stops_when_its_key_is_refused() -> None:
    with engine_with(refuses(401)) as (engine, _):
        assert verdict(failure(engine.submit(request()))) is Verdict.STOP


def test_a_failed_request_harms_no_other() -> None:
    with engine_with(sends(event(b"{")), says("Yes.")) as (engine, _):
        failure(engine.submit(request()))
        assert result(engine.submit(request())).text == "Yes."


# ---- waiting, deadlines, cancelling, closing


def test_the_server_gets_no_more_than_its_share_at_once() -> None:
    gate = Gate(says("Yes."))
    with engine_with(gate, concurrency=3) as (engine, server):
        futures = [engine.submit(request()) for _ in range(10)]
        server.wait_for(3)
        assert engine.load() == (7, 3)
        gate.open()
        assert [result(future).text for future in futures] == ["Yes."] * 10
        assert server.most_at_once == 3
    assert len(server.bodies) == 10


def test_answers_overtake_descriptions_and_else_it_is_first_come_first_served() -> None:
    gate = Gate(says("Yes."))
    with engine_with(gate, concurrency=1) as (engine, server):
        futures = [engine.submit(request("busy"))]
        server.wait_for(1)
        for name, priority in (("d1", 1), ("d2", 1), ("a1", 0), ("a2", 0)):
            futures.append(engine.submit(request(name, priority=Priority(priority))))
        gate.open()
        for future in futures:
            result(future)
    assert server.asked() == ["busy", "a1", "a2", "d1", "d2"]


def test_a_full_queue_is_told_at_once() -> None:
    gate = Gate(says("Yes."))
    with engine_with(gate, concurrency=1, queue_size=2) as (engine, server):
        futures = [engine.submit(request()) for _ in range(3)]
        error = failure(engine.submit(request()))
        assert isinstance(error, EngineOverloaded)
        futures[2].cancel()  # makes room
        futures[2] = engine.submit(request())
        gate.open()
        assert [result(future).text for future in futures] == ["Yes."] * 3
    assert len(server.bodies) == 3


def test_the_deadline_ends_a_text_that_does_not_come() -> None:
    with engine_with(hangs) as (engine, server):
        error = failure(engine.submit(request(deadline_s=0.05)))
        assert isinstance(error, EngineDeadline)
        assert server.disconnected.wait(PATIENCE_S)


def test_the_deadline_counts_while_a_request_waits() -> None:
    with engine_with(hangs, concurrency=1) as (engine, server):
        running_one = engine.submit(request())
        server.wait_for(1)
        assert isinstance(failure(engine.submit(request(deadline_s=0.05))), EngineDeadline)
        assert not running_one.done()
    assert len(server.bodies) == 1


def test_who_is_late_because_the_server_is_away_is_not_to_blame() -> None:
    """A worker tries a deadline's event a few times only, and one that met an absent server for as long as it takes."""
    reached = threading.Event()

    async def pause(seconds: float) -> None:
        reached.set()
        await asyncio.get_running_loop().create_future()

    with engine_with(refuses(503), pauses=pause, concurrency=1) as (engine, _):
        first = engine.submit(request())
        assert reached.wait(PATIENCE_S)
        assert isinstance(failure(engine.submit(request(deadline_s=0.05))), EngineUnavailable)
        assert not first.done()


def test_a_silent_server_is_given_up() -> None:
    with engine_with(hangs, says("Yes."), read_timeout_s=0.05) as (engine, server):
        assert result(engine.submit(request())).text == "Yes."
        assert server.disconnected.wait(PATIENCE_S)


def test_cancelling_aborts_the_request_at_the_server() -> None:
    with engine_with(hangs, says("Yes."), concurrency=1) as (engine, server):
        future = engine.submit(request())
        server.wait_for(1)
        assert future.cancel()
        assert server.disconnected.wait(PATIENCE_S)
        assert result(engine.submit(request())).text == "Yes."


def test_cancelling_one_that_waits_or_has_only_begun_leaves_the_others() -> None:
    gate = Gate(says("Yes."))
    with engine_with(gate, concurrency=2) as (engine, server):
        futures = [engine.submit(request(str(number))) for number in range(30)]
        cancelled = [future for number, future in enumerate(futures) if number % 3 and future.cancel()]
        gate.open()
        for future in futures:
            if future in cancelled:
                with pytest.raises(CancelledError):
                    future.result(PATIENCE_S)
            else:
                assert result(future).text == "Yes."
    assert len(server.bodies) < 30


async def test_a_consumer_that_leaves_early_cancels() -> None:
    async def endless(visit: Visit) -> web.StreamResponse:
        response = await visit.stream()
        await response.write(chunk("It"))
        await asyncio.get_running_loop().create_future()
        return response

    with engine_with(endless) as (engine, server):
        pieces = stream(engine, request())
        assert await anext(pieces) == "It"
        await pieces.aclose()
        assert await asyncio.to_thread(server.disconnected.wait, PATIENCE_S)


def test_closing_fails_what_waits_and_what_runs() -> None:
    with engine_with(hangs, concurrency=1) as (engine, server):
        futures = [engine.submit(request()) for _ in range(3)]
        server.wait_for(1)
        engine.close()
        futures.append(engine.submit(request()))
        assert {type(failure(future)) for future in futures} == {EngineClosed}
        engine.close()
        assert server.disconnected.wait(PATIENCE_S)


def test_a_callback_may_close_the_engine() -> None:
    with engine_with(says("Yes.")) as (engine, _):
        future = engine.submit(request())
        closed: Future[None] = Future()
        future.add_done_callback(lambda _: (engine.close(), closed.set_result(None)))
        closed.result(PATIENCE_S)
        assert isinstance(failure(engine.submit(request())), EngineClosed)


# ---- at the start


def test_the_engine_knows_what_the_server_tells() -> None:
    with engine_with(says("Yes.")) as (engine, server):
        assert (engine.info.model, engine.info.context_length, engine.info.device) == ("tiny", 512, "remote")
        assert engine.info.checkpoint_sha256 == ""
        assert probe(RemoteSettings(server.url + "/", "tiny")).context_length == 512


def test_a_model_that_is_not_there_is_told_with_those_that_are() -> None:
    with serving(says("Yes."), models=[{"id": "large"}, {"id": "small"}]) as server:
        with pytest.raises(EngineRefused, match=r"'tiny'.*large, small.*TRADEWIND_MODEL "):
            RemoteEngine(RemoteSettings(server.url, "tiny"))
        assert probe(RemoteSettings(server.url, "large")).context_length == 0


def test_the_key_is_sent_and_never_shown() -> None:
    with serving(says("Yes."), key=PRIVATE) as server, capture_logs() as logs:
        settings = RemoteSettings(server.url, "tiny", api_key=PRIVATE)
        RemoteEngine(settings).close()
        assert PRIVATE not in repr(settings) + str(logs)
        with pytest.raises(EngineRefused, match="TRADEWIND_MODEL_API_KEY"):
            RemoteEngine(RemoteSettings(server.url, "tiny", api_key="wrong"))
        with pytest.raises(EngineRefused, match="TRADEWIND_MODEL_API_KEY") as told:
            RemoteEngine(RemoteSettings(server.url, "tiny", api_key=f"{PRIVATE}\n"))
        assert PRIVATE not in str(told.value)


def test_an_address_that_nobody_answers_at_is_told() -> None:
    with serving(says("Yes.")) as server:
        pass
    with pytest.raises(EngineUnavailable, match=server.url) as told:
        RemoteEngine(RemoteSettings(server.url, "tiny"))
    assert "\n" not in str(told.value)


def test_an_address_of_something_else_is_told() -> None:
    with serving(says("Yes."), models=None) as server:  # type: ignore[arg-type]
        with pytest.raises(EngineRefused, match="TRADEWIND_MODEL_URL"):
            probe(RemoteSettings(server.url, "tiny"))
        with pytest.raises(EngineRefused, match="/v1"):
            probe(RemoteSettings(server.url.removesuffix("/v1"), "tiny"))


@pytest.mark.parametrize("url", ["gpu:8000/v1", "http://me:hunter2@gpu/v1", "ftp://gpu", "http://gpu/v1?key=hunter2"])
def test_an_address_with_a_password_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as told:
        RemoteSettings(url, "tiny")
    assert "hunter2" not in str(told.value)


def test_it_needs_no_torch() -> None:
    script = "import sys, model.remote; print('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run((sys.executable, "-c", script), cwd=root, capture_output=True, text=True).stdout == "False\n"


# ---- our own model behind it


def test_it_gives_the_text_that_the_model_gives_here(tiny_folder: Path) -> None:
    """A server that runs our engine: what comes over the wire is what comes without one."""
    local = LocalEngine.open(tiny_folder, EngineSettings(number_format="fp32", slots=4, positions=256, threads=1))

    async def write(visit: Visit) -> web.StreamResponse:
        body, texts = visit.body, {message["role"]: message["content"] for message in visit.body["messages"]}
        asked = GenerationRequest(
            ChatPrompt(texts.get("system", ""), texts["user"]),
            body["max_tokens"],
            temperature=body["temperature"],
            top_p=body.get("top_p", 1.0),
            seed=body.get("seed"),
            stop=tuple(body.get("stop", ())),
        )
        done = await generate(local, asked)
        response = await visit.stream()
        for start in range(0, len(done.text), 3):
            await response.write(chunk(done.text[start : start + 3]))
        logprobs = {"content": [{"token": "", "logprob": each} for each in done.token_logprobs]}
        end = {"choices": [{"delta": {}, "finish_reason": done.finish_reason, "logprobs": logprobs}]}
        await response.write(event(json.dumps(end).encode()))
        await response.write(usage(done.prompt_tokens, done.completion_tokens) + DONE)
        return response

    asked = [
        GenerationRequest(ChatPrompt(system, user), 24, temperature=temperature, top_p=0.9, seed=3, stop=stop)
        for system in ("", "You write listings.")
        for user in ("A steel bottle.", "这个水壶是不锈钢的")
        for temperature in (0.0, 0.8)
        for stop in ((), ("e",))
    ]
    try:
        with engine_with(write) as (engine, _):
            near = [result(local.submit(each)) for each in asked]
            far = [result(future) for future in [engine.submit(each) for each in asked]]
    finally:
        local.close()
    assert any(done.text for done in near)
    for here, there in zip(near, far, strict=True):
        assert there.text == here.text
        assert there.finish_reason == here.finish_reason
        assert (there.prompt_tokens, there.completion_tokens) == (here.prompt_tokens, here.completion_tokens)
        assert there.token_logprobs == pytest.approx(here.token_logprobs, abs=1e-4)
        assert there.mean_logprob == pytest.approx(here.mean_logprob, abs=1e-4)


def test_the_library_logs_no_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), engine_with(says("Yes."), drops(chunk(PRIVATE)), says("Yes.")) as (engine, _):
        result(engine.submit(request()))
        result(engine.submit(request()))
    assert PRIVATE not in caplog.text
