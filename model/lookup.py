"""Guesses the next tokens of a text from what stands in it already.

An answer repeats its evidence, a description its facts: where the last few tokens have stood before, what followed them
then is likely to follow again. The engine has the guesses checked in the same step as the next token (Leviathan et al.
2023, "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; the source of the guesses is
"prompt lookup decoding", Saxena 2023). A wrong guess costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST = 4  # tokens that are compared


class PromptLookup:
    """The tokens of one sequence, and where each run of one to four of them has stood last."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # a run of tokens: the place behind its last occurrence
        for token in ids:
            self.add(token)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, token: int) -> None:
        """Append a token."""
        end = len(self._ids)
        for length in range(1, min(_LONGEST, end) + 1):
            self._after[tuple(self._ids[end - length :])] = end
        self._ids.append(token)

    def guess(self, most: int) -> list[int]:
        """What may come next: no more tokens than agree before the place that they are taken from, nor than `most`."""
        for length in range(min(_LONGEST, len(self._ids)), 0, -1):
            place = self._after.get(tuple(self._ids[-length:]))
            if place is not None:
                return self._ids[place : place + min(length, most)]
        return []
