"""Looking a text's continuation up in itself: what is guessed is what a search through all of it would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.lookup import PromptLookup

TOKENS = st.lists(st.integers(0, 3), max_size=30)  # few different ones, so that most runs come more than once


def searched(ids: list[int], most: int) -> list[int]:
    """By definition: the longest run of up to 4 at the end that stands earlier, where it stood last; what follows."""
    for length in (4, 3, 2, 1):
        if length > len(ids):
            continue
        for start in range(len(ids) - length - 1, -1, -1):
            if ids[start : start + length] == ids[-length:]:
                return ids[start + length :][: min(length, most)]
    return []


@given(TOKENS, TOKENS, st.integers(1, 6))
def test_guess_is_what_a_search_finds(prompt: list[int], written: list[int], most: int) -> None:
    lookup = PromptLookup(prompt)
    assert lookup.guess(most) == searched(prompt, most)
    for place, token in enumerate(written, 1):
        lookup.add(token)
        ids = prompt + written[:place]
        assert len(lookup) == len(ids)
        assert lookup.guess(most) == searched(ids, most)


def test_longer_agreement_wins_over_newer() -> None:
    #                     1 2 -> 8            2 -> 9
    assert PromptLookup([1, 2, 8, 7, 5, 2, 9, 1, 2]).guess(4) == [8, 7]


def test_nothing_is_guessed_for_what_never_stood_there() -> None:
    assert PromptLookup([]).guess(4) == []
    assert PromptLookup([1, 2, 3]).guess(4) == []
