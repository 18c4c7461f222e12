"""The two agents: what they ask of the book and the engine, and the ids they make."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timezone

from model.evidence import ApprovedAnswer
from model.tasks.answer import AnswerPolicy
from model.tasks.copy_policy import DescribePolicy
from schemas.codec import Codec
from schemas.dead_letters import Inbound
from schemas.events import (
    AnswerDrafted,
    AnswerRoute,
    EvidenceSource,
    ListingPublished,
    QuestionAsked,
    derived_id,
)
from schemas.registry import CommittedRegistry
from schemas.topics import LISTINGS, QUESTIONS
from streams.answer import Answer
from streams.enrich import Enrich
from streams.policies import Policies
from tests.support.scripted_engine import ScriptedEngine

CODEC = Codec(CommittedRegistry())
NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
LISTING = ListingPublished(
    event_id=uuid.UUID(int=1),
    occurred_at=NOW,
    merchant_id="m-1",
    listing_id="l-1",
    title="Copper kettle",
    description="A kettle of solid copper for gas hobs. It whistles when the water boils.",
    attributes={"material": "copper", "weight": "1.2 kg", "capacity": "1.7 l"},
    language="en",
)
QUESTION = QuestionAsked(
    event_id=uuid.UUID(int=2),
    occurred_at=NOW,
    merchant_id="m-1",
    listing_id="l-1",
    question_id="q-1",
    text="How heavy is it?",
    language="en",
)
MESSAGE = Inbound(QUESTIONS.name, 3, 7, 0, b"l-1", b"")


class OneListing:
    """A book with one message in it."""

    def __init__(self, message: bytes | None) -> None:
        self.message = message
        self.asked: list[tuple[str, int, float]] = []

    async def find(self, listing_id: str, partition: int, wait_s: float) -> bytes | None:
        self.asked.append((listing_id, partition, wait_s))
        return self.message


class Approvals:
    """A book with what people approved of one listing."""

    def __init__(self, *answers: ApprovedAnswer) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, int]] = []

    async def find(self, merchant_id: str, listing_id: str, partition: int) -> tuple[ApprovedAnswer, ...]:
        self.asked.append((merchant_id, listing_id, partition))
        return self.answers


async def answered(
    book: OneListing,
    *replies: str,
    question: QuestionAsked = QUESTION,
    approved: Approvals | None = None,
    policies: Policies = Policies(),
) -> AnswerDrafted:
    agent = Answer(
        ScriptedEngine(*replies),
        book,  # type: ignore[arg-type]
        approved,  # type: ignore[arg-type]
        policies,
        CODEC,
        AnswerPolicy(),
        lambda: NOW,
        wait_s=1.5,
    )
    return await agent(question, MESSAGE)


async def test_a_question_is_answered_from_the_listing_of_its_partition() -> None:
    book = OneListing(CODEC.encode_event(LISTING))
    draft = await answered(book, "It weighs 1.2 kg.")
    assert book.asked == [("l-1", 3, 1.5)]
    assert draft.draft == "It weighs 1.2 kg."
    assert [item.text for item in draft.evidence] == ["1.2 kg"]
    assert draft.event_id == derived_id("answer", QUESTION.event_id)
    assert draft.asked_at == QUESTION.occurred_at


async def test_a_question_without_its_listing_goes_to_a_person() -> None:
    draft = await answered(OneListing(None))
    assert (draft.route, draft.reason, draft.draft) == (AnswerRoute.HUMAN, "listing_unknown", "")


async def test_a_listing_that_does_not_decode_is_as_good_as_none() -> None:
    draft = await answered(OneListing(CODEC.encode_event(LISTING)[:-4]))
    assert draft.reason == "listing_unknown"


async def test_the_facts_of_another_seller_are_not_told() -> None:
    theirs = ListingPublished(
        event_id=LISTING.event_id,
        occurred_at=NOW,
        merchant_id="m-2",
        listing_id="l-1",
        title="Copper kettle",
        attributes=LISTING.attributes,
    )
    draft = await answered(OneListing(CODEC.encode_event(theirs)))
    assert (draft.reason, draft.evidence) == ("listing_unknown", ())


async def test_a_draft_may_rest_on_what_was_approved_before() -> None:
    told = ApprovedAnswer("d-1", "Does it work on induction hobs?", "It does not work on induction hobs.")
    approvals = Approvals(told)
    again = replace(QUESTION, text="Does it work on an induction hob?")
    draft = await answered(
        OneListing(CODEC.encode_event(LISTING)),
        *["It does not work on induction hobs."] * 2,
        question=again,
        approved=approvals,
    )
    assert approvals.asked == [("m-1", "l-1", 3)]
    assert draft.evidence[0].source is EvidenceSource.APPROVED_ANSWER
    assert draft.evidence[0].name == "d-1"


async def test_a_draft_may_rest_on_what_its_merchant_promises() -> None:
    policies = Policies({"m-1": {"returns": "You can return it within 30 days."}, "m-2": {"returns": "No returns."}})
    asked = replace(QUESTION, text="Can I return it?")
    draft = await answered(
        OneListing(CODEC.encode_event(LISTING)),
        *["You can return it within 30 days."] * 2,
        question=asked,
        policies=policies,
    )
    assert [(item.source, item.name) for item in draft.evidence] == [(EvidenceSource.POLICY, "returns")]


async def test_a_listing_is_enriched_under_an_id_that_repeats() -> None:
    copies = []
    for _ in range(2):
        engine = ScriptedEngine(*["A copper kettle with a capacity of 1.7 l. It weighs 1.2 kg."] * 4)
        agent = Enrich(engine, DescribePolicy(), lambda: NOW)
        copies.append(await agent(LISTING, Inbound(LISTINGS.name, 3, 7, 0, b"l-1", b"")))
    assert copies[0].event_id == copies[1].event_id == derived_id("enrich", LISTING.event_id)
    assert copies[0].source_event_id == LISTING.event_id
    assert "1.7 l" in copies[0].description
