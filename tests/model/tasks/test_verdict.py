from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tasks.verdict import VERDICTS, join, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes: Yes, it is.", ("yes", "Yes, it is.")),
        ("No: it is not.", ("no", "it is not.")),
        ("info:It weighs 2 kg.", ("info", "It weighs 2 kg.")),
        ("none", ("none", "")),
        ("none:", ("none", "")),
        ("No, it is not.", (None, "No, it is not.")),
        ("Yesterday: all good", (None, "Yesterday: all good")),
        ("", (None, "")),
    ],
)
def test_the_first_word_is_the_verdict_if_it_is_marked(text: str, expected: tuple[str | None, str]) -> None:
    assert split(text) == expected


@given(st.sampled_from(VERDICTS), st.text(st.characters(blacklist_categories=("Cs", "Z", "C")), min_size=1))
def test_what_is_joined_is_split_again(verdict: str, answer: str) -> None:
    said, text = split(join(verdict, answer))  # type: ignore[arg-type]
    assert said == verdict
    assert text == ("" if verdict == "none" else answer)
