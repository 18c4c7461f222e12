from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.guards.polarity import answer_polarity, claims_polarity, is_negative, of_evidence, opposite


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Is it dishwasher safe?", "Yes.", "yes"),
        ("Is it dishwasher safe?", "Nope, hand wash only.", "no"),
        ("Does it come with a bag?", "It does not.", "no"),
        ("Does it come with a bag?", "It does.", "yes"),
        ("Does it come with a bag?", "I don't think so.", "no"),
        ("Does it have a drain plug?", "There is a drain plug at the bottom.", "yes"),
        ("Does it have a drain plug?", "There is no drain plug.", "no"),
        ("Can this kit be used on cookware?", "This kit should not be used on cookware.", "no"),
        ("Does it come with batteries?", "No batteries are included.", "no"),
        ("Is it plastic?", "It is made of oak.", "no"),
        ("Does it come in black?", "It comes in white.", "no"),
        ("Can I use it outside?", "It should be used indoors.", "no"),
        ("Is it hard to build?", "It is easy to build.", "no"),
        ("Does it stain clothes?", "It is stain resistant.", "no"),
        ("Is it BPA-free?", "The bottle is BPA free.", "yes"),
        ("Can you use it without the legs?", "The table can be used without legs.", "yes"),
        ("Will it fit my car?", "It won't fit.", "no"),
        ("Is it good for a 6 year old?", "Suitable for ages 3 to 8.", "yes"),
        ("Is it good for a 6 year old?", "For ages eight and up.", "no"),
        ("Is it too hard for a 6 year old?", "It is for kids 5 and over.", "no"),
        ("Is it too hard for a 4 year old?", "It is for kids 5 and over.", "yes"),
        ("Can it hold a 130 lb person?", "It holds up to 500 lb.", "yes"),
        ("Can it hold a 130 lb person?", "It holds up to 100 lb.", "no"),
        ("Is it 12 inches long?", "It is 18 inches long.", "no"),
    ],
)
def test_what_an_answer_says(question: str, answer: str, expected: str) -> None:
    assert answer_polarity(question, answer) == expected


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is it made of?", "It is made of oak."),
        ("How many come in a box?", "Six come in a box."),
        ("Is it red or blue?", "It is red."),
        ("Does it float?", "I'm not sure."),
        ("Does it float?", "The listing does not say."),
        ("Does it float?", "It might float."),
        ("Does it need batteries?", "Batteries are included."),  # needed, or only included?
        ("Is it not dishwasher safe?", "Yes."),  # which of the two?
        ("Does it float?", "The lid is blue."),
        ("", "Yes."),
        ("Does it float?", ""),
    ],
)
def test_what_can_not_be_told(question: str, answer: str) -> None:
    assert answer_polarity(question, answer) is None


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("可以放微波炉吗？", "是的，可以放微波炉。", "yes"),
        ("可以放微波炉吗？", "不可以。", "no"),
        ("可以放微波炉吗？", "不可放入微波炉。", "no"),
        ("有没有盖子？", "没有盖子。", "no"),
        ("有没有盖子？", "配有盖子", "yes"),
        ("是纯棉的吗", "是聚酯纤维的", "no"),
        ("能不能机洗？", "可机洗", "yes"),
        ("需要电池吗？", "无需电池", "no"),
        ("会掉色吗", "不会掉色的", "no"),
        ("能放冰箱吗", "没问题，可以放冰箱", "yes"),
        ("有保修吗", "没有保修", "no"),
        ("会掉色吗", "不清楚", None),
        ("这个不掉色吧？", "是的", None),
        ("红色还是蓝色", "红色", None),
        ("材质是什么？", "是纯棉的", None),
    ],
)
def test_chinese(question: str, answer: str, expected: str | None) -> None:
    assert answer_polarity(question, answer, "zh") == expected


def test_opposite_answers() -> None:
    question = "Does it have a lid?"
    assert opposite(question, "Yes, it has a lid.", "There is no lid.")
    assert not opposite(question, "Yes, it has a lid.", "It has a lid.")
    assert not opposite(question, "Yes, it has a lid.", "I'm not sure.")


def test_a_draft_against_its_evidence() -> None:
    question, evidence = "Is it dishwasher safe?", ["dishwasher safe: no"]
    assert of_evidence(question, evidence) == "no"
    assert claims_polarity(question, evidence, "Yes, it is dishwasher safe.")
    assert not claims_polarity(question, evidence, "No, it is not.")
    # passages that disagree tell nothing
    assert not claims_polarity(question, [*evidence, "It is dishwasher safe."], "Yes.")


def test_negative_questions() -> None:
    assert is_negative("Isn't it waterproof?")
    assert not is_negative("Is it waterproof?")


@given(st.text(), st.text(), st.sampled_from(["en", "zh"]))
def test_any_text_can_be_judged(question: str, text: str, language: str) -> None:
    assert answer_polarity(question, text, language) in ("yes", "no", None)
