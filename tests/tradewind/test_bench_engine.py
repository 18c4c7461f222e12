"""The bench of the engine: its prompts, its figures and its report; no engine is run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench import engine_report as report
from bench.engine_machine import describe_processor
from bench.engine_prompts import EncodedPrompt, choose_prompts, task_requests
from model.protocol import ChatPrompt, Priority


def output(*runs: tuple[int, float, list[float]], before: float = 100.0) -> dict[str, Any]:
    """What a process gives, of (requests, seconds, first tokens)."""
    return {
        "before_mb": before,
        "runs": [
            {
                "requests": requests,
                "seconds": seconds,
                "first_tokens": waits,
                "resident_mb": before + 50,
                "peak_mb": before + 80,
            }
            for requests, seconds, waits in runs
        ],
    }


def test_figures_are_medians_with_the_prefill_counted_and_apart() -> None:
    repeats = [output((2, seconds, [0.5, 1.0])) for seconds in (4.0, 3.0, 9.0)]
    figures = report.figures_at(repeats, size=2, prompt_tokens=200, new_tokens=48)
    assert figures == {
        "tok_s": 24.0,  # 96 tokens in 4 s
        "tok_s_best": 32.0,
        "seconds": 4.0,
        "prefill_s": 1.0,
        "prefill_tok_s": 200.0,
        "decode_tok_s": 31.3,  # 94 tokens in 3 s
        "first_token_p50_ms": 750.0,
        "memory_mb": {"growth": 50, "resident": 150, "peak": 180},
    }


def test_only_runs_of_the_size_count() -> None:
    outputs = [output((1, 1.0, [0.1]), (8, 2.0, [0.2] * 8))]
    assert report.figures_at(outputs, 1, 100, 48)["tok_s"] == 48.0  # type: ignore[index]
    assert report.figures_at(outputs, 16, 100, 48) is None
    assert report.figures_at([], 1, 100, 48) is None


def test_a_row_has_what_was_promised_and_null_for_what_was_not_measured() -> None:
    ours, slower = output((1, 1.0, [0.1])), output((1, 4.0, [0.1]))
    engines = {"ours": [ours], "ours_no_prefix": [ours], "transformers": [slower], "llamacpp": []}
    row = report.row(1, {name: report.figures_at(found, 1, 100, 48) for name, found in engines.items()})
    assert row["requests"] == 1
    assert row["ours_tok_s"] == row["ours_no_prefix_tok_s"] == 48.0
    assert row["transformers_tok_s"] == 12.0
    assert row["ratio_transformers"] == 4.0
    assert row["llamacpp_tok_s"] is row["ratio_llamacpp"] is row["memory_mb"]["llamacpp"] is None
    assert row["memory_mb"]["ours"] == {"growth": 50, "resident": 150, "peak": 180}
    assert json.loads(json.dumps(row)) == row
    assert [cells[0] for cells in report.cells_of(row)] == ["ours", "ours, no prefix cache", "transformers"]
    assert report.table([row]).row_count == 3
    header, *body = report.lines([row])
    assert {line.count("\t") for line in body} == {header.count("\t")}


def test_the_mean_common_prefix_of_texts() -> None:
    assert report.mean_common_prefix(["It is oak.", "Yes"], ["It is pine.", "No"]) == 3.0


def test_tokens_before_the_end_of_the_turn() -> None:
    assert report.tokens_before(frozenset({2, 9}), [[5, 2, 9], [9], [5, 5, 5, 5]]) == pytest.approx(5 / 3, abs=0.05)


def test_a_processor_is_described_by_name_and_telling_instructions() -> None:
    fields = {"model name": "Some CPU", "flags": "fpu amx_int8 avx2 sse avx512f"}
    assert describe_processor(fields) == {"cpu": "Some CPU", "instructions": "avx2 avx512f amx_int8"}


def test_the_demo_makes_enough_prompts_of_both_tasks() -> None:
    answers, descriptions = task_requests()
    assert {request.priority for request in answers} == {Priority.ANSWER}
    assert {request.priority for request in descriptions} == {Priority.DESCRIPTION}
    assert {request.temperature for request in [*answers, *descriptions]} == {0.0}
    for requests in (answers, descriptions):
        assert len({request.prompt for request in requests}) == len(requests) >= 19
        assert len({request.prompt.system for request in requests}) == 1


def test_prompts_take_turns_and_those_to_warm_up_are_others() -> None:
    def made(name: str, is_answer: bool) -> EncodedPrompt:
        return EncodedPrompt(ChatPrompt("", name), is_answer, (1, 2), 1)

    answers, descriptions = [[made(f"{kind}{n}", kind) for n in range(4)] for kind in (True, False)]
    chosen, warm_up = choose_prompts(answers, descriptions, 4, 2)
    assert [prompt.is_answer for prompt in [*chosen, *warm_up]] == [True, False] * 3
    assert len({prompt.prompt for prompt in [*chosen, *warm_up]}) == 6
    with pytest.raises(ValueError, match="8 prompts in pairs, expected 9"):
        choose_prompts(answers, descriptions, 7, 2)
