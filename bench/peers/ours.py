"""Our engine, through the interface that the agents use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from bench.peers.worker import Job, Loaded, Prompt, Timing, serve
from model.engine import EngineSettings, LocalEngine
from model.loading import load
from model.protocol import ChatPrompt, GenerationRequest, Priority


def load_ours(job: Job) -> Loaded:
    """Options: `number_format` and `prefixes`, of EngineSettings. End tokens are ordinary ones, as for the peers."""
    settings = EngineSettings(
        threads=job.threads, slots=max(job.sizes), answer_slots=0, positions=job.positions, **job.options
    )
    path = Path(job.checkpoint)
    engine = LocalEngine(
        lambda: replace(load(path, settings.number_format, settings.device), end_tokens=frozenset()), settings
    )
    about = {"version": f"torch {torch.__version__}", "number_format": engine.info.dtype}
    return Loaded(lambda prompts, new_tokens: run(engine, prompts, new_tokens), about)


def run(engine: LocalEngine, prompts: Sequence[Prompt], new_tokens: int) -> Timing:
    """Submit all at once, and wait for all."""
    requests = [
        GenerationRequest(
            ChatPrompt(prompt.system, prompt.user),
            max_new_tokens=new_tokens,
            priority=Priority.ANSWER if prompt.is_answer else Priority.DESCRIPTION,
        )
        for prompt in prompts
    ]
    started = time.perf_counter()
    futures = [engine.submit(request) for request in requests]
    completions = [future.result() for future in futures]
    seconds = time.perf_counter() - started
    for prompt, completion in zip(prompts, completions, strict=True):
        assert completion.prompt_tokens == len(prompt.ids), "the engine saw another prompt than the peers"
        assert completion.completion_tokens == new_tokens, "the engine generated fewer tokens than the peers"
    if new_tokens == 1:
        return Timing(seconds, [seconds])
    return Timing(
        seconds,
        first_tokens=[(completion.queued_ms + completion.prefill_ms) / 1e3 for completion in completions],
        texts=[completion.text for completion in completions],
    )


if __name__ == "__main__":
    serve(load_ours)
