"""False texts from true ones: each kind changes one claim.

The replacements are found by patterns and word lists of their own, so that what the guard does not know is changed too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence

from model.evaluation.wordings import NUMBER, SMALL, Change, Pair, pick, swap
from model.guards import lexicon, quantities
from model.language import fold

_UNIT_PAIRS = (
    ("inches", "centimeters"),
    ("inch", "centimeter"),
    ("in", "cm"),
    ('"', " cm"),
    ("feet", "meters"),
    ("foot", "meter"),
    ("ft", "m"),
    ("pounds", "kilograms"),
    ("pound", "kilogram"),
    ("lbs", "kg"),
    ("lb", "kg"),
    ("ounces", "grams"),
    ("oz", "g"),
    ("ml", "oz"),
    ("liters", "gallons"),
    ("gallons", "liters"),
    ("hours", "minutes"),
    ("minutes", "hours"),
    ("months", "years"),
    ("years", "months"),
    ("watts", "volts"),
    ("volts", "watts"),
    ("mah", "mw"),
    ("cm", "inches"),
    ("mm", "cm"),
    ("kg", "lbs"),
    ("毫升", "升"),
    ("升", "毫升"),
    ("厘米", "米"),
    ("米", "厘米"),
    ("公斤", "斤"),
    ("克", "斤"),
)
_SIZE_GROUPS = (
    ("twin", "queen", "king"),
    ("small", "medium", "large"),
    ("mini", "full-size"),
    ("S", "M", "L", "XL"),
    ("大号", "中号", "小号"),
)
_BRANDS = ("Samsung", "Bosch", "Dyson", "Lego", "Philips", "Nike", "Lumetra", "Kovando", "Brixton Lane", "Orvelle")


_UNITS = "|".join(re.escape(unit) for pair in _UNIT_PAIRS for unit in pair)


def _other_number(pair: Pair, value: float, rng: random.Random) -> str:
    """A number that no source states, about as large, written as `value` was."""
    known = {float(n) for source in pair.sources for n in re.findall(r"\d+(?:\.\d+)?", source)}
    known |= {float(q.value) for source in pair.sources for q in quantities.find(source)} | {1.0, value}
    candidates = [value + 1, value + 2, value + 3, value * 2, value * 3, value + 10, value * 10, value + 7]
    fitting = [c for c in candidates if c not in known and all(abs(c - k) > 0.05 * c for k in known)] or [
        value * 7 + 13
    ]
    return f"{rng.choice(fitting):.6g}"


def _number(pair: Pair, rng: random.Random) -> str | None:
    """Another number before a unit or alone; not the count of something, which is a kind of its own."""
    match = pick(rng, (m for m in re.finditer(NUMBER, pair.text) if not _counted(pair.text, m.end())))
    return match and swap(pair.text, *match.span(), _other_number(pair, float(match.group()), rng))


def _counted(text: str, end: int) -> bool:
    noun = re.match(
        r"[ \-](?:[a-z]+ )?([a-z]{3,}s|pack|piece|player|set)\b|\s?[个只件片支根包袋盒瓶]", text[end:], re.IGNORECASE
    )
    return bool(noun) and not re.match(rf"[ \-](?:{_UNITS})\b", text[end:].lower())


def _count(pair: Pair, rng: random.Random) -> str | None:
    """Another count: a pack of 3 for a pack of 2, five dolls for two dolls."""
    digits = [m for m in re.finditer(NUMBER, pair.text) if _counted(pair.text, m.end())]
    words = list(re.finditer(rf"\b(?:{'|'.join(SMALL[1:])})\b", pair.text))
    match = pick(rng, digits + words)
    if match is None:
        return None
    word = match.group()
    value = float(SMALL.index(word) + 1) if word in SMALL else float(word)
    new = _other_number(pair, value, rng)
    if word in SMALL and float(new) <= len(SMALL) and float(new).is_integer():
        new = SMALL[int(float(new)) - 1]
    return swap(pair.text, *match.span(), new)


def _unit(pair: Pair, rng: random.Random) -> str | None:
    """Another unit behind the same number."""
    places = []
    for unit, other in _UNIT_PAIRS:
        edge = r"(?![A-Za-z])" if unit.isalpha() and unit.isascii() else ""
        for match in re.finditer(rf"(?<=\d)(?<![^\d.,]0)([\s\-]?){re.escape(unit)}{edge}", pair.text, re.IGNORECASE):
            places.append((match, other))
    if not places:
        return None
    match, other = rng.choice(places)
    return swap(pair.text, match.start() + len(match.group(1)), match.end(), other)


def _fraction(pair: Pair, rng: random.Random) -> str | None:
    """1-9/16 for 9/16, and 9/16 for 1-9/16."""
    match = pick(rng, re.finditer(r"(?<![\d/\-])(?:(\d+)[ \-])?(\d{1,2}/\d{1,2})(?![\d/])", pair.text))
    if match is None:
        return None
    return swap(pair.text, *match.span(), match.group(2) if match.group(1) else f"1-{match.group(2)}")


def _of_kind(kind: str, pool: Mapping[str, Sequence[str]]) -> Change:
    def change(pair: Pair, rng: random.Random) -> str | None:
        """Another word of the same kind, which no source has."""
        words = pool["zh" if pair.language == "zh" else "en"]
        sources = fold("\n".join(pair.sources))
        known = {t.name for t in lexicon.find(sources)} | {word for word in words if word in sources}
        found = [t for t in lexicon.find(pair.text) if t.kind == kind]
        new = [w for w in words if w not in known and w not in fold(pair.text)]
        new = [w for w in new if not {t.name for t in lexicon.find(w)} & known]
        if not found or not new:
            return None
        place = rng.choice(found)
        return swap(pair.text, place.start, place.end, rng.choice(new))

    return change


_MATERIALS = {
    "en": (
        "steel",
        "copper",
        "glass",
        "leather",
        "bamboo",
        "cotton",
        "rubber",
        "silicone",
        "oak",
        "nylon",
        "ceramic",
        "brass",
    ),
    "zh": ("不锈钢", "玻璃", "真皮", "纯棉", "硅胶", "陶瓷", "橡木", "塑料"),
}
_COLOURS = {
    "en": ("red", "blue", "green", "black", "white", "purple", "orange", "yellow", "pink", "grey", "brown"),
    "zh": ("红色", "蓝色", "绿色", "黑色", "白色", "紫色"),
}


def _size(pair: Pair, rng: random.Random) -> str | None:
    """Queen for king, small for large."""
    sources = fold("\n".join(pair.sources))
    places = []
    for group in _SIZE_GROUPS:
        for word in group:
            flags = 0 if len(word) < 3 else re.IGNORECASE
            edge = r"(?![A-Za-z'’])" if word.isascii() else ""
            front = r"(?<![A-Za-z'’])" if word.isascii() else ""
            for match in re.finditer(front + re.escape(word) + edge, pair.text, flags):
                others = [
                    o
                    for o in group
                    if o != word and not re.search(rf"(?<![a-z]){re.escape(o.lower())}(?![a-z])", sources)
                ]
                if others:
                    places.append((match, rng.choice(others)))
    if not places:
        return None
    match, other = rng.choice(places)
    return swap(pair.text, *match.span(), other)


def _brands_in(pair: Pair) -> list[re.Match[str]]:
    stated = [
        s.partition(":")[2].strip() for s in pair.sources if s.partition(":")[0].strip().lower() in ("brand", "品牌")
    ]
    names = [b for b in stated if len(b) > 1] + [
        pair.text[t.start : t.end] for t in lexicon.find(pair.text) if t.kind == "brand"
    ]
    return [m for name in names for m in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", pair.text, re.IGNORECASE)]


def _brand(pair: Pair, rng: random.Random) -> str | None:
    """Another brand."""
    match = pick(rng, _brands_in(pair))
    others = [b for b in _BRANDS if fold(b) not in fold("\n".join(pair.sources))]
    if match is None or not others:
        return None
    other = rng.choice(others)
    return swap(pair.text, *match.span(), other.lower() if match.group().islower() else other)


def _merged_brand(pair: Pair, rng: random.Random) -> str | None:
    """Two brands as one."""
    match = pick(rng, _brands_in(pair))
    others = [b for b in _BRANDS if fold(b) not in fold("\n".join(pair.sources))]
    if match is None or not others:
        return None
    other = rng.choice(others)
    return swap(pair.text, match.end(), match.end(), " " + (other.lower() if match.group().islower() else other))


_DENYING = (
    (re.compile(r"\b(is|are|was|were|can|could|should|will|would|does|do|did|has|have|must) not\b"), r"\1"),
    (re.compile(r"\b(is|are|was|were|could|should|would|has|have)n['’]t\b"), r"\1"),
    (re.compile(r"\b(?:does|do)n['’]t (\w+)"), r"\1"),
    (re.compile(r"\bcan(?:not|['’]t)\b"), "can"),
    (re.compile(r"\bwon['’]t\b"), "will"),
    (re.compile(r"\b(?:there (?:is|are)) no\b"), "there is"),
    (re.compile(r"\bwithout\b"), "with"),
    (re.compile(r"^no\b,?"), "yes,"),
    (re.compile(r"不可以|不能|不可"), "可以"),
    (re.compile(r"不支持"), "支持"),
    (re.compile(r"没有"), "有"),
)
_AFFIRMING = (
    (re.compile(r"\b(is|are|can|could|should|will|would|must|may)\b(?! not\b|n['’]t)(?= \w)"), r"\1 not"),
    (re.compile(r"\b(?:comes|come) with\b"), "does not come with"),
    (re.compile(r"\bincludes\b"), "does not include"),
    (re.compile(r"\b(has)\b(?= (?:a|an|the|\d|two|three|four)\b)"), "does not have"),
    (re.compile(r"\b(?:needs|requires)\b"), "does not need"),
    (re.compile(r"^yes\b,?"), "no,"),
    (re.compile(r"^是的|^可以"), "不是"),
    (re.compile(r"可(?=机洗|水洗|放|折叠|拆)"), "不可"),
    (re.compile(r"支持"), "不支持"),
    (re.compile(r"含(?=有)|配有|附带"), "不含"),
)


def _negation(pair: Pair, rng: random.Random) -> str | None:
    """A statement denied, or a denial stated."""
    text = pair.text
    for patterns in (_DENYING, _AFFIRMING):
        places = [(m, to) for pattern, to in patterns for m in pattern.finditer(text) if pattern.flags]
        if places:
            match, to = rng.choice(places)
            return swap(text, *match.span(), match.expand(to))
    return None


#: Kinds of false texts: each takes a pair and returns its text with one lie in it, or None where none fits.
MUTATIONS: Mapping[str, Change] = {
    "number": _number,
    "unit": _unit,
    "fraction": _fraction,
    "count": _count,
    "size": _size,
    "material": _of_kind("material", _MATERIALS),
    "colour": _of_kind("colour", _COLOURS),
    "brand": _brand,
    "merged_brand": _merged_brand,
    "negation": _negation,
}
