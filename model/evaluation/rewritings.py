"""The same said in other words: converted units, number words, fractions, synonyms. A guard must let it pass."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from model.evaluation.wordings import NUMBER, SMALL, Change, Pair, pick, swap

_FACTORS = (
    ("inches", 2.54, "cm"),
    ("inch", 2.54, "cm"),
    ("feet", 30.48, "cm"),
    ("pounds", 0.45359237, "kg"),
    ("lbs", 0.45359237, "kg"),
    ("ounces", 28.3495231, "g"),
    ("cm", 10.0, "mm"),
    ("kg", 1000.0, "g"),
    ("ml", 0.001, "l"),
    ("liters", 1000.0, "ml"),
    ("mm", 0.1, "cm"),
    ("hours", 60.0, "minutes"),
    ("years", 12.0, "months"),
    ("gb", 1000.0, "mb"),
    ("毫升", 0.001, "升"),
    ("厘米", 10.0, "毫米"),
    ("公斤", 2.0, "斤"),
    ("克", 0.001, "千克"),
)


def _converted(pair: Pair, rng: random.Random) -> str | None:
    """The same amount in another unit."""
    places = []
    for unit, factor, other in _FACTORS:
        edge = r"(?![A-Za-z])" if unit.isascii() else ""
        for match in re.finditer(rf"({NUMBER})[ \-]?{unit}{edge}", pair.text, re.IGNORECASE):
            value = round(float(match.group(1)) * factor, 3)
            if 0.01 <= value < 1e5 and not _CHAINED.search(pair.text, 0, match.start()):
                places.append((match, f"{value:g} {other}"))
    if not places:
        return None
    match, new = rng.choice(places)
    return swap(pair.text, *match.span(), new)


# the last number of '8 x 5 inches' or '3 to 6 years' lends its unit to those before
_CHAINED = re.compile(r"\d\W*(?:[x×*]|by|to|and|or|-|–)\s*$")


def _number_word(pair: Pair, rng: random.Random) -> str | None:
    """Two for 2, 2 for two."""
    digits = [
        (m, SMALL[int(m.group()) - 1])
        for m in re.finditer(NUMBER, pair.text)
        if m.group().isdigit() and 2 <= int(m.group()) <= 12 and not re.match(r"[ \-]\d+/\d", pair.text[m.end() :])
    ]
    words = [(m, str(SMALL.index(m.group()) + 1)) for m in re.finditer(rf"\b(?:{'|'.join(SMALL[1:])})\b", pair.text)]
    if pair.language == "zh" or not digits + words:
        return None
    match, new = rng.choice(digits + words)
    return swap(pair.text, *match.span(), new)


def _as_fraction(pair: Pair, rng: random.Random) -> str | None:
    """1/2 for .5, 3/4 for .75, 1/4 for .25."""
    match = pick(rng, re.finditer(r"(?<![\d.,/])(\d*)\.(5|25|75)0?(?![\d.,/])", pair.text))
    if match is None:
        return None
    part = {"5": "1/2", "25": "1/4", "75": "3/4"}[match.group(2)]
    whole = match.group(1).lstrip("0")
    return swap(pair.text, *match.span(), f"{whole} {part}" if whole else part)


_SYNONYMS = (
    ("gray", "grey"),
    ("grey", "gray"),
    ("aluminum", "aluminium"),
    ("color", "colour"),
    ("fiber", "fibre"),
    ("multicolored", "multi-coloured"),
)


def _synonym(pair: Pair, rng: random.Random) -> str | None:
    """Another spelling."""
    places = [(m, new) for old, new in _SYNONYMS for m in re.finditer(rf"\b{old}\b", pair.text)]
    if not places:
        return None
    match, new = rng.choice(places)
    return swap(pair.text, *match.span(), new)


_CONTRACTIONS = (
    (re.compile(r"\b(is|are|does|do|was|were|should|would|could|has|have|did) not\b"), r"\1n't"),
    (re.compile(r"\b(is|are|does|do|was|were|should|would|could|has|have|did)n['’]t\b"), r"\1 not"),
    (re.compile(r"\bcan(?:not|['’]t)\b"), "can not"),
    (re.compile(r"\bwon['’]t\b"), "will not"),
    (re.compile(r"\bit is\b"), "it's"),
    (re.compile(r"\bit['’]s\b"), "it is"),
)


def _contraction(pair: Pair, rng: random.Random) -> str | None:
    """Doesn't for does not, and the reverse."""
    places = [(m, to) for pattern, to in _CONTRACTIONS for m in pattern.finditer(pair.text)]
    if not places:
        return None
    match, to = rng.choice(places)
    return swap(pair.text, *match.span(), match.expand(to))


#: Ways to say the same: each takes a pair and returns its text in other words, or None.
REWRITINGS: Mapping[str, Change] = {
    "unit conversion": _converted,
    "number word": _number_word,
    "fraction": _as_fraction,
    "spelling": _synonym,
    "contraction": _contraction,
}
