"""Is every claim of a text supported by its sources?

A claim is a number with its unit, a model code, a material, a colour, a feature, a part, an origin, a brand or another
name, a negation, a yes or a no. Sources are passages of the listing; one that came from an attribute reads
'name: value'. Unsure means violation: a claim that can't be traced to a source is refused, even if it is true.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from model.guards import bindings, denials, lexicon, polarity, quantities
from model.guards.denials import Found
from model.guards.facts import (
    NEEDED,
    ROLE,
    TOKEN,
    Facts,
    clause_at,
    clause_spans,
    facts_of,
    is_negated,
    plain_sentence,
    role_fits,
    role_of,
)
from model.guards.quantities import Quantity
from model.language import fold, primary, sentences, stem, terms


@dataclass(frozen=True, slots=True)
class Violation:
    """A claim without support: `text[start:end]` is `span`; `category` names what kind of claim it is."""

    category: str
    start: int
    end: int
    span: str


@dataclass(frozen=True, slots=True)
class Support:
    """Which share (0 to 1) of a text's content words its sources have, and the stems that they lack."""

    share: float
    missing: tuple[str, ...]


_MADE_OF = re.compile(r"\bmade (?:out )?(?:of|from) ([^.,;!?]{2,40})")
_BRANDED = re.compile(
    r"\b(?:brand(?: name)?(?: of (?:this|the) \w+)? (?:is|are)"
    r"|(?:made|manufactured|produced|designed|published|sold) by)"
    r" (?:the |a )?(?!not\b)([a-z][\w&'’.\-]*(?: [a-z][\w&'’.\-]*)?)"
)
_FREE = re.compile(r"\b(?!(?:is|are|was|be|if|for|or|the|a|and)\b)([a-z]+)[- ]free\b(?! from| of| standing)")
_NAME = re.compile(r"(?<![\w'’])(?:[A-Z][\w'’]*(?:[&\-][A-Z]\w*)*|[a-z]+[A-Z]\w*)")
_LATIN_IN_CHINESE = re.compile(r"[A-Za-z][A-Za-z'&\-]+")
_SHOUTED = re.compile(r"[A-Z]{2,}|[a-z][A-Z]")

# Nouns that a count may stand with whatever the source counts: "6 pieces" of a "set of 6".
_GENERIC_NOUNS = frozenset(("piece", "pieces", "pcs", "pack", "packs", "item", "items", "unit", "units", "set", "sets"))


def check(text: str, sources: Sequence[str], language: str = "en", question: str = "") -> tuple[Violation, ...]:
    """Every claim of `text` that the sources do not support, in order of place; empty means grounded.

    `question` is what the text answers; it lends no facts, it only tells what a leading yes or no refers to.
    """
    if not text.strip():
        return ()
    facts = facts_of(tuple(sources))
    folded = fold(text)
    told = polarity.of_evidence(question, sources, language) if question else None
    agreeing = polarity.of_evidence(question, sources, language, strict=False) if question and not told else told
    found = [
        *_numbers(folded, facts, question),
        *_terms(folded, facts),
        *(("swapped_material", *place) for place in bindings.swapped(folded, facts.bound)),
        *denials.negations(folded, facts, told or agreeing),
        *denials.yes_no(folded, facts, question, (told, agreeing), language),
        *_names(text, folded, facts, language),
    ]
    # what a source says in the same words is supported, however odd its grammar
    quoted = [
        (s, e) for s, e in _parts(text) if len(text[s:e]) >= _QUOTE and plain_sentence(text[s:e]) in facts.sentences
    ]
    found = [claim for claim in found if not any(s <= claim[1] and claim[2] <= e for s, e in quoted)]
    unique = {(start, end): category for category, start, end in reversed(found)}
    return tuple(Violation(unique[place], *place, text[place[0] : place[1]]) for place in sorted(unique))


def support(text: str, sources: Sequence[str], question: str = "", *, neutral: bool = True) -> Support:
    """How much of the text's wording is found in the sources or the question.

    With `neutral`, words that say nothing which could be wrong count as found, too, and so does what follows from a
    source without standing there (wood, where the source says oak).
    """
    facts = facts_of(tuple(sources))
    known = facts.stems | frozenset(terms(question)) | (_neutral_stems() if neutral else _VERB_STEMS)
    # of its quantities and of the lexicon's words, `check` knows more than their spelling
    checked = [(q.start, q.end) for q in quantities.find(text)]
    checked += [
        (term.start, term.end)
        for term in lexicon.find(text)
        if term.name in facts.terms or (neutral and lexicon.supports(term.name, facts.terms.keys()))
    ]
    spelled = {fold(text[start:end]) for start, end in checked}
    for start, end in checked:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    content = dict.fromkeys(terms(text))  # each word once: a loop is no support
    absent = tuple(term for term in content if term not in known)
    total = len(content) + len(spelled)
    return Support(1.0 - len(absent) / total if total else 1.0, absent)


def _parts(text: str) -> list[tuple[int, int]]:
    """Sentences of the text, and what stands between quotation marks or semicolons in them."""
    return [*sentences(text), *(match.span() for match in re.finditer(r"[^“”;；]+", text))]


@lru_cache(maxsize=1)
def _neutral_stems() -> frozenset[str]:
    return frozenset(stem(word) for word in lexicon.neutral_words())


def _numbers(text: str, facts: Facts, question: str) -> list[Found]:
    found: list[Found] = []
    asked = quantities.find(question)
    roles = {match.lastgroup or "" for match in ROLE.finditer(fold(question))}
    wanted = roles.pop() if len(roles) == 1 else ""
    counted = facts.stems | _neutral_stems() | frozenset(terms(question))
    alone = sum(q.dimension == "length" for q, _ in facts.quantities) == 1
    for amount in quantities.find(text):
        equal = [(q, role) for q, role in facts.quantities if quantities.same(amount, q)]
        role = role_of(text, amount)
        if not equal and (_of_code(text, amount, facts) or _within(amount, asked, facts)):
            continue
        if not equal:
            found.append(("unsupported_number", amount.start, amount.end))
        elif role and not any(role_fits(amount, role, other, alone, wanted) for _, other in equal):
            found.append(("swapped_measure", amount.start, amount.end))
        elif amount.noun and amount.noun not in _GENERIC_NOUNS and stem(amount.noun) not in counted:
            found.append(("unsupported_count", amount.start, amount.end))
    for code, start, end in quantities.codes(text):
        if code not in facts.codes and text[start:end] not in facts.text:
            found.append(("unsupported_code", start, end))
    return found


def _within(amount: Quantity, asked: Sequence[Quantity], facts: Facts) -> bool:
    """Whether an age that was asked about lies between those that the sources state."""
    if amount.dimension != "months" or not any(quantities.same(amount, q) for q in asked):
        return False
    ages = [q.value for q, _ in facts.quantities if q.dimension == "months"]
    return len(ages) > 1 and min(ages) <= amount.value <= max(ages)


_PREFIX = re.compile(r"([a-z]+)[ \-]?$")


def _of_code(text: str, amount: Quantity, facts: Facts) -> bool:
    """The 98 of 'windows 98', where a source writes 'windows98'; the 5 of '5 pockets' for 'basic-5-pocket'."""
    if amount.dimension != "count":
        return False
    number = re.escape(f"{amount.number:g}")
    prefix = _PREFIX.search(text, 0, amount.start)
    glued = prefix is not None and f"{prefix[1]}{amount.number:g}" in facts.codes
    return glued or any(re.search(rf"(?<![\d.]){number}\.?0?(?![\d.])", code) for code in facts.hyphenated)


def _terms(text: str, facts: Facts) -> list[Found]:
    found: list[Found] = []
    for term in lexicon.find(text):
        names = {term.name} | (lexicon.IMPLIED_BY.get(term.name, frozenset()) & facts.terms.keys())
        polarities = frozenset[bool]().union(*(facts.terms.get(name, frozenset()) for name in names))
        if not polarities:
            if term.kind == "size" and _OF_OTHERS.match(text, term.end):
                continue
            if not _follows(text, term, facts):
                found.append((f"unsupported_{term.kind}", term.start, term.end))
        elif (not is_negated(text, term.start)) not in polarities and not (
            term.name in facts.excluded and NEEDED.search(clause_at(text, term.start))
        ):
            found.append(("contradiction", term.start, term.end))
    for match in _MADE_OF.finditer(text):
        what = match.group(1)
        said = terms(what)
        if (
            not any(term.kind == "material" for term in lexicon.find(what))
            and not set(said) & facts.materials
            and not (said and set(said[:2]) <= facts.stems)
        ):
            found.append(("unsupported_material", *match.span(1)))
    for match in _BRANDED.finditer(text):
        first, *more = TOKEN.findall(match[1]) or [""]
        if first not in facts.tokens or (set(more) - facts.tokens and set(terms(more[0])) - _neutral_stems()):
            found.append(("unsupported_brand", *match.span(1)))
    for match in _FREE.finditer(text):
        word = re.escape(match.group(1))
        if not re.search(
            rf"\b{word}(?:(?:,| and| or)? [a-z]+)*?[- ]free\b|\b(?:no|without|free of|free from) {word}\b", facts.text
        ):
            found.append(("unsupported_claim", *match.span()))
    return found


_WORKS_WITH = re.compile(r"\b(?:works? (?:\w+ )?with|fits?|for use with|use (?:it )?with|designed for)\b|适用|支持")


def _follows(text: str, term: lexicon.Term, facts: Facts) -> bool:
    """What a source says without the word itself."""
    if term.kind == "part":  # 'it seats eight' of a seating capacity
        return bool(set(terms(text[term.start : term.end])) & facts.stems)
    if term.name == "compatible":
        return bool(_WORKS_WITH.search(facts.text))
    if term.kind == "size" and term.name in _SAME_SIZE:
        return bool(_SAME_SIZE[term.name].search(facts.text))
    if term.name == "included":
        return _is_part(text, term, facts)
    return False


_SAME_SIZE = {
    "large": re.compile(r"\b(?:big|huge|oversized?|giant|jumbo|spacious)\b"),
    "small": re.compile(r"\b(?:little|tiny|mini|compact|petite)\b"),
    "mini": re.compile(r"\b(?:small|little|tiny)\b"),
}
# 'for small spaces', 'a large variety': the size of something else
_OF_OTHERS = re.compile(
    r"[ -](?:\w+ )?(?:spaces?|famil(?:y|ies)|groups?|homes?|apartments?|rooms?|kitchens?|children|kids|child|hands"
    r"|gatherings?|variety|selection|parts?|amounts?|numbers?|range|collection|businesses|heat|items|scale|enough)\b"
)


def _is_part(text: str, term: lexicon.Term, facts: Facts) -> bool:
    """Whether what a text calls included is something that a source names, and not as something to be had elsewhere."""
    start, end = next((s, e) for s, e in [*clause_spans(text), (0, len(text))] if s <= term.start < e)
    said = terms(text[start : term.start] if text[term.start : term.end] == "included" else text[term.end : end])
    what = [word for word in said if not word[0].isdigit() and word not in _NUMBER_STEMS]
    named = [word for word in what if word in facts.stems]
    here = any(c.words & set(what) for c in facts.clauses if not c.negated and not c.elsewhere)
    return here and 2 * len(named) >= len(what)


_NUMBER_STEMS = frozenset(
    stem(w) for w in ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several")
)


#: Shortest stretch, in characters, that counts as a quotation of a source.
_QUOTE = 6

# What any answer may say around a fact: 'it measures', 'it is made of', 'it comes with'.
_VERB_STEMS = frozenset(stem(word) for word in ("measures", "weighs", "made", "holds", "comes", "has", "size", "sized"))


def _names(text: str, folded: str, facts: Facts, language: str) -> list[Found]:
    found: list[Found] = []
    if primary(language) == "zh":
        units = {(q.start, q.end) for q in quantities.find(folded)}
        for match in _LATIN_IN_CHINESE.finditer(text):
            if match.group().lower() not in facts.text and not any(s <= match.start() < e for s, e in units):
                found.append(("unsupported_name", *match.span()))
    else:
        beginnings = {start for start, _ in sentences(text)}
        for match in _NAME.finditer(text):
            start, end = match.span()
            word = folded[start:end].removesuffix("'s").removesuffix("’s")
            initial = start in beginnings or text[:start].rstrip(" \"“'(*•-").endswith((":", "\n"))
            if word in ("i", "a") or (initial and not _SHOUTED.search(text[start:end])):
                continue
            parts = TOKEN.findall(word)
            if not all(part in facts.tokens or _other_form(part, facts) for part in parts):
                found.append(("unsupported_name", start, end))
    return found + _merged_brands(folded, facts)


def _other_form(word: str, facts: Facts) -> bool:
    """'PCs' for 'pc', 'TMobile' for 't mobile', the 'MHD' of '4500mhd'."""
    if len(word) > 2 and (word.removesuffix("s") in facts.tokens or f"{word}s" in facts.tokens):
        return True
    if len(word) < _GLUED_LENGTH:
        return False
    return bool(re.search(rf"(?<![a-z]){'[ -]?'.join(map(re.escape, word))}(?![a-z])", facts.text))


#: Shorter words are not looked for across spaces.
_GLUED_LENGTH = 3


def _merged_brands(text: str, facts: Facts) -> list[Found]:
    """Two brands side by side that no source puts side by side."""
    listed = [m.span() for brand in facts.brands if brand for m in re.finditer(rf"\b{re.escape(brand)}\b", text)]
    places = sorted({*listed, *((t.start, t.end) for t in lexicon.find(text) if t.kind == "brand")})
    return [
        ("merged_brand", a_start, b_end)
        for (a_start, a_end), (b_start, b_end) in pairwise(places)
        if a_end <= b_start and text[a_end:b_start].strip(" -/&x×+") == "" and text[a_start:b_end] not in facts.text
    ]
