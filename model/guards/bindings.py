"""Which part a material or a colour belongs to: a pan with a brass handle has no brass lid.

Parts are the ones that the lexicon knows. The product itself is none: what is said of it is checked as any other claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from model.guards import lexicon
from model.guards.lexicon import Term

#: How far apart, in characters, a material and its part may stand in a source's running text.
NEAR = 25

# 'brass lid', 'brass outer lid'; 'the lid is made of brass', 'lid in brass'
_BEFORE = re.compile(r"[\s\-]+(?:[a-z]+[\s\-]+)?")
_AFTER = re.compile(r"(?:\s+(?:is|are|was))?\s+(?:made\s+)?(?:of|from|in)\s+(?:(?:solid|pure|cast|a)\s+)?")


def stated(source: str) -> set[tuple[str, str]]:
    """The (material or colour, part) pairs of a source, which is folded; an attribute's line is one statement."""
    qualities, parts = _split(source)
    attribute = ": " in source[:40]
    return {
        (quality.name, part.name)
        for quality in qualities
        for part in parts
        if attribute or max(quality.start, part.start) - min(quality.end, part.end) <= NEAR
    }


def swapped(text: str, bound: AbstractSet[tuple[str, str]]) -> Iterator[tuple[int, int]]:
    """Places in a folded text where a part has a material or colour that the sources give to others only."""
    qualities, parts = _split(text)
    for quality in qualities:
        for part in parts:
            first, second = sorted((quality, part), key=lambda term: term.start)
            link = (_BEFORE if first is quality else _AFTER).fullmatch(text, first.end, second.start)
            given = {name for name, other in bound if other == part.name}
            if link and given and not lexicon.supports(quality.name, given):
                yield first.start, second.end


def _split(text: str) -> tuple[list[Term], list[Term]]:
    found = lexicon.find(text)
    return [t for t in found if t.kind in ("material", "colour")], [t for t in found if t.kind == "part"]
