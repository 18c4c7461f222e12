"""What a set of sources states, in comparable form: quantities with their roles, terms with a yes or a no, clauses.

A source that came from an attribute reads 'name: value'; its name gives its value a role ('height: 80 cm'), a unit
('weight (kg): 2.5') or something to deny ('dishwasher safe: no').
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from model.guards import bindings, lexicon, quantities
from model.guards.quantities import Quantity
from model.language import fold, sentences, terms


@dataclass(frozen=True, slots=True)
class Clause:
    """The content words of a stretch of text, and whether it denies them."""

    words: frozenset[str]
    negated: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a set of sources states, in comparable form."""

    text: str  # all sources, folded, one a line
    tokens: frozenset[str]  # words as written, folded
    stems: frozenset[str]
    quantities: tuple[tuple[Quantity, str], ...]  # with the role: height, weight, ...
    codes: frozenset[str]
    terms: dict[str, frozenset[bool]]  # canonical name -> polarities it is stated with (True: not negated)
    clauses: tuple[Clause, ...]
    brands: frozenset[str]
    bound: frozenset[tuple[str, str]]  # materials and colours with the part that they belong to
    sentences: frozenset[str]  # whole sentences and lines, without what ends them
    materials: frozenset[str]  # stems of what a source says the product is made of


NEGATOR = re.compile(
    r"\b(?:not(?! only| just)|no(?![- ](?:fuss|nonsense|frills|matter|\d))|never"
    r"|without|nor|neither|none|cannot|lacks?|excluding|excludes?|except|avoid|unsuitable|incompatible"
    r"|[a-z]+n['’]t)\b|不(?!锈|粘|规则|仅|只|同|错|但|断|易|止)|没|无(?!线|印|比|缝|论)|非(?!常)|未|勿|禁止"
)
_BREAK = re.compile(r"[.;!?。；！？\n]|\b(?:but|however|yet|although)\b|但|而且|，")
_NOT_AFTER = re.compile(
    r"[\w\-]+(?: \w+)?,? (?:(?:is|are) )?not "
    r"(?:included|supplied|provided|possible|recommended|suitable|allowed|available)"
    r"|[\w\- ]{1,30}: ?(?:no|none|false)\b|[\w\-]{1,12}: ?(?:否|无|不)"
    r"|[\w\-]{1,6}?(?:不(?!锈|粘)|未)(?:包含|含|支持|可|能|附)"
)
_FALSE = re.compile(r"\s*(?:no|false|none|not\b.*|without.*|n/?a|0|否|无|没有|不支持|不.*)\s*$")
TOKEN = re.compile(r"[a-z0-9\u00c0-\u024f]+")

_ROLES = {
    "height": r"height|high|tall|高度?",
    "width": r"width|wide|宽度?",
    "length": r"length|long|长度?",
    "depth": r"depth|deep|深度?",
    "diameter": r"diameter|直径",
    "thickness": r"thickness|thick|厚度?",
    "load": r"load|supports?|max(?:imum)? weight|weight (?:capacity|limit)|承重|载重",
    "weight": r"weighs?|weight|重量?|净重",
    "capacity": r"capacity|volume|holds?|容量",
}
ROLE = re.compile("|".join(rf"(?P<{role}>(?<![a-z])(?:{words})(?![a-z]))" for role, words in _ROLES.items()))


@lru_cache(maxsize=256)
def facts_of(sources: tuple[str, ...]) -> Facts:
    """Reads the sources once; a listing's sources are asked about several times in a row, hence the cache."""
    folded = [fold(source) for source in sources]
    polarities: dict[str, set[bool]] = {}
    amounts: list[tuple[Quantity, str]] = []
    clauses: list[Clause] = []
    for source in folded:
        denied = _denied(source)
        for term in lexicon.find(source):
            polarities.setdefault(term.name, set()).add(not denied and not is_negated(source, term.start))
        amounts += [(_with_unit_of_name(q, source), role_of(source, q)) for q in quantities.find(source)]
        for start, end in clause_spans(source):
            piece = source[start:end]
            clauses.append(Clause(frozenset(terms(piece)), denied or bool(NEGATOR.search(piece))))
    text = "\n".join(folded)
    made_of = re.findall(r"(?:^|\n)[^\n:]*materials?: ([^\n]+)|\bmade (?:out )?(?:of|from) ([^.,;!?\n]{2,40})", text)
    whole = [source[start:end] for source in folded for start, end in sentences(source)]
    return Facts(
        bound=frozenset(pair for source in folded for pair in bindings.stated(source)),
        sentences=frozenset(plain_sentence(text) for text in (*folded, *whole)),
        text=text,
        tokens=frozenset(TOKEN.findall(text)),
        stems=frozenset(terms(text)),
        quantities=tuple(amounts),
        codes=frozenset(code for source in folded for code, _, _ in quantities.codes(source)),
        terms={name: frozenset(values) for name, values in polarities.items()},
        clauses=tuple(clauses),
        brands=frozenset(
            value.strip()
            for source in folded
            for name, _, value in [source.partition(":")]
            if name in ("brand", "品牌")
        ),
        materials=frozenset(term for pair in made_of for term in terms(" ".join(pair))),
    )


def plain_sentence(text: str) -> str:
    """A sentence as it compares with another: folded, without white space, quotes and what ends it."""
    return "".join(fold(text).split()).strip(" \"'“”‘’.。!！?？;；,，*•-")


def _denied(source: str) -> bool:
    """An attribute whose value says no: 'dishwasher safe: no'."""
    _, colon, value = source.partition(":")
    return bool(colon and _FALSE.match(value))


def clause_spans(text: str) -> list[tuple[int, int]]:
    """Stretches that one negator can reach. A comma ends one unless it goes on as a list: 'no x, y or z'."""
    cuts = [0, *(m.end() for m in _BREAK.finditer(text) if not _inside_number(text, m.start())), len(text)]
    spans: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        piece = text[start:end]
        if "," in piece and not re.search(r"\b(?:or|nor)\b", piece):
            commas = [start, *(start + m.end() for m in re.finditer(r",(?!\d)", piece)), end]
            spans += pairwise(commas)
        elif piece.strip():
            spans.append((start, end))
    return spans


def _inside_number(text: str, place: int) -> bool:
    return text[place] == "." and text[place + 1 : place + 2].isdigit()


def is_negated(text: str, place: int) -> bool:
    """Whether a negator stands before `place`, or after it, in its clause ('not waterproof', 'lid not included')."""
    start, end = next((s, e) for s, e in [*clause_spans(text), (0, len(text))] if s <= place < e)
    return bool(NEGATOR.search(text, start, place) or _NOT_AFTER.match(text[place:end]))


def _with_unit_of_name(quantity: Quantity, source: str) -> Quantity:
    """'weight (kg): 2.5' and 'weight_kg: 2.5' state 2.5 kg."""
    name, colon, _ = source.partition(":")
    if quantity.dimension != "count" or not colon or quantity.start < len(name):
        return quantity
    unit = re.search(r"[\s_(（]([a-z°%]+|[\u4e00-\u9fff]{1,2})[)）]?\s*$", name)
    amounts = quantities.find(f"{quantity.value:f}{unit.group(1)}") if unit else []
    if len(amounts) != 1 or amounts[0].dimension == "count":
        return quantity
    return Quantity(amounts[0].value, amounts[0].dimension, amounts[0].system, quantity.start, quantity.end)


def role_of(text: str, quantity: Quantity) -> str:
    """What the quantity is the measure of, from the nearest role word of its clause; '' if none or several fit."""
    if quantity.dimension not in ("length", "mass", "volume"):
        return ""
    start, end = next((s, e) for s, e in [*clause_spans(text), (0, len(text))] if s <= quantity.start < e)
    after = ROLE.match(text[quantity.end : end].lstrip(' -."”″').removeprefix("in "))
    if after:
        return str(after.lastgroup)
    before = list(ROLE.finditer(text, start, quantity.start))
    name, colon, _ = text.partition(":")
    if colon and start <= len(name) and len(before) > 1:
        return ""  # 'size (width x depth): 40 x 30 cm'
    return str(before[-1].lastgroup) if before else ""
