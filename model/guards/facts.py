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
    elsewhere: bool = False  # of what it works with, needs or leaves out
    excluded: bool = False  # denied only in so far as it is not part of what is sold
    denied: frozenset[str] = frozenset()  # the words behind the negator


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a set of sources states, in comparable form."""

    text: str  # all sources, folded, one a line
    tokens: frozenset[str]  # words as written, folded
    stems: frozenset[str]
    quantities: tuple[tuple[Quantity, str], ...]  # with the role: height, weight, ...
    codes: frozenset[str]
    hyphenated: frozenset[str]  # codes as they stand, with hyphens: 'basic-5-pocket'
    terms: dict[str, frozenset[bool]]  # canonical name -> polarities it is stated with (True: not negated)
    clauses: tuple[Clause, ...]
    brands: frozenset[str]
    bound: frozenset[tuple[str, str]]  # materials and colours with the part that they belong to
    sentences: frozenset[str]  # whole sentences and lines, without what ends them
    materials: frozenset[str]  # stems of what a source says the product is made of
    excluded: frozenset[str]  # terms denied only as 'not included'


NEGATOR = re.compile(
    r"\b(?:not(?! only| just)|no(?![- ](?:fuss|nonsense|frills|matter|problems?|trouble|doubt|issues?|\d))|never"
    r"|without|nor|neither|none|cannot|lacks?|excluding|excludes?|except|avoid|unsuitable|incompatible"
    r"|[a-z]+n['’]t|(?:do|does|did|is|are|was|were|wo|ca|should|would|could)nt)\b|不(?!锈|粘|规则|仅|只|同|错|但|断|易|止)|没|无(?!线|印|比|缝|论)|非(?!常)|未|勿|禁止"
)
_BREAK = re.compile(r"[.;!?。；！？\n]|--|—|\b(?:but|however|yet|although)\b|但|而且|，")
_NOT_AFTER = re.compile(
    r"[\w\-]+(?: \w+)?,? \(?(?:(?:(?:is|are) )?not |(?:is|are)n['’]?t )"
    r"(?:included|supplied|provided|possible|recommended|suitable|allowed|available)"
    r"|[\w\- ]{1,30}: ?(?:no|none|false)\b|[\w\-]{1,12}: ?(?:否|无|不)"
    r"|[\w\-]{1,6}?(?:不(?!锈|粘)|未)(?:包含|含|支持|可|能|附)"
)
# 'not included', 'sold separately': the thing may be needed, or fit, all the same
_EXCLUDED = re.compile(
    r"\b(?:not|n['’]?t)(?: be)? (?:included?|supplied|provided)\b|\bsold separately\b|不(?:包含|含|附带?)|另购|另售"
)
_ELSEWHERE = re.compile(
    r"\b(?:compatible|works? with|fits?|requires?|needs?|for use with|separately)\b|适用|另购|另售|需"
)
#: Words of what must be there, wherever it comes from.
NEEDED = re.compile(
    r"\b(?:needs?|needed|requires?|required|uses?|takes?|runs?|operate[sd]?|powered|controlled|works? with|fits?)\b"
    r"|需要?|使用"
)
_FALSE = re.compile(r"\s*(?:no|false|none|not\b.*|without.*|n/?a|0|否|无|没有|不支持|不.*)\s*$")
TOKEN = re.compile(r"[a-z0-9\u00c0-\u024f]+")

_FREE_OF = re.compile(r"\b([a-z]+)[- ]free\b")
_MADE_OF = re.compile(
    r"(?:^|\n)[^\n:]*(?:materials?|ingredients?|fabric|finish)[^\n:]*: ([^\n]+)|\bmaterials? ([^\n,;.]+)"
    r"|\b(?:made|consists|comprised) (?:out )?(?:of|from) ([^.,;!?\n]{2,40})"
)
# full stops and slashes without white space: 'stomp rockets.no batteries', 'steel/glass'
_GLUED = re.compile(r"(?<=[a-z]{2})[./]+(?=[a-z]{2})")

_ROLES = {
    "height": r"height|high|tall|高度?",
    "width": r"width|wide|宽度?",
    "length": r"length|long|长度?",
    "depth": r"depth|deep|深度?",
    "diameter": r"diameter|直径",
    "thickness": r"thickness|thick|厚度?",
    "load": r"load|supports?|max(?:imum)?(?: [a-z]+)? (?:weight|user)|weight (?:capacity|limit)|holds? up to|承重|载重",
    "weight": r"weighs?|weight|重量?|净重",
    "capacity": r"capacity|volume|holds?|容量",
}
ROLE = re.compile("|".join(rf"(?P<{role}>(?<![a-z])(?:{words})(?![a-z]))" for role, words in _ROLES.items()))


@lru_cache(maxsize=256)
def facts_of(sources: tuple[str, ...]) -> Facts:
    """Reads the sources once; a listing's sources are asked about several times in a row, hence the cache."""
    folded = [fold(source).replace('\\"', '"') for source in sources]
    polarities: dict[str, set[bool]] = {}
    excluded: set[str] = set()
    amounts: list[tuple[Quantity, str]] = []
    clauses: list[Clause] = []
    for source in folded:
        denied = _denied(source)
        for term in lexicon.find(source):
            negated = denied or is_negated(source, term.start)
            polarities.setdefault(term.name, set()).add(not negated)
            clause = clause_at(source, term.end - 1)
            if term.name != "included" and _EXCLUDED.search(clause, clause.find(source[term.start : term.end])):
                excluded.add(term.name)
                polarities[term.name] |= {False, bool(NEEDED.search(clause))}
        amounts += [(_with_unit_of_name(q, source), role_of(source, q)) for q in quantities.find(source)]
        for start, end in clause_spans(source):
            piece, aside = _split_aside(source[start:end])
            if aside:
                clauses.append(Clause(frozenset(terms(aside)), True, True, bool(_EXCLUDED.search(aside))))
            negated = denied or bool(NEGATOR.search(piece))
            words = frozenset(terms(piece))
            clauses.append(
                Clause(
                    words,
                    negated,
                    bool(_ELSEWHERE.search(piece)),
                    negated and bool(_EXCLUDED.search(piece)),
                    frozenset(terms(piece[negator.end() :])) if (negator := NEGATOR.search(piece)) else frozenset(),
                )
            )
            free = frozenset(terms(" ".join(_FREE_OF.findall(piece))))
            if free:
                clauses.append(Clause(free, True))
    text = "\n".join(folded)
    made_of = _MADE_OF.findall(text)
    whole = [source[start:end] for source in folded for start, end in sentences(source)]
    return Facts(
        bound=frozenset(pair for source in folded for pair in bindings.stated(source)),
        sentences=frozenset(plain_sentence(text) for text in (*folded, *whole)),
        text=text,
        tokens=frozenset(TOKEN.findall(text)),
        stems=frozenset(terms(_GLUED.sub(" ", text))),
        quantities=tuple(amounts),
        codes=frozenset(code for source in folded for code, _, _ in quantities.codes(source)),
        hyphenated=frozenset(
            source[start:end]
            for source in folded
            for _, start, end in quantities.codes(source)
            if "-" in source[start:end]
        ),
        terms={name: frozenset(values) for name, values in polarities.items()},
        clauses=tuple(clauses),
        brands=frozenset(
            value.strip()
            for source in folded
            for name, _, value in [source.partition(":")]
            if name in ("brand", "品牌")
        ),
        materials=frozenset(term for pair in made_of for term in terms(" ".join(pair))),
        excluded=frozenset(excluded),
    )


_ASIDE = re.compile(r"\(([^()]*)\)")
_TWO_WORDS = re.compile(r"(\S+(?:\s+\S+)?)\s*$")
_REACH = 80  # characters before a parenthesis that the two words are looked for in: a hostile text has no spaces


def _split_aside(clause: str) -> tuple[str, str]:
    """A clause without a denial in parentheses, and that with what stands before it: 'batteries (not included)'."""
    for match in _ASIDE.finditer(clause):
        if NEGATOR.search(match[1]) and (
            before := _TWO_WORDS.search(clause, max(0, match.start() - _REACH), match.start())
        ):
            return f"{clause[: before.end(1)]} {clause[match.end() :]}", f"{before[1]} {match[1]}"
    return clause, ""


def plain_sentence(text: str) -> str:
    """A sentence as it compares with another: folded, without white space, quotes and what ends it."""
    return "".join(fold(text).split()).strip(" \"'“”‘’.。!！?？;；,，*•-")


def _denied(source: str) -> bool:
    """An attribute whose value says no: 'dishwasher safe: no'."""
    _, colon, value = source.partition(":")
    return bool(colon and _FALSE.match(value))


@lru_cache(maxsize=512)
def clause_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Stretches that one negator can reach. A comma ends one unless it goes on as a list: 'no x, y or z'."""
    cuts = [0, *(m.end() for m in _BREAK.finditer(text) if not _inside_number(text, m.start())), len(text)]
    spans: list[tuple[int, int]] = []
    for start, end in pairwise(cuts):
        piece = text[start:end]
        if "," in piece and not re.search(r"\b(?:or|nor)\b", piece):
            commas = [start, *(start + m.end() for m in re.finditer(r",(?!\d|\s*not\b)", piece)), end]
            spans += pairwise(commas)
        elif piece.strip():
            spans.append((start, end))
    return tuple(spans)


def clause_at(text: str, place: int) -> str:
    """The clause of the text in which `place` lies."""
    return next(text[s:e] for s, e in (*clause_spans(text), (0, len(text))) if s <= place < e)


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
    unit = re.search(
        r"[\s_(（](?!year|model)([a-z°%]+|[\u4e00-\u9fff]{1,2})[)）]?\s*$", name.replace("percentage", "percent")
    )
    amounts = quantities.find(f"{quantity.value:f}{unit.group(1)}") if unit else ()
    if len(amounts) != 1 or amounts[0].dimension == "count":
        return quantity
    return Quantity(amounts[0].value, amounts[0].dimension, amounts[0].system, quantity.start, quantity.end)


# '5 inches / 12 cm tall', '5 in (12 cm) tall'
_CONVERTED = re.compile(r"^\s*[/(]\s*[\d.]+\s*[a-z\"″”']+\)?\s*")
# '5 inches tall': the role word belongs to the amount before it
_MEASURED = re.compile(r"\d\s*-?(?:\"|''|[a-z]+\.?)?\s+(?:in\s+)?$")


def role_of(text: str, quantity: Quantity) -> str:
    """What the quantity is the measure of, from the nearest role word of its clause; '' if none or several fit."""
    if quantity.dimension not in ("length", "mass", "volume"):
        return ""
    start, end = next((s, e) for s, e in [*clause_spans(text), (0, len(text))] if s <= quantity.start < e)
    behind = _CONVERTED.sub("", text[quantity.end : end], count=1)
    after = ROLE.match(behind.lstrip(' -."”″').removeprefix("in "))
    if after:
        return str(after.lastgroup)
    before = [
        match
        for match in ROLE.finditer(text, start, quantity.start)
        if not _MEASURED.search(text, start, match.start())
    ]
    name, colon, _ = text.partition(":")
    if colon and start <= len(name) and len(before) > 1:
        return ""  # 'size (width x depth): 40 x 30 cm'
    return str(before[-1].lastgroup) if before else ""


def role_fits(amount: Quantity, role: str, stated: str, alone: bool = False, asked: str = "") -> bool:
    """Whether a measure that the text calls `role` may be what the source calls `stated`.

    75 cm of '180 x 90 x 75 cm' may be any side, so a side must be named by the source; a mass is a weight by itself,
    and an only length is the length, or the side that was asked for.
    """
    if stated == role or {stated, role} <= _BEARING:
        return True
    return not stated and (amount.dimension != "length" or (alone and role in ("length", asked)))


# what a thing bears: 'holds up to 100 kg', 'weight capacity: 100 kg'
_BEARING = frozenset(("load", "capacity"))
