"""The answer agent: a question in, a draft or the reason for a person out."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from model.protocol import Engine
from model.tasks.answer import AnswerPolicy, answer
from schemas.events import AnswerDrafted, QuestionAsked, derived_id
from streams import metrics
from streams.listing_book import ListingBook

STAGE = "answer"


class Answer:
    """Drafts the answer to one question.

    Args:
        wait_s: how long a question that came before its listing waits for it, in seconds.
    """

    def __init__(
        self, engine: Engine, book: ListingBook, policy: AnswerPolicy, clock: Callable[[], datetime], *, wait_s: float
    ) -> None:
        self._engine = engine
        self._book = book
        self._policy = policy
        self._clock = clock
        self._wait_s = wait_s

    async def __call__(self, question: QuestionAsked) -> AnswerDrafted:
        """The question's draft, with an id that is the same each time."""
        started = time.perf_counter()
        listing = await self._book.find(question.listing_id, self._wait_s)
        waited_s = time.perf_counter() - started
        metrics.QUESTION_WAIT_SECONDS.observe(waited_s)
        if listing is not None and listing.merchant_id != question.merchant_id:
            # One seller's facts are not read out to another's buyers.
            listing = None
        return await answer(
            self._engine,
            question,
            listing,
            clock=self._clock,
            event_id=derived_id(STAGE, question.event_id),
            waited_ms=waited_s * 1000,
            policy=self._policy,
        )
