"""The answers that people have approved: those of each listing, from `answers-reviewed.v1` and `answers-drafted.v1`.

A review names a draft and says what became of it; the draft has the question. Reviews are read first, so that of the
many drafts those are kept that were reviewed; of the others only the newest, for the reviews that are still to come.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from model.evidence import ApprovedAnswer
from model.guards import pii
from schemas.codec import Codec, Rejected
from schemas.events import AnswerReviewed, Decision
from schemas.topics import ANSWERS_DRAFTED, ANSWERS_REVIEWED, Topic
from streams import metrics
from streams.book import Book

#: Drafts of a partition that are kept for a review to come. An older one's review counts from the next start on.
DRAFTS_KEPT = 5_000


#: Merchant and listing: what one merchant approved is never told for another.
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a review is about."""

    key: _Key
    question: str
    text: str


@dataclass(frozen=True, slots=True)
class _Approval:
    """A review that lets an answer be used: the draft's text, or the `edited` one. `draft` is None until it is read."""

    draft_id: uuid.UUID
    edited: str | None
    draft: _Draft | None = None
    found: ApprovedAnswer | None = None


@dataclass(slots=True)
class _Page:
    """Approvals by listing and drafts by id, the oldest first; `known` counts the answers that can be used."""

    approvals: dict[_Key, tuple[_Approval, ...]] = field(default_factory=dict)
    drafts: dict[uuid.UUID, _Draft] = field(default_factory=dict)
    known: int = 0


class ApprovedBook(Book[_Page]):
    """Newest approved answers by listing.

    Args:
        client: settings of a confluent-kafka client.
        per_listing: how many are kept of one listing, at least 1.
        drafts_kept: how many drafts of a partition wait for their reviews.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        codec: Codec,
        *,
        per_listing: int,
        drafts_kept: int = DRAFTS_KEPT,
        reviewed: Topic = ANSWERS_REVIEWED,
        drafted: Topic = ANSWERS_DRAFTED,
    ) -> None:
        super().__init__("approved-book", (reviewed, drafted), client)
        self._codec = codec
        self._per_listing = per_listing
        self._drafts_kept = drafts_kept
        self._reviewed, self._drafted = reviewed, drafted

    async def find(self, merchant_id: str, listing_id: str, partition: int) -> tuple[ApprovedAnswer, ...]:
        """What the merchant has approved for the listing, the newest first, with personal data replaced."""
        page = await self._page(partition)
        approvals = page.approvals.get((merchant_id, listing_id), ()) if page is not None else ()
        return tuple(approval.found for approval in reversed(approvals) if approval.found is not None)

    def _new_page(self) -> _Page:
        return _Page()

    def _enter(self, page: _Page, topic: str, key: bytes, value: bytes | None) -> None:
        # What does not decode is the sink's dead letter; here it is as good as nothing.
        if topic == self._reviewed.name:
            review = self._codec.decode_event(self._reviewed, value)
            if isinstance(review, AnswerReviewed):
                self._review(page, review)
        else:
            draft = self._codec.decode(self._drafted, value)  # untyped takes a third of the time, and drafts are many
            if not isinstance(draft, Rejected):
                about = (draft["merchant_id"], draft["listing_id"])
                self._draft(page, draft["event_id"], _Draft(about, draft["question"], draft["draft"]))

    def _entered(self, keys: Set[bytes]) -> None:
        metrics.APPROVED_ANSWERS_KNOWN.set(sum(page.known for page in self._pages()))

    def _review(self, page: _Page, review: AnswerReviewed) -> None:
        """The last review of a draft is the one that counts."""
        if review.decision is Decision.UNKNOWN:
            return  # a decision that this version has no name for
        key = (review.merchant_id, review.listing_id)
        before = page.approvals.get(key, ())
        same = next((each for each in before if each.draft_id == review.draft_event_id), None)
        kept = tuple(each for each in before if each is not same)
        if review.decision is not Decision.REJECT:
            edited = pii.redact(review.answer or "").text if review.decision is Decision.EDIT else None
            draft = (same.draft if same else None) or page.drafts.get(review.draft_event_id)
            kept = (*kept, _joined(key, _Approval(review.draft_event_id, edited), draft))
        _keep(page, key, kept[-self._per_listing :])

    def _draft(self, page: _Page, draft_id: uuid.UUID, draft: _Draft) -> None:
        """A draft that comes twice has one id; the text that was seen first is the one that was reviewed."""
        before = page.approvals.get(draft.key, ())
        if any(each.draft_id == draft_id and each.draft is None for each in before):
            kept = (_joined(draft.key, each, draft) if each.draft_id == draft_id else each for each in before)
            _keep(page, draft.key, tuple(kept))
        page.drafts.setdefault(draft_id, draft)
        if len(page.drafts) > self._drafts_kept:
            del page.drafts[next(iter(page.drafts))]


def _joined(key: _Key, approval: _Approval, draft: _Draft | None) -> _Approval:
    """The approval with its draft, if that is the one that it is about, and with what can be used of the two."""
    if draft is None or draft.key != key:
        return approval
    answer = draft.text if approval.edited is None else approval.edited
    found = None
    if answer.strip():
        # A draft's texts were redacted when it was written; an older version may have missed some.
        question = pii.redact(draft.question).text
        found = ApprovedAnswer(str(approval.draft_id), question, pii.redact(answer).text)
    return replace(approval, draft=draft, found=found)


def _keep(page: _Page, key: _Key, approvals: tuple[_Approval, ...]) -> None:
    before = page.approvals.get(key, ())
    if approvals:
        page.approvals[key] = approvals
    else:
        page.approvals.pop(key, None)
    page.known += sum(each.found is not None for each in approvals) - sum(each.found is not None for each in before)
