from __future__ import annotations

import uuid
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from model.evidence import ApprovedAnswer, MerchantPolicy, as_source, display_name, passages, rank
from schemas.events import EvidenceSource, ListingPublished

MUG = ListingPublished(
    event_id=uuid.UUID(int=1),
    occurred_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
    merchant_id="m",
    listing_id="mug",
    title="Stoneware Mug with Wide Handle",
    description="A hand-thrown mug for slow mornings. Do not put it in the oven.",
    category="Kitchen > Mugs",
    brand="Harbor",
    attributes={
        "material": "stoneware",
        "capacity": "350 ml",
        "height": "9.5 cm",
        "weight": "320 g",
        "dishwasher safe": "yes",
        "colour": "sea blue",
        "blank": " ",
    },
    price=Decimal("18.00"),
    currency="EUR",
)
CUP = ListingPublished(
    event_id=uuid.UUID(int=2),
    occurred_at=MUG.occurred_at,
    merchant_id="m",
    listing_id="cup",
    title="保温杯 大容量",
    description="真空保温，便携提手。不可放入微波炉。",
    attributes={"材质": "304不锈钢", "容量": "500毫升", "颜色": "黑色", "重量": "280克"},
)


def best(question: str, listing: ListingPublished = MUG) -> str:
    ranked = rank(question, passages(listing))
    return ranked[0].name if ranked else ""


def test_passages_stand_where_they_say() -> None:
    texts = {"title": MUG.title, "description": MUG.description or ""}
    for passage in passages(MUG):
        source = texts.get(passage.name, passage.text)
        assert source[passage.start : passage.end] == passage.text


def test_passages_are_attributes_brand_price_category_title_and_sentences() -> None:
    found = {passage.name: as_source(passage) for passage in passages(MUG)}
    assert found["brand"] == "brand: Harbor"
    assert found["price"] == "price: 18.00 EUR"
    assert found["category"] == "category: Kitchen > Mugs"
    assert "blank" not in found
    assert sum(p.source is EvidenceSource.DESCRIPTION for p in passages(MUG)) == 2


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is it made of?", "material"),
        ("How heavy is the mug?", "weight"),
        ("how much coffee does it hold", "capacity"),
        ("How tall is it?", "height"),
        ("Can I put it in the dishwasher?", "dishwasher safe"),
        ("what color is this", "colour"),
        ("How much does it cost?", "price"),
        ("which brand?", "brand"),
        ("can it go in the oven", "description"),
        ("这个杯子是什么材质的？", "material"),  # a Chinese question on an English listing
        ("多重？", "weight"),
    ],
)
def test_finds_the_passage_that_is_asked_for(question: str, name: str) -> None:
    assert best(question) == name


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("这个杯子是什么材质的？", "材质"),
        ("能装多少水？", "容量"),
        ("可以放微波炉吗？", "description"),
        ("What is it made of?", "材质"),
        ("How heavy is it?", "重量"),
        ("what colour is it?", "颜色"),
    ],
)
def test_finds_it_on_a_chinese_listing(question: str, name: str) -> None:
    assert best(question, CUP) == name


@pytest.mark.parametrize(
    "question", ["Does it come with a charger?", "Is it compatible with an iPhone?", "hello", "", "？"]
)
def test_what_is_not_there_scores_low(question: str) -> None:
    assert all(item.score < 0.3 for item in rank(question, passages(MUG)))


def test_scores_are_shares_in_order() -> None:
    ranked = rank("How heavy is the blue mug and how much does it hold?", passages(MUG), k=10)
    assert [item.score for item in ranked] == sorted((item.score for item in ranked), reverse=True)
    assert all(0.0 < item.score <= 1.0 for item in ranked)


def test_no_candidates_no_evidence() -> None:
    assert rank("How heavy is it?", ()) == []


def test_names_are_shown_in_the_readers_language() -> None:
    assert display_name("材质", "en") == "material"
    assert display_name("material", "zh-CN") == "材质"
    assert display_name("dishwasher safe", "en") == "dishwasher safe"
    assert display_name("frame_finish", "en") == "frame finish"


APPROVED = (
    ApprovedAnswer("draft-1", "Does it fit a large coffee machine?", "Yes, it fits."),
    ApprovedAnswer("draft-2", "Can I get a replacement handle?", "Yes, write to us and we will send you one."),
)
POLICIES = (
    MerchantPolicy(
        "returns", "You can send it back within 30 days. We refund the price in full. Gift cards are final."
    ),
    MerchantPolicy("shipping", "We deliver in three working days. Orders over 50 EUR ship for free."),
    MerchantPolicy("warranty", "Every mug is guaranteed for two years."),
    MerchantPolicy("发货", "下单后48小时内发货。"),
)
ALL = passages(MUG, APPROVED, POLICIES)


def test_approved_answers_and_policies_are_passages_with_their_place() -> None:
    approved = [passage for passage in ALL if passage.source is EvidenceSource.APPROVED_ANSWER]
    assert [(p.name, p.text, p.asked) for p in approved] == [(a.place, a.answer, a.question) for a in APPROVED]
    promised = [passage for passage in ALL if passage.source is EvidenceSource.POLICY]
    texts = {policy.name: policy.text for policy in POLICIES}
    assert all(texts[p.name][p.start : p.end] == p.text for p in promised)
    assert [p.name for p in promised].count("returns") == 3


def test_an_answer_to_the_same_question_comes_first() -> None:
    first, *rest = rank("does this fit a large coffee machine", ALL)
    assert (first.source, first.name) == (EvidenceSource.APPROVED_ANSWER, "draft-1")
    assert first.score > 0.9
    assert all(item.score < first.score for item in rest)


@pytest.mark.parametrize("question", ["Does it fit a small coffee machine?", "Does it fit a large cup holder?"])
def test_an_answer_about_another_thing_does_not_count(question: str) -> None:
    assert all(item.score < 0.3 for item in rank(question, ALL, 20) if item.name == "draft-1")


@pytest.mark.parametrize(
    ("question", "name", "words"),
    [
        ("What is your return policy?", "returns", ""),
        ("Can I send it back?", "returns", "send it back"),
        ("When will it be delivered?", "shipping", "deliver"),
        ("do you ship for free?", "shipping", "free"),
        ("is there a warranty", "warranty", "guaranteed"),
        ("可以退货吗？", "returns", ""),
        ("什么时候发货？", "发货", "48小时"),
    ],
)
def test_questions_of_orders_are_answered_from_policies(question: str, name: str, words: str) -> None:
    first = rank(question, ALL)[0]
    assert (first.source, first.name) == (EvidenceSource.POLICY, name)
    assert words in first.text


@pytest.mark.parametrize(
    ("question", "name"),
    [("How heavy is the mug?", "weight"), ("what is it made of?", "material"), ("which brand?", "brand")],
)
def test_policies_do_not_answer_for_the_product(question: str, name: str) -> None:
    assert rank(question, ALL)[0].name == name
