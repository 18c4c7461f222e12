"""The engine's promises, on a tiny random model: who is served when, what each gets, that one can't harm another."""

from __future__ import annotations

import asyncio
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model import protocol
from model.engine import EngineSettings, LocalEngine
from model.loading import LoadedModel
from model.protocol import (
    ChatPrompt,
    EngineClosed,
    EngineDeadline,
    EngineOutOfMemory,
    EngineOverloaded,
    GenerationFailed,
    GenerationRequest,
    Priority,
    PromptTooLong,
    generate,
)
from model.provenance import CheckpointError
from tests.support.tiny_engine import (
    PATIENCE_S,
    SYSTEM,
    Dictated,
    Gate,
    failure,
    load_as,
    request,
    result,
    running,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# ---- what a request gets


def test_completion_tells_what_it_took(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        done = result(engine.submit(request(max_new_tokens=9)))
        assert done.finish_reason == "length"
        assert done.prompt_tokens == len(tiny.chat.encode(request().prompt))
        assert done.completion_tokens == len(done.token_logprobs) == 9
        assert done.mean_logprob == pytest.approx(sum(done.token_logprobs) / 9)
        assert all(logprob <= 0 for logprob in done.token_logprobs)
        assert min(done.queued_ms, done.prefill_ms, done.decode_ms) >= 0
        assert engine.load() == (0, 0)


def test_greedy_tokens_are_those_of_a_plain_loop(tiny: LoadedModel) -> None:
    ids = tiny.chat.encode(request().prompt)
    logprobs = []
    with torch.inference_mode():
        for _ in range(10):
            scores = tiny.model.logits(tiny.model(torch.tensor([ids]))[0, -1]).log_softmax(-1)
            logprobs.append(float(scores.max()))
            ids.append(int(scores.argmax()))
    with running(tiny) as (engine, _):
        done = result(engine.submit(request(max_new_tokens=10)))
    assert done.text == tiny.tokenizer.decode(ids[-10:])
    assert done.token_logprobs == pytest.approx(logprobs, abs=1e-4)


def test_output_does_not_depend_on_who_shares_the_batch(tiny: LoadedModel) -> None:
    requests = [request("bottle " * (1 + 3 * (n % 5)) + str(n), max_new_tokens=5 + 7 * (n % 4)) for n in range(20)]
    with running(tiny, slots=1, prefixes=0) as (engine, _):
        alone = [result(engine.submit(one)) for one in requests]
    with running(tiny, slots=6) as (engine, _):
        together = [result(future) for future in [engine.submit(one) for one in requests]]
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.token_logprobs == pytest.approx(other.token_logprobs, abs=1e-4)


def test_end_of_turn_is_not_part_of_the_text(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        full = result(engine.submit(request(max_new_tokens=30)))
    tokens = greedy_tokens(tiny, 30)
    end = next(token for token in tokens[2:] if token not in tokens[:2])
    with running(replace(tiny, end_tokens=frozenset({end}))) as (engine, _):
        done = result(engine.submit(request(max_new_tokens=30)))
    assert done.finish_reason == "stop"
    assert done.completion_tokens == tokens.index(end) == len(done.token_logprobs)
    assert full.text.startswith(done.text)


def greedy_tokens(tiny: LoadedModel, count: int) -> list[int]:
    ids = tiny.chat.encode(request().prompt)
    start = len(ids)
    with torch.inference_mode():
        for _ in range(count):
            ids.append(int(tiny.model.logits(tiny.model(torch.tensor([ids]))[0, -1]).argmax()))
    return ids[start:]


def test_text_ends_before_the_first_stop_string(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        full = result(engine.submit(request(max_new_tokens=40)))
        first, second = full.text[8:10], full.text[4:6]
        done = result(engine.submit(request(max_new_tokens=40, stop=(first, "never to be seen", second))))
    assert done.finish_reason == "stop"
    assert done.text == full.text[: min(full.text.find(first), full.text.find(second))]
    assert done.completion_tokens < full.completion_tokens


def test_seeded_sampling_repeats_whoever_shares_the_batch(tiny: LoadedModel) -> None:
    def sampled(seed: int | None) -> GenerationRequest:
        return request(max_new_tokens=16, temperature=1.0, top_p=0.95, seed=seed)

    with running(tiny) as (engine, _):
        alone = result(engine.submit(sampled(7)))
        crowd = [engine.submit(sampled(seed)) for seed in (1, 7, 2, 3)]
        texts = [result(future).text for future in crowd]
        unseeded = {result(engine.submit(sampled(None))).text for _ in range(3)}
    assert texts[1] == alone.text
    assert len(set(texts)) == 4
    assert len(unseeded) > 1


def test_shared_instructions_are_computed_once(tiny: LoadedModel) -> None:
    users = ("A lamp.", "A rope of 3 m.")
    with running(tiny, prefixes=0) as (engine, _):
        expected = [result(engine.submit(request(user))).text for user in users]
    with running(tiny, guesses=0) as (engine, watched):
        widths: list[int] = []
        watched.before = lambda tokens: widths.append(tokens.shape[1])
        found = [result(engine.submit(request(user))) for user in users]
    assert [done.text for done in found] == expected
    instructions, *rest = [width for width in widths if width > 1]
    assert instructions > len(tiny.tokenizer.encode(SYSTEM))
    assert rest == [done.prompt_tokens - instructions for done in found]


def test_prompts_that_wait_together_are_read_together(tiny: LoadedModel) -> None:
    shapes: list[tuple[int, ...]] = []
    requests = [request("lamp " * (1 + 4 * n)) for n in range(6)]
    with running(tiny, slots=8, prefixes=0) as (engine, _):
        expected = [result(engine.submit(one)).text for one in requests]
    lengths = [len(tiny.chat.encode(one.prompt)) for one in requests]
    with running(tiny, slots=8, prefixes=0, prefill_tokens=sum(lengths[1:4])) as (engine, watched):
        watched.before = gate = Gate()
        futures = [engine.submit(requests[0])]
        assert gate.reached.wait(PATIENCE_S)
        futures += [engine.submit(one) for one in requests[1:]]
        watched.before = lambda tokens: shapes.append(tuple(tokens.shape))
        gate.open.set()
        assert [result(future).text for future in futures] == expected
    assert (3, lengths[3]) in shapes
    assert (2, lengths[5]) in shapes


def test_only_so_many_prefixes_are_kept(tiny: LoadedModel) -> None:
    with running(tiny, prefixes=2) as (engine, _):
        for number in range(5):
            prompt = ChatPrompt(f"{number} {SYSTEM}", "A lamp.")
            result(engine.submit(GenerationRequest(prompt, max_new_tokens=2)))
        assert len(engine._prefixes) == 2


# ---- who is served when


def test_answers_overtake_descriptions(tiny: LoadedModel) -> None:
    order: list[str] = []
    with running(tiny, slots=1) as (engine, watched):
        watched.before = gate = Gate()
        futures = [engine.submit(request("first"))]
        assert gate.reached.wait(PATIENCE_S)
        for name, priority in (("d1", 1), ("d2", 1), ("a1", 0), ("a2", 0)):
            futures.append(engine.submit(request(name, priority=Priority(priority))))
            futures[-1].add_done_callback(lambda _, name=name: order.append(name))
        gate.open.set()
        for future in futures:
            result(future)
    assert order == ["a1", "a2", "d1", "d2"]


def test_some_slots_are_kept_for_answers(tiny: LoadedModel) -> None:
    widest: list[int] = []
    with running(tiny, slots=4, answer_slots=1) as (engine, watched):
        watched.before = gate = Gate()
        first = engine.submit(request("first"))
        assert gate.reached.wait(PATIENCE_S)
        descriptions = [engine.submit(request(str(n))) for n in range(9)]
        watched.before = lambda tokens: widest.append(tokens.shape[0])
        gate.open.set()
        for future in [first, *descriptions]:
            result(future)
    assert max(widest) == 3


def test_full_queue_refuses_and_recovers(tiny: LoadedModel) -> None:
    with running(tiny, slots=1, queue_size=2) as (engine, watched):
        watched.before = gate = Gate()
        first = engine.submit(request())
        assert gate.reached.wait(PATIENCE_S)
        waiting = [engine.submit(request(str(n))) for n in range(2)]
        refused = failure(engine.submit(request()))
        assert isinstance(refused, EngineOverloaded)
        assert refused.transient
        assert "2 requests wait" in str(refused)
        gate.open.set()
        assert all(result(future).text for future in [first, *waiting])
        assert result(engine.submit(request())).text


def test_deadline_counts_waiting_and_generating(tiny: LoadedModel) -> None:
    clock = Clock()
    with running(tiny, clock, slots=1) as (engine, watched):
        watched.before = gate = Gate()
        active = engine.submit(request(max_new_tokens=100, deadline_s=5.0))
        assert gate.reached.wait(PATIENCE_S)
        waiting = engine.submit(request("waiting", deadline_s=5.0))
        patient = engine.submit(request("patient", deadline_s=5.1))
        clock.now += 5.0
        gate.open.set()
        for future in (active, waiting):
            error = failure(future)
            assert isinstance(error, EngineDeadline)
            assert error.transient
        assert result(patient).text


def test_cancel_frees_the_slot_and_the_place_in_the_queue(tiny: LoadedModel) -> None:
    with running(tiny, slots=1, queue_size=1) as (engine, watched):
        watched.before = gate = Gate()
        active = engine.submit(request(max_new_tokens=200))
        assert gate.reached.wait(PATIENCE_S)
        waiting = engine.submit(request("waiting"))
        assert waiting.cancel()
        assert active.cancel()
        steps: list[int] = []
        watched.before = lambda tokens: steps.append(1)
        gate.open.set()
        deadline = threading.Event()
        while engine.load() != (0, 0):
            assert not deadline.wait(0.001)
            assert len(steps) < 100, "a cancelled request is still generated"
        assert result(engine.submit(request("next"))).text


# ---- what goes wrong stays where it went wrong


@pytest.mark.parametrize("number_format", ["fp32", "int8"])
@pytest.mark.parametrize("prefixes", [0, 2])
def test_poisoned_request_fails_alone(number_format: str, prefixes: int, tiny_folder: Path) -> None:
    """A token whose embedding is not a number poisons its own keys and values, and nobody else's, not even later."""
    requests = [request(f"lamp {n} " * (1 + 5 * (n % 2)), max_new_tokens=10 + n) for n in range(6)]
    poisoned = [
        request("Ω"),
        request("a long text with Ω in it, longer than the others are"),
        request("long " * 30 + "Ω"),
    ]
    poisoned.append(GenerationRequest(ChatPrompt(SYSTEM + " Ω", "lamp"), 5))
    with running(load_as(number_format, tiny_folder), slots=4, prefixes=prefixes) as (engine, _):
        expected = [result(engine.submit(one)).text for one in requests]
        poison = engine._tokenizer.encode("Ω")[0]

    def break_it(model: Any) -> None:
        model.embedding.weight[poison] = math.nan

    with running(load_as(number_format, tiny_folder, break_it), slots=4, prefixes=prefixes) as (engine, _):
        for _ in range(3):
            futures = [engine.submit(one) for one in requests[:3]]
            bad = [engine.submit(one) for one in poisoned]
            futures += [engine.submit(one) for one in requests[3:]]
            assert [type(failure(future)) for future in bad] == [GenerationFailed] * len(bad)
            assert [result(future).text for future in futures] == expected


def test_poison_in_the_middle_of_a_generation_fails_alone(tiny: LoadedModel) -> None:
    requests = [request(f"lamp {n}", max_new_tokens=14) for n in range(4)]
    with running(tiny, slots=4) as (engine, _):
        expected = [result(engine.submit(one)).text for one in requests]
    inner = tiny.model.forward

    def poisoned(tokens: torch.Tensor, cache: Any, *rest: Any) -> torch.Tensor:
        hidden = inner(tokens, cache, *rest)
        if tokens.shape == (4, 1):  # once all four are under way, the second breaks, in its cache as well
            cache.keys[:, 1], cache.values[:, 1], hidden[1] = math.nan, math.nan, math.nan
        return hidden

    tiny.model.forward = poisoned
    with running(tiny, slots=4, guesses=0) as (engine, _):
        futures = [engine.submit(one) for one in requests]
        assert isinstance(failure(futures[1]), GenerationFailed)
        del futures[1], expected[1]
        assert [result(future).text for future in futures] == expected
        assert torch.isfinite(engine._cache.keys[:, :, :, :-1]).all()


def test_text_that_can_not_be_encoded_fails_alone(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, _):
        futures = [engine.submit(request(user)) for user in ("lamp", "half a \ud83d character", "rope")]
        assert isinstance(failure(futures[1]), GenerationFailed)
        assert result(futures[0]).text
        assert result(futures[2]).text


@pytest.mark.parametrize("number_format", ["fp32", "int8"])
def test_prompt_too_short_to_be_kept_takes_no_prefix_away(number_format: str, tiny_folder: Path) -> None:
    first, second, third = (f"{name}. {SYSTEM}" for name in "ABC")
    with running(load_as(number_format, tiny_folder), prefixes=2) as (engine, _):
        texts = [
            result(engine.submit(GenerationRequest(ChatPrompt(system, "lamp"), 20))).text
            for system in (first, second, "short", third, second, first)
        ]
    assert texts[4] == texts[1]
    assert texts[5] == texts[0]


@pytest.mark.parametrize("number_format", ["fp32", "int8"])
def test_prefix_in_use_is_never_replaced(number_format: str, tiny_folder: Path) -> None:
    """More system prompts than are kept, some too short to be kept, in slots that all share what is kept."""
    systems = [SYSTEM[:20] if n % 4 == 3 else f"{n}. {SYSTEM}" for n in range(9)]
    requests = [
        GenerationRequest(ChatPrompt(systems[n * 7 % 9], f"lamp {n}"), max_new_tokens=3 + n * 5 % 11) for n in range(45)
    ]
    loaded = load_as(number_format, tiny_folder)
    found = []
    for prefixes in (0, 2):
        with running(loaded, slots=4, prefixes=prefixes) as (engine, _):
            found.append([result(future) for future in [engine.submit(one) for one in requests]])
    alike = [one.text == other.text for one, other in zip(*found, strict=True)]
    assert alike.count(True) >= (45 if number_format == "fp32" else 36)  # int8: attention rounds in another place
    for one, other in zip(*found, strict=True):
        assert one.token_logprobs[0] == pytest.approx(
            other.token_logprobs[0], abs=1e-4 if number_format == "fp32" else 0.5
        )


def test_prompt_that_does_not_fit_is_refused(tiny: LoadedModel) -> None:
    with running(tiny, positions=64) as (engine, _):
        error = failure(engine.submit(request("bottle " * 40)))
        assert isinstance(error, PromptTooLong)
        assert not error.transient
        assert "64" in str(error)
        assert "bottle" not in str(error)
        short = GenerationRequest(ChatPrompt("", "lamp"), max_new_tokens=4)
        assert result(engine.submit(short)).text
        room = 64 - result(engine.submit(short)).prompt_tokens
        assert result(engine.submit(replace(short, max_new_tokens=room))).completion_tokens == room
        assert isinstance(failure(engine.submit(replace(short, max_new_tokens=room + 1))), PromptTooLong)


def test_step_that_raises_fails_those_under_way_and_no_more(tiny: LoadedModel) -> None:
    with running(tiny) as (engine, watched):

        def broken(tokens: torch.Tensor) -> None:
            if tokens.shape[1] < 6:
                raise ValueError("a bug")

        watched.before = broken
        assert isinstance(failure(engine.submit(request())), GenerationFailed)
        watched.before = lambda tokens: None
        assert result(engine.submit(request())).text


def test_a_step_without_memory_is_nobodys_fault_and_may_fit_later(tiny: LoadedModel) -> None:
    clock = Clock()
    with running(tiny, clock=clock) as (engine, watched):

        def too_large(tokens: torch.Tensor) -> None:
            clock.now += 7
            torch.empty(2**60)

        watched.before = too_large
        for rows in (0, 7, 14):
            error = failure(engine.submit(request()))
            assert isinstance(error, EngineOutOfMemory)
            assert error.transient
            assert "TRADEWIND_MODEL_SLOTS" in str(error)
            assert engine.short_of_memory_s() == rows
        watched.before = lambda tokens: None
        assert result(engine.submit(request())).text
        assert engine.short_of_memory_s() == 0.0


def test_a_step_that_does_not_end_is_seen_from_outside(tiny: LoadedModel) -> None:
    clock = Clock()
    with running(tiny, clock=clock) as (engine, watched):
        assert isinstance(engine, protocol.Watched)
        assert engine.stalled_s() == 0.0
        watched.before = gate = Gate()
        future = engine.submit(request(max_new_tokens=1))
        assert gate.reached.wait(PATIENCE_S)
        clock.now += 300
        assert engine.stalled_s() == 300.0
        gate.open.set()
        assert result(future)
        clock.now += 300
        while engine.stalled_s():
            assert engine._thread.is_alive()


def test_close_ends_the_thread_and_fails_what_is_left(tiny: LoadedModel) -> None:
    with running(tiny, slots=1) as (engine, watched):
        watched.before = gate = Gate()
        active = engine.submit(request(max_new_tokens=200))
        assert gate.reached.wait(PATIENCE_S)
        waiting = engine.submit(request())
        closer = threading.Thread(target=engine.close)
        closer.start()
        while not engine._waiting.is_closed:
            assert closer.is_alive()
        gate.open.set()
        closer.join(PATIENCE_S)
        for future in (active, waiting, engine.submit(request())):
            error = failure(future)
            assert isinstance(error, EngineClosed)
            assert error.transient
        assert not engine._thread.is_alive()
        engine.close()


def test_bug_in_the_engine_is_told_to_all_who_wait(tiny: LoadedModel) -> None:
    with running(tiny, slots=1) as (engine, watched):
        watched.before = gate = Gate()
        futures = [engine.submit(request(str(n))) for n in range(3)]
        assert gate.reached.wait(PATIENCE_S)
        engine._tokenizer = None
        gate.open.set()
        for future in futures:
            error = failure(future)
            assert isinstance(error, EngineClosed)
            assert "AttributeError" in str(error)


def test_checkpoint_that_can_not_be_loaded_is_told_at_once(tmp_path: Path) -> None:
    threads = threading.active_count()
    with pytest.raises(CheckpointError, match="missing"):
        LocalEngine.open(tmp_path / "none.gguf")
    assert threading.active_count() == threads


# ---- guessing


def repetitive(max_new_tokens: int = 60, **more: Any) -> list[GenerationRequest]:
    users = [f"{word} lamp, " * 9 + f"{word} rope, {word} lamp" for word in ("red", "blue", "steel", "750 ml", "warm")]
    return [request(user, max_new_tokens, **more) for user in users]


def texts_and_calls(loaded: LoadedModel, requests: list[GenerationRequest], alone: bool, **settings: Any) -> Any:
    with running(loaded, step_tokens=64, **settings) as (engine, watched):
        rows: list[int] = []
        watched.before = lambda tokens: rows.append(1)
        if alone:
            return [result(engine.submit(one)) for one in requests], len(rows)
        return [result(future) for future in [engine.submit(one) for one in requests]], len(rows)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("more", [{}, {"stop": ("e", "xy")}, {"max_new_tokens": 2}, {"max_new_tokens": 7}])
def test_guesses_change_no_text(tiny: LoadedModel, alone: bool, more: dict[str, Any]) -> None:
    plain, calls = texts_and_calls(tiny, repetitive(**more), alone, guesses=0)
    guessed, fewer = texts_and_calls(tiny, repetitive(**more), alone, guesses=4)
    for one, other in zip(plain, guessed, strict=True):
        assert (one.text, one.tokens, one.finish_reason) == (other.text, other.tokens, other.finish_reason)
        assert one.token_logprobs == pytest.approx(other.token_logprobs, abs=1e-4)
    assert fewer <= calls
    if not more:
        assert fewer < calls


def test_end_token_in_an_accepted_run_ends_the_text(tiny: LoadedModel) -> None:
    """The model is told what to say, and it repeats itself: all is guessed, also what comes behind the end."""
    end = tiny.tokenizer.special["<|im_end|>"]
    round_ = tiny.tokenizer.encode("a blue lamp of steel ")
    prompt_tokens = len(tiny.chat.encode(request().prompt))
    for place in range(2 * len(round_), 4 * len(round_)):
        script = (round_ * 5)[:place] + [end] + round_ * 5
        loaded = replace(tiny, model=Dictated(tiny.model, prompt_tokens, script), end_tokens=frozenset({end}))
        with running(loaded, guesses=4) as (engine, watched):
            rows: list[int] = []
            watched.before = lambda tokens, rows=rows: rows.append(1)
            done = result(engine.submit(request(max_new_tokens=100)))
        assert list(done.tokens) == script[:place]
        assert done.finish_reason == "stop"
        assert len(rows) < place


def test_slot_is_filled_to_its_last_position(tiny: LoadedModel) -> None:
    ids = tiny.tokenizer.encode("a blue lamp of steel ")
    prompt_tokens = len(tiny.chat.encode(request().prompt))
    loaded = replace(tiny, model=Dictated(tiny.model, prompt_tokens, ids * 9))
    for room in range(1, 24):
        with running(loaded, guesses=4, positions=prompt_tokens + room) as (engine, _):
            assert result(engine.submit(request(max_new_tokens=room))).completion_tokens == room
    for room in (3, 30):
        plain, guessed = (
            texts_and_calls(tiny, repetitive(room)[:1], True, guesses=guesses, positions=room + length)[0]
            for guesses in (0, 4)
            for length in [len(tiny.chat.encode(repetitive()[0].prompt))]
        )
        assert plain[0].tokens == guessed[0].tokens


def test_sampled_text_is_not_guessed(tiny: LoadedModel) -> None:
    with running(tiny, guesses=4) as (engine, watched):
        widths: list[int] = []
        watched.before = lambda tokens: widths.append(tokens.shape[1])
        for one in repetitive(20, temperature=0.7, seed=1):
            before = len(widths)
            assert result(engine.submit(one)).completion_tokens == 20
            assert widths[before:].count(1) == 19


# ---- beside an event loop


async def test_cancelled_task_cancels_its_request(tiny: LoadedModel) -> None:
    with running(tiny, slots=1) as (engine, watched):
        watched.before = gate = Gate()
        pending = asyncio.create_task(generate(engine, request(max_new_tokens=200)))
        assert await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
        pending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pending
        gate.open.set()
        assert (await asyncio.wait_for(generate(engine, request("next")), PATIENCE_S)).text


# ---- the real thing


@pytest.mark.model
def test_default_checkpoint_answers() -> None:
    from model.fetch import locate
    from model.provenance import DEFAULT

    engine = LocalEngine.open(locate(None), EngineSettings(slots=2, positions=128), sha256=DEFAULT.sha256)
    try:
        prompt = ChatPrompt("You are a helpful assistant.", "What is the capital of France?")
        done = result(engine.submit(GenerationRequest(prompt, max_new_tokens=16)))
        assert "Paris" in done.text
        assert engine.info.parameters == 134_515_008
        assert engine.info.checkpoint_sha256 == DEFAULT.sha256
        assert engine.info.load_seconds > 0
        assert engine.info.memory_mb > 100
    finally:
        engine.close()
