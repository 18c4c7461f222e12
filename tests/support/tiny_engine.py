"""An engine on a model that a test can hold, watch, break, or tell what to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.engine import EngineSettings, LocalEngine
from model.int8 import Int8Transformer
from model.loading import LoadedModel, load
from model.protocol import ChatPrompt, Completion, GenerationRequest

SYSTEM = "You write listings for an online marketplace. Use only the facts that are given."
PATIENCE_S = 60.0


class Watched:
    """A model that tells before each step what it is given, so that a test can hold it, count its work or break it."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.config, self.logits = inner, inner.config, inner.logits
        self.new_cache = inner.new_cache
        self.before: Callable[[torch.Tensor], None] = lambda tokens: None

    def __call__(self, tokens: torch.Tensor, *rest: Any) -> torch.Tensor:
        self.before(tokens)
        return self.inner(tokens, *rest)


class Dictated:
    """Stands in for a model: after a prompt of `prompt_tokens` tokens it says `script`, whatever it is given."""

    def __init__(self, inner: Any, prompt_tokens: int, script: Sequence[int]) -> None:
        self.config, self.new_cache = inner.config, inner.new_cache
        self._before, self._script = prompt_tokens - 1, script

    def __call__(
        self, tokens: torch.Tensor, cache: Any, lengths: torch.Tensor, first_slot: int, counts: torch.Tensor
    ) -> torch.Tensor:
        return (lengths[:, None] + torch.arange(tokens.shape[1]))[:, :, None].float()  # [B, T, 1], the positions

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        places = [min(max(int(position) - self._before, 0), len(self._script) - 1) for position in hidden[:, 0]]
        scores = torch.zeros(len(places), self.config.vocab_size)
        scores[range(len(places)), [self._script[place] for place in places]] = 20.0
        return scores


class Gate:
    """Holds the engine at its next step until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, tokens: torch.Tensor) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE_S)


@contextmanager
def running(loaded: LoadedModel, clock: Callable[[], float] | None = None, **settings: Any) -> Iterator[Any]:
    """An engine and the model that it watches."""
    watched = Watched(loaded.model)
    options = EngineSettings(**{"slots": 8, "answer_slots": 0, "positions": 256, "threads": 1} | settings)
    engine = LocalEngine(lambda: replace(loaded, model=watched), options, **({"clock": clock} if clock else {}))
    try:
        yield engine, watched
    finally:
        watched.before = lambda tokens: None
        engine.close()


def load_as(number_format: str, folder: Path, break_it: Callable[[Any], None] = lambda model: None) -> LoadedModel:
    """A tiny model in either format; `break_it` is given the fp32 model before it is rounded."""
    loaded = load(folder, "fp32")
    with torch.inference_mode():
        break_it(loaded.model)
    if number_format == "int8":
        needs_int8()
        sample = torch.tensor(loaded.chat.encode(request().prompt))
        loaded = replace(loaded, model=Int8Transformer(loaded.model, sample), number_format="int8")
    return loaded


def needs_int8() -> None:
    """Skip the test where torch has no 8-bit products at all; it needs them exact, not fast."""
    try:
        torch.ops.onednn.qlinear_prepack(torch.zeros(16, 16, dtype=torch.int8), None)
    except RuntimeError as error:
        pytest.skip(f"no 8-bit products: {error}")


def request(user: str = "A steel bottle.", max_new_tokens: int = 12, **more: Any) -> GenerationRequest:
    return GenerationRequest(ChatPrompt(SYSTEM, user), max_new_tokens, **more)


def result(future: Future[Completion]) -> Completion:
    return future.result(PATIENCE_S)


def failure(future: Future[Completion]) -> BaseException | None:
    return future.exception(PATIENCE_S)
