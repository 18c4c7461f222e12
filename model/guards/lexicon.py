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
def _pattern() -> re.Pattern[str]:
    table = _facts()
    latin = sorted((a for a in table if a.isascii()), key=len, reverse=True)
    chinese = sorted((a for a in table if not a.isascii()), key=len, reverse=True)
    return re.compile(
        rf"(?<![a-z0-9])({_FAKE})?(" + "|".join(map(re.escape, latin)) + rf")s?(?![a-z0-9])({_IMITATION})?"
        r"|(" + "|".join(map(re.escape, chinese)) + r")(色|纹|风格)?"
    )


def find(text: str) -> list[Term]:
    """Every word of the lexicon in the text, the longest match first where several fit, in order of place."""
    table = _facts()
    found: list[Term] = []
    for match in _pattern().finditer(fold(text)):
        alias = match.group(2) or match.group(4)
        imitation = match.group(1) or match.group(3) or match.group(5)
        for kind, name in table[alias]:
            faked = f"imitation {name}" if imitation and kind == "material" else name
            found.append(Term(kind, faked, match.start(), match.end()))
    return found


def supports(name: str, available: AbstractSet[str]) -> bool:
    """Whether a claim of `name` follows from the names that the sources have."""
    return name in available or not available.isdisjoint(IMPLIED_BY.get(name, frozenset()))
