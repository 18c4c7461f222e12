"""The demo's listings and questions: enough of them, varied, and fit to be published."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from typing import Any

import pytest

from schemas.validation import validate
from tradewind.demo.inputs import EXPECTATIONS, demo_listings, demo_questions, labelled_questions
from tradewind.demo.journey import listings as journey_listings

LISTINGS = demo_listings()
QUESTIONS = labelled_questions()
NEVER = "demo-never-published"
ENVELOPE = {"event_id": uuid.UUID(int=1), "occurred_at": "2026-01-01T00:00:00Z"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def kind(listing: dict[str, Any]) -> str:
    """`kitchen` of `demo-kitchen-01`."""
    return str(listing["listing_id"].split("-")[1])


def test_there_are_enough_listings_over_eight_categories() -> None:
    assert len(LISTINGS) >= 24
    assert len({kind(listing) for listing in LISTINGS}) == 8
    assert len({listing["category"].split(" > ")[0] for listing in LISTINGS}) >= 8


def test_at_least_eight_listings_are_chinese_throughout() -> None:
    chinese = [listing for listing in LISTINGS if listing["language"] == "zh-CN"]
    assert len(chinese) >= 8
    for listing in chinese:
        for text in (listing["title"], listing["description"], *listing["attributes"]):
            assert CHINESE.search(text), listing["listing_id"]


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: str(listing["listing_id"]))
def test_a_listing_is_rich(listing: dict[str, Any]) -> None:
    assert 8 <= len(listing["attributes"]) <= 14
    sentences = re.findall(r"[^.。!?]+[.。!?](?=\s|$|[\u4e00-\u9fff0-9A-Za-z])", listing["description"])
    assert len(sentences) >= 2
    assert all(listing[field] for field in ("brand", "price", "currency", "tags", "image_urls"))


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: str(listing["listing_id"]))
def test_a_listing_is_valid(listing: dict[str, Any]) -> None:
    datum = validate("ListingPublished", {**ENVELOPE, **listing})
    assert isinstance(datum, dict), datum


@pytest.mark.parametrize("question", demo_questions(), ids=lambda question: str(question["question_id"]))
def test_a_question_is_valid(question: dict[str, Any]) -> None:
    datum = validate("QuestionAsked", {**ENVELOPE, **question})
    assert isinstance(datum, dict), datum


def test_ids_are_unique() -> None:
    for ids in (
        [listing["listing_id"] for listing in LISTINGS],
        [labelled.question["question_id"] for labelled in QUESTIONS],
    ):
        assert len(set(ids)) == len(ids)


def test_there_are_enough_questions_of_every_kind() -> None:
    kinds = Counter(labelled.expect for labelled in QUESTIONS)
    assert set(kinds) == set(EXPECTATIONS)
    assert len(QUESTIONS) >= 60
    assert kinds["answerable"] > len(QUESTIONS) / 2
    assert kinds["unanswerable"] >= 8
    assert kinds["missing_listing"] == 1
    assert kinds["pii"] >= 6
    assert kinds["abusive"] >= 5
    assert kinds["handover"] >= 3
    assert kinds["injection"] == 1


def test_questions_come_in_both_languages_and_across_them() -> None:
    languages = {listing["listing_id"]: listing["language"] for listing in LISTINGS}
    pairs = Counter(
        (labelled.question["language"], languages.get(labelled.question["listing_id"], "en")) for labelled in QUESTIONS
    )
    assert pairs["zh-CN", "zh-CN"] + pairs["zh-CN", "en"] >= 16
    assert pairs["en", "zh-CN"] >= 3
    assert pairs["zh-CN", "en"] >= 1
    for labelled in QUESTIONS:
        is_chinese = labelled.question["language"] == "zh-CN"
        assert bool(CHINESE.search(labelled.question["text"])) == is_chinese


def test_every_question_but_one_has_its_listing_and_its_merchant() -> None:
    merchants = {row["listing_id"]: row["merchant_id"] for row in [*LISTINGS, *journey_listings(40)]}
    lost = [q for q in demo_questions() if q["listing_id"] not in merchants]
    assert [q["listing_id"] for q in lost] == [NEVER]
    for question in demo_questions():
        if question["listing_id"] != NEVER:
            assert question["merchant_id"] == merchants[question["listing_id"]]


def test_an_answer_is_given_exactly_where_the_listing_has_one() -> None:
    for labelled in QUESTIONS:
        if labelled.expect == "answerable":
            assert labelled.answer
        if labelled.expect in ("unanswerable", "missing_listing", "handover"):
            assert labelled.answer is None


def test_numbers_in_an_answer_stand_in_its_listing_or_question() -> None:
    listings = {listing["listing_id"]: listing for listing in LISTINGS}
    for labelled in QUESTIONS:
        listing = listings.get(labelled.question["listing_id"])
        if labelled.answer and listing:
            facts = " ".join([listing["title"], listing["description"], *listing["attributes"].values()])
            known = set(re.findall(r"\d+", facts + labelled.question["text"]))
            # 180斤 is 90 kg: the one answer that computes.
            assert set(re.findall(r"\d+", labelled.answer)) - known <= {"90"}, labelled.question["question_id"]


def test_labels_are_never_published() -> None:
    assert not any(name.startswith("_") for question in demo_questions() for name in question)
