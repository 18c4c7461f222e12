"""What is read back of reviews and the drafts they are about."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.clickhouse.reviewed import ReviewedDraft, reviewed_drafts
from schemas.events import AnswerDrafted, AnswerReviewed, Decision, Evidence, EvidenceSource
from tests.consumers.clickhouse.test_views import FULL_BY_TYPE, store
from tests.consumers.events import AT
from tests.consumers.harness import World

pytestmark = pytest.mark.integration

EVIDENCE = (
    Evidence("copper", EvidenceSource.ATTRIBUTE, "material", 0, 6, 0.75),
    Evidence("Free returns.", EvidenceSource.POLICY, "returns", 0, 13, 0.5),
)


def drafted(number: int, **more: Any) -> AnswerDrafted:
    full: AnswerDrafted = FULL_BY_TYPE["AnswerDrafted"]
    texts = {"question": f"Question {number}?", "draft": f"Draft {number}.", "evidence": EVIDENCE}
    return replace(full, event_id=uuid.UUID(int=number), **{**texts, **more})


def reviewed(number: int, of: int, decision: Decision, answer: str | None = None, **more: Any) -> AnswerReviewed:
    full: AnswerReviewed = FULL_BY_TYPE["AnswerReviewed"]
    given = {"occurred_at": AT + timedelta(minutes=number), **more}
    return replace(
        full,
        event_id=uuid.UUID(int=1000 + number),
        draft_event_id=uuid.UUID(int=of),
        decision=decision,
        answer=answer,
        **given,
    )


def told(found: list[ReviewedDraft]) -> list[tuple[str, str | None]]:
    return [(each.question, each.answer) for each in found]


def test_the_last_review_of_each_draft_with_what_was_written(world: World) -> None:
    store(world, "answers_drafted", [drafted(number) for number in (1, 2, 3, 4)])
    store(
        world,
        "answers_reviewed",
        [
            reviewed(1, 1, Decision.APPROVE, "not what counts"),
            reviewed(2, 2, Decision.REJECT),
            reviewed(3, 2, Decision.EDIT, "Better."),
            reviewed(4, 3, Decision.APPROVE),
            reviewed(5, 3, Decision.REJECT),
            reviewed(6, 4, Decision.UNKNOWN),
            reviewed(7, 9, Decision.APPROVE),  # its draft is not stored
        ],
    )
    found = list(reviewed_drafts(world.client))
    assert told(found) == [("Question 1?", "Draft 1."), ("Question 2?", "Better."), ("Question 3?", None)]
    assert found[0] == ReviewedDraft(
        merchant_id="m-1",
        draft_event_id=str(uuid.UUID(int=1)),
        reviewed_at=AT + timedelta(minutes=1),
        decision=Decision.APPROVE,
        question="Question 1?",
        answer="Draft 1.",
        evidence=EVIDENCE,
    )


def test_by_merchant_and_time(world: World) -> None:
    store(world, "answers_drafted", [drafted(1), drafted(2, merchant_id="m-2"), drafted(3)])
    store(
        world,
        "answers_reviewed",
        [
            reviewed(1, 1, Decision.APPROVE),
            reviewed(2, 2, Decision.APPROVE, merchant_id="m-2"),
            reviewed(3, 3, Decision.APPROVE, merchant_id="m-2"),  # another merchant's draft
            reviewed(4, 3, Decision.APPROVE, listing_id="l-2"),  # another listing's
        ],
    )
    assert told(list(reviewed_drafts(world.client))) == [("Question 1?", "Draft 1."), ("Question 2?", "Draft 2.")]
    assert told(list(reviewed_drafts(world.client, merchant_id="m-2"))) == [("Question 2?", "Draft 2.")]
    late = reviewed_drafts(world.client, since=AT + timedelta(minutes=2))
    assert told(list(late)) == [("Question 2?", "Draft 2.")]
