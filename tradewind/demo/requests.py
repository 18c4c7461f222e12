"""What the two tasks ask of an engine for the demo's listings and questions, to try an engine with.

The requests are taken where an engine would get them: the tasks run with one that keeps them and serves none.
"""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import Future
from datetime import datetime, timezone
from itertools import chain, zip_longest
from typing import Any

from model.protocol import Completion, EngineInfo, GenerationFailed, GenerationRequest, OnText
from model.tasks.answer import answer
from model.tasks.describe import describe
from schemas.events import ListingPublished, QuestionAsked, from_avro
from schemas.validation import validate
from tradewind.demo.inputs import demo_listings, demo_questions

_WHEN = datetime(2024, 1, 1, tzinfo=timezone.utc)
_ID = uuid.UUID(int=0)


class RequestRecorder:
    """An engine that keeps each request and fails it for good, so that a task asks once."""

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("none", "", 0, "none", "none", 0, 0.0, 0.0)

    def submit(self, request: GenerationRequest, on_text: OnText | None = None) -> Future[Completion]:
        self.requests.append(request)
        future: Future[Completion] = Future()
        future.set_exception(GenerationFailed("only the request was wanted"))
        return future

    def close(self) -> None:
        """Nothing is held."""


def task_requests() -> list[GenerationRequest]:
    """All distinct requests of the two tasks, answers and descriptions in turn while there are both."""
    listings = {row["listing_id"]: _event(ListingPublished, row) for row in demo_listings()}
    questions = [_event(QuestionAsked, row) for row in demo_questions()]
    answers, descriptions = RequestRecorder(), RequestRecorder()

    async def ask() -> None:
        for question in questions:
            await answer(answers, question, listings.get(question.listing_id), clock=lambda: _WHEN, event_id=_ID)
        for listing in listings.values():
            await describe(descriptions, listing, clock=lambda: _WHEN, event_id=_ID)

    asyncio.run(ask())
    mixed = chain.from_iterable(zip_longest(answers.requests, descriptions.requests))
    return list({request.prompt: request for request in mixed if request is not None}.values())


def _event(kind: type[Any], row: dict[str, Any]) -> Any:
    datum = validate(kind.__name__, {"event_id": _ID, "occurred_at": _WHEN, **row})
    assert isinstance(datum, dict), f"the demo's own input is not valid: {datum}"
    return from_avro(kind, datum)
