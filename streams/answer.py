"""The answer agent: a question in, a draft or the reason for a person out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from model.evidence import ApprovedAnswer
from model.protocol import Engine
from model.tasks.answer import AnswerPolicy, answer
from schemas.codec import Codec
from schemas.dead_letters import Inbound
from schemas.events import AnswerDrafted, ListingPublished, QuestionAsked, derived_id
from schemas.topics import LISTINGS
from streams import metrics
from streams.approved_book import ApprovedBook
from streams.listing_book import ListingBook
from streams.policies import Policies
from streams.stages import ANSWER


class Answer:
    """Drafts the answer to one question.

    Args:
        approved: what people approved for a listing before; None leaves it out.
        policies: what merchants promise.
        wait_s: how long a question that came before its listing waits for it, in seconds.
    """

    def __init__(
        self,
        engine: Engine,
        listings: ListingBook,
        approved: ApprovedBook | None,
        policies: Policies,
        codec: Codec,
        policy: AnswerPolicy,
        clock: Callable[[], datetime],
        *,
        wait_s: float,
    ) -> None:
        self._engine = engine
        self._listings = listings
        self._approved = approved
        self._policies = policies
        self._codec = codec
        self._policy = policy
        self._clock = clock
        self._wait_s = wait_s

    async def __call__(self, question: QuestionAsked, message: Inbound) -> AnswerDrafted:
        """The question's draft, with an id that is the same each time."""
        started = time.perf_counter()
        listing = await self._listing(question, message.partition)
        approved = await self._approved_answers(question, message.partition)
        waited_s = time.perf_counter() - started
        metrics.QUESTION_WAIT_SECONDS.observe(waited_s)
        return await answer(
            self._engine,
            question,
            listing,
            clock=self._clock,
            event_id=derived_id(ANSWER, question.event_id),
            waited_ms=waited_s * 1000,
            policy=self._policy,
            approved=approved,
            policies=self._policies.of(question.merchant_id),
        )

    async def _approved_answers(self, question: QuestionAsked, partition: int) -> Sequence[ApprovedAnswer]:
        if self._approved is None:
            return ()
        return await self._approved.find(question.merchant_id, question.listing_id, partition)

    async def _listing(self, question: QuestionAsked, partition: int) -> ListingPublished | None:
        found = await self._listings.find(question.listing_id, partition, self._wait_s)
        if found is None:
            return None
        listing = self._codec.decode_event(LISTINGS, found)
        # A listing that does not decode is the enrich agent's dead letter; here it is as good as none. And one seller's
        # facts are not read out to another's buyers.
        if not isinstance(listing, ListingPublished) or listing.merchant_id != question.merchant_id:
            return None
        return listing
