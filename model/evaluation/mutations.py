"""Does the grounding guard see a lie, and let a truth pass? Measured on texts that are known to be true.

From a pair of sources and a true text, each kind of mutation makes one false text (another number, material, ...), and
each kind of rewriting says the same in other words. This is the mutation testing of programs (DeMillo, Lipton and
Sayward 1978) and the contrast sets of language understanding (Gardner et al. 2020), for a guard. The replacements are
found by patterns and word lists of their own, so that what the guard does not know is changed as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.guards import grounding, lexicon, quantities
from model.language import fold


@dataclass(frozen=True, slots=True)
class Pair:
    """A text that is true to its sources, and the question that it answers, if any."""

    sources: tuple[str, ...]
    text: str
    question: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `total`."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing is 0."""
        return self.hits / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """How the guard judged.

    Attributes:
        refused: true texts that it refused, as they were written.
        detected: for each kind of mutation, the false texts that it refused. Only texts that pass unchanged are
            mutated, or a refusal would say nothing about the mutation.
        passed: for each kind of rewriting, the texts that pass as before.
        missed: examples (kind, text before, text after) that were judged wrongly, at most `keep` a kind.
    """

    refused: Rate
    detected: Mapping[str, Rate]
    passed: Mapping[str, Rate]
    missed: tuple[tuple[str, str, str], ...]


Guard = Callable[[str, Sequence[str], str, str], Sequence[object]]
Change = Callable[[Pair, random.Random], "str | None"]


def evaluate(pairs: Iterable[Pair], seed: int, guard: Guard = grounding.check, keep: int = 5) -> Report:
    """Every kind of change on every pair that it fits, once; the same seed gives the same texts.

    `guard` takes text, sources, language and question, and returns what it found: nothing, when the text may leave.
    """
    refused = total = 0
    tallies: dict[tuple[bool, str], list[int]] = {}
    wrong: dict[str, list[tuple[str, str, str]]] = {}
    for index, pair in enumerate(pairs):
        total += 1
        if guard(pair.text, pair.sources, pair.language, pair.question):
            refused += 1
            continue
        for false, changes in ((True, MUTATIONS), (False, REWRITINGS)):
            for kind, change in changes.items():
                text = change(pair, random.Random(f"{seed}/{index}/{kind}"))
                if text is None or text == pair.text:
                    continue
                right = bool(guard(text, pair.sources, pair.language, pair.question)) is false
                tally = tallies.setdefault((false, kind), [0, 0])
                tally[0] += right
                tally[1] += 1
                if not right:
                    wrong.setdefault(kind, []).append((kind, pair.text, text))
    rates = {key: Rate(*tally) for key, tally in tallies.items()}
    return Report(
        Rate(refused, total),
        {kind: rates[True, kind] for kind in MUTATIONS if (True, kind) in rates},
        {kind: rates[False, kind] for kind in REWRITINGS if (False, kind) in rates},
        tuple(example for examples in wrong.values() for example in examples[:keep]),
    )


_NUMBER = r"(?<![\w./,\-:])\d+(?:\.\d+)?(?![\w/:]|[.,\-]\d)"
_SMALL = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
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


def _swap(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _pick(rng: random.Random, matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    found = list(matches)
    return rng.choice(found) if found else None


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
    match = _pick(rng, (m for m in re.finditer(_NUMBER, pair.text) if not _counted(pair.text, m.end())))
    return match and _swap(pair.text, *match.span(), _other_number(pair, float(match.group()), rng))


def _counted(text: str, end: int) -> bool:
    noun = re.match(
        r"[ \-](?:[a-z]+ )?([a-z]{3,}s|pack|piece|player|set)\b|\s?[个只件片支根包袋盒瓶]", text[end:], re.IGNORECASE
    )
    return bool(noun) and not re.match(rf"[ \-](?:{_UNITS})\b", text[end:].lower())


def _count(pair: Pair, rng: random.Random) -> str | None:
    """Another count: a pack of 3 for a pack of 2, five dolls for two dolls."""
    digits = [m for m in re.finditer(_NUMBER, pair.text) if _counted(pair.text, m.end())]
    words = list(re.finditer(rf"\b(?:{'|'.join(_SMALL[1:])})\b", pair.text))
    match = _pick(rng, digits + words)
    if match is None:
        return None
    word = match.group()
    value = float(_SMALL.index(word) + 1) if word in _SMALL else float(word)
    new = _other_number(pair, value, rng)
    if word in _SMALL and float(new) <= len(_SMALL) and float(new).is_integer():
        new = _SMALL[int(float(new)) - 1]
    return _swap(pair.text, *match.span(), new)


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
    return _swap(pair.text, match.start() + len(match.group(1)), match.end(), other)


def _fraction(pair: Pair, rng: random.Random) -> str | None:
    """1-9/16 for 9/16, and 9/16 for 1-9/16."""
    match = _pick(rng, re.finditer(r"(?<![\d/\-])(?:(\d+)[ \-])?(\d{1,2}/\d{1,2})(?![\d/])", pair.text))
    if match is None:
        return None
    return _swap(pair.text, *match.span(), match.group(2) if match.group(1) else f"1-{match.group(2)}")


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
        return _swap(pair.text, place.start, place.end, rng.choice(new))

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
    return _swap(pair.text, *match.span(), other)


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
    match = _pick(rng, _brands_in(pair))
    others = [b for b in _BRANDS if fold(b) not in fold("\n".join(pair.sources))]
    if match is None or not others:
        return None
    other = rng.choice(others)
    return _swap(pair.text, *match.span(), other.lower() if match.group().islower() else other)


def _merged_brand(pair: Pair, rng: random.Random) -> str | None:
    """Two brands as one."""
    match = _pick(rng, _brands_in(pair))
    others = [b for b in _BRANDS if fold(b) not in fold("\n".join(pair.sources))]
    if match is None or not others:
        return None
    other = rng.choice(others)
    return _swap(pair.text, match.end(), match.end(), " " + (other.lower() if match.group().islower() else other))


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
            return _swap(text, *match.span(), match.expand(to))
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
        for match in re.finditer(rf"({_NUMBER})[ \-]?{unit}{edge}", pair.text, re.IGNORECASE):
            value = round(float(match.group(1)) * factor, 3)
            if 0.01 <= value < 1e5 and not _CHAINED.search(pair.text, 0, match.start()):
                places.append((match, f"{value:g} {other}"))
    if not places:
        return None
    match, new = rng.choice(places)
    return _swap(pair.text, *match.span(), new)


# the last number of '8 x 5 inches' or '3 to 6 years' lends its unit to those before
_CHAINED = re.compile(r"\d\W*(?:[x×*]|by|to|and|or|-|–)\s*$")


def _number_word(pair: Pair, rng: random.Random) -> str | None:
    """Two for 2, 2 for two."""
    digits = [
        (m, _SMALL[int(m.group()) - 1])
        for m in re.finditer(_NUMBER, pair.text)
        if m.group().isdigit() and 2 <= int(m.group()) <= 12 and not re.match(r"[ \-]\d+/\d", pair.text[m.end() :])
    ]
    words = [(m, str(_SMALL.index(m.group()) + 1)) for m in re.finditer(rf"\b(?:{'|'.join(_SMALL[1:])})\b", pair.text)]
    if pair.language == "zh" or not digits + words:
        return None
    match, new = rng.choice(digits + words)
    return _swap(pair.text, *match.span(), new)


def _as_fraction(pair: Pair, rng: random.Random) -> str | None:
    """1/2 for .5, 3/4 for .75, 1/4 for .25."""
    match = _pick(rng, re.finditer(r"(?<![\d.,/])(\d*)\.(5|25|75)0?(?![\d.,/])", pair.text))
    if match is None:
        return None
    part = {"5": "1/2", "25": "1/4", "75": "3/4"}[match.group(2)]
    whole = match.group(1).lstrip("0")
    return _swap(pair.text, *match.span(), f"{whole} {part}" if whole else part)


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
    return _swap(pair.text, *match.span(), new)


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
    return _swap(pair.text, *match.span(), match.expand(to))


#: Ways to say the same: each takes a pair and returns its text in other words, or None.
REWRITINGS: Mapping[str, Change] = {
    "unit conversion": _converted,
    "number word": _number_word,
    "fraction": _as_fraction,
    "spelling": _synonym,
    "contraction": _contraction,
}
