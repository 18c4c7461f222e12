"""Real prompts of both tasks, from the listings and questions of the demo.

They are taken where the engine would get them: the tasks run with an engine that keeps the request and serves none.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain
from typing import Any

from model.chat import ChatTemplate
from model.protocol import (
    ChatPrompt,
    Completion,
    EngineInfo,
    GenerationFailed,
    GenerationRequest,
    OnText,
    Priority,
)
from model.tasks.answer import answer
from model.tasks.describe import describe
from model.tasks.prompts import describe_prompt
from schemas.events import ListingPublished, QuestionAsked, from_avro
from schemas.validation import validate
from tradewind.demo.inputs import demo_listings, demo_questions

_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
_ENVELOPE = {"event_id": uuid.UUID(int=0), "occurred_at": _EPOCH}


class PromptRecorder:
    """Keeps what the tasks ask for. Every request fails for good, so that a task asks once."""

    info = EngineInfo("none", "", 0, "none", "none", 0, 0.0, 0.0)

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        self.requests.append(request)
        future: Future[Completion] = Future()
        future.set_exception(GenerationFailed("only the prompt was wanted"))
        return future

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as every engine sees it: `ids` with the chat template, of which the first `shared` are the task's."""

    prompt: ChatPrompt
    is_answer: bool
    ids: tuple[int, ...]
    shared: int

    def as_json(self) -> dict[str, Any]:
        return {
            "system": self.prompt.system,
            "user": self.prompt.user,
            "is_answer": self.is_answer,
            "ids": list(self.ids),
        }


def task_requests() -> tuple[list[GenerationRequest], list[GenerationRequest]]:
    """All distinct requests that the demo's input makes: answers, then descriptions, in the order of the files."""
    listings = {row["listing_id"]: _event(ListingPublished, row) for row in demo_listings()}
    questions = [_event(QuestionAsked, row) for row in demo_questions()]
    answers, descriptions = PromptRecorder(), PromptRecorder()

    async def ask() -> None:
        for question in questions:
            listing = listings.get(question.listing_id)
            await answer(answers, question, listing, clock=lambda: _EPOCH, event_id=uuid.UUID(int=0))
        for listing in listings.values():
            await describe(descriptions, listing, clock=lambda: _EPOCH, event_id=uuid.UUID(int=0))

    asyncio.run(ask())
    return _distinct(answers.requests), _distinct(descriptions.requests)


def encode_all(requests: Sequence[GenerationRequest], chat: ChatTemplate) -> list[EncodedPrompt]:
    """The requests' prompts with their token ids."""
    bare = {r.prompt.system: chat.encode(ChatPrompt(r.prompt.system, "")) for r in requests}
    encoded = []
    for request in requests:
        ids = chat.encode(request.prompt)
        same = [a == b for a, b in zip(bare[request.prompt.system], ids, strict=False)]
        shared = same.index(False) if False in same else len(same)
        encoded.append(EncodedPrompt(request.prompt, request.priority is Priority.ANSWER, tuple(ids), shared))
    return encoded


def prompt_of_length(tokens: int, chat: ChatTemplate) -> EncodedPrompt:
    """A description's prompt of about `tokens` tokens: of a listing's facts, as many as come nearest to it."""
    listing = demo_listings()[0]
    facts = [f"{name}: {value}" for name, value in {"title": listing["title"], **listing["attributes"]}.items()]
    requests = [GenerationRequest(describe_prompt(facts[:end]), 1) for end in range(1, len(facts) + 1)]
    return min(encode_all(requests, chat), key=lambda encoded: abs(len(encoded.ids) - tokens))


def choose_prompts(
    answers: Sequence[EncodedPrompt], descriptions: Sequence[EncodedPrompt], count: int, warm_up: int
) -> tuple[list[EncodedPrompt], list[EncodedPrompt]]:
    """`count` prompts to measure and `warm_up` others; answers and descriptions take turns in both.

    Raises ValueError where there are fewer.
    """
    pairs = list(chain.from_iterable(zip(answers, descriptions, strict=False)))
    if len(pairs) < count + warm_up:
        raise ValueError(f"the demo's input makes {len(pairs)} prompts in pairs, expected {count + warm_up}")
    return pairs[:count], pairs[count : count + warm_up]


def _event(kind: type[Any], row: dict[str, Any]) -> Any:
    datum = validate(kind.__name__, {**_ENVELOPE, **row})
    assert isinstance(datum, dict), f"the demo's own input is not valid: {datum}"
    return from_avro(kind, datum)


def _distinct(requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
    return list({request.prompt: request for request in requests}.values())
