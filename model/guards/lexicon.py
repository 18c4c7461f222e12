"""The words of product facts in English and Chinese: materials, colours, features, origins, brands.

The words stand in `data/facts.txt`. Every entry maps what is written to one canonical name, so that 'aluminum' supports
'aluminium' and 铝合金. Lists are short on purpose: a word that is missing there is still held against the sources as a
content word; a word that is there must be found in the sources under the same canonical name, or one that implies it.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from model.language import fold

# A claim of the left side is supported by a source that has one of the right side.
IMPLIED_BY: dict[str, frozenset[str]] = {
    general: frozenset(special.split(", "))
    for general, special in {
        "wood": "oak, pine, walnut, beech, birch, acacia, teak, mahogany, maple, cedar, rosewood, elm, eucalyptus, "
        "rubberwood, solid wood, cherry wood, ash wood",
        "metal": "stainless steel, carbon steel, steel, iron, cast iron, aluminium, copper, brass, bronze, zinc alloy, "
        "titanium, tin",
        "steel": "stainless steel, carbon steel",
        "iron": "cast iron",
        "silver": "sterling silver",
        "glass": "borosilicate glass, tempered glass",
        "ceramic": "porcelain, bone china, stoneware, earthenware",
        "porcelain": "bone china",
        "plastic": "abs, polypropylene, polyethylene, pet plastic, pvc, polycarbonate, acrylic, melamine",
        "leather": "full-grain leather, cowhide, sheepskin, suede, nubuck",
        "cotton": "organic cotton",
        "wool": "merino wool",
        "foam": "memory foam",
        "wax": "soy wax",
        "blue": "navy",
        "water-resistant": "waterproof",
    }.items()
}

# "oak finish" and "faux oak" are no oak: these words turn the material into its imitation.
_FAKE = r"(?:faux|fake|imitation|artificial|synthetic|simulated)[- ]"
_IMITATION = r"(?:[- ](?:effect|veneer|look|like|finish|finished|style|tone|toned|coloured|colored|plated|imitation)\b)"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the lexicon found in a text: `text[start:end]` means `name`."""

    kind: str
    name: str
    start: int
    end: int


@lru_cache(maxsize=1)
def _entries() -> dict[str, tuple[tuple[str, str], ...]]:
    """What is written, to the (kind, canonical name) pairs that it may mean."""
    table: dict[str, tuple[tuple[str, str], ...]] = {}
    kind = ""
    for line in (files("model.guards") / "data" / "facts.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[] ")
        elif line and not line.startswith("#"):
            name, _, aliases = line.partition(":")
            for spelling in {name, *(part.strip() for part in aliases.split(",") if part.strip())}:
                table[spelling] = (*table.get(spelling, ()), (kind, name))
    return table


@lru_cache(maxsize=1)
def neutral_words() -> frozenset[str]:
    """Words that copy may use without a source."""
    return frozenset(word for word, meanings in _entries().items() if any(kind == "neutral" for kind, _ in meanings))


@lru_cache(maxsize=1)
def _facts() -> dict[str, tuple[tuple[str, str], ...]]:
    facts = {w: tuple(m for m in meanings if m[0] != "neutral") for w, meanings in _entries().items()}
    return {word: meanings for word, meanings in facts.items() if meanings}


@lru_cache(maxsize=1)
def _by_start() -> dict[str, tuple[str, ...]]:
    """Spellings by their first word, or first Chinese character, the longest first."""
    table: dict[str, list[str]] = {}
    for spelling in sorted(_facts(), key=len, reverse=True):
        table.setdefault(_first(spelling), []).append(spelling)
    return {first: tuple(spellings) for first, spellings in table.items()}


def _first(spelling: str) -> str:
    match = _WORD.match(spelling)
    return match.group() if match else spelling[0]


# a Latin word, or a single character of anything else that the lexicon's spellings begin with
_WORD = re.compile(r"[a-z0-9]+|[^\x00-\x7f]")
_BEFORE = re.compile(rf"(?<![a-z0-9]){_FAKE}$")
_BEHIND = re.compile(_IMITATION)
_BEHIND_CHINESE = re.compile("色|纹|风格")
_FAKE_LENGTH = len("artificial ")


@lru_cache(maxsize=512)
def find(text: str) -> tuple[Term, ...]:
    """Every word of the lexicon in the text, the longest match first where several fit, in order of place."""
    table, starts = _facts(), _by_start()
    folded = fold(text)
    found: list[Term] = []
    free = 0
    for word in _WORD.finditer(folded):
        start = word.start()
        if start < free:
            continue
        # a plural counts as its singular
        first = word.group()
        candidates = starts.get(first, ())
        if first.endswith("s"):
            candidates += starts.get(first[:-1], ())
        for spelling in candidates:
            end = _end(folded, start, spelling)
            if end < 0:
                continue
            before = _BEFORE.search(folded, max(0, start - _FAKE_LENGTH), start) if spelling.isascii() else None
            behind = (_BEHIND if spelling.isascii() else _BEHIND_CHINESE).match(folded, end)
            begin, free = before.start() if before else start, behind.end() if behind else end
            for kind, name in table[spelling]:
                faked = f"imitation {name}" if (before or behind) and kind == "material" else name
                found.append(Term(kind, faked, begin, free))
            break
    return tuple(found)


def _end(text: str, start: int, spelling: str) -> int:
    """Where the spelling, or its plural, ends that begins at `start`; -1 if another word stands there."""
    if not text.startswith(spelling, start):
        return -1
    end = start + len(spelling)
    if not spelling.isascii():
        return end
    if text.startswith("s", end):
        end += 1
    follows = text[end : end + 1]
    return -1 if follows.isascii() and follows.isalnum() else end


def supports(name: str, available: AbstractSet[str]) -> bool:
    """Whether a claim of `name` follows from the names that the sources have."""
    return name in available or not available.isdisjoint(IMPLIED_BY.get(name, frozenset()))
