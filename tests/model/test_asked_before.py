from __future__ import annotations

import pytest

from model.asked_before import Likeness, compare


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Does it fit a queen bed?", "does this fit a queen bed"),
        ("How long is the cord?", "how long is the cord ?"),
        ("这个能机洗吗？", "能机洗吗"),
    ],
)
def test_small_words_do_not_make_another_question(question: str, asked: str) -> None:
    assert compare(question, asked, "Yes.") is Likeness.SAME


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Does it fit a queen bed?", "Does it fit a king bed?"),
        ("Is it compatible with the iPhone 14?", "Is it compatible with the iPhone 13?"),
        ("Can it go in the oven?", "Can it go in the microwave?"),
        ("what is the weight limit for a 6 year old", "what is the weight limit for a 3 year old"),
        ("能放进烤箱吗", "能放进微波炉吗"),
    ],
)
def test_another_thing_makes_another_question(question: str, asked: str) -> None:
    assert compare(question, asked, "Yes, it does.") is Likeness.OTHER


def test_an_answer_may_tell_of_both() -> None:
    assert compare("Does it fit a queen bed?", "Does it fit a king bed?", "It fits queen and king.") is Likeness.NEAR


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Where is it made?", "When is it made?"),
        ("Which can be washed?", "Which can't be washed?"),
        ("Can the lamp charge the phone?", "Can the phone charge the lamp?"),
        ("How heavy is it?", "What does it weigh?"),
        ("?", "?"),
        ("哪里产的", "什么时候产的"),
    ],
)
def test_what_only_looks_alike_is_not_the_same(question: str, asked: str) -> None:
    assert compare(question, asked, "China.") is Likeness.NEAR
