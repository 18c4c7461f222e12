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

from model.guards import bindings, lexicon, quantities
from model.guards.facts import (
    NEGATOR,
    ROLE,
    TOKEN,
    Facts,
    clause_spans,
    facts_of,
    is_negated,
    plain_sentence,
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
_FREE = re.compile(r"\b([a-z]+)[- ]free\b")
# In Chinese the same words also begin plain statements (有机棉, 可以机洗); alone before a pause they answer.
_PAUSE = r"(?=\s*(?:[，。,.!！；;~]|$))"
_YES = re.compile(
    r"\s*(?:(?:yes|yeah|yep|yup|sure|certainly|absolutely|of course|correct|definitely)(?![a-z])"
    rf"|(?:是的?|可以的?|能的?|有的?|对的?|会的?){_PAUSE})"
)
_NO = re.compile(
    r"\s*(?:(?:no|nope|unfortunately|sorry)(?![a-z])"
    rf"|(?:不是的?|不可以|不能|不会|没有|不|不行|抱歉){_PAUSE})"
)
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
    found = [
        *_numbers(folded, facts),
        *_terms(folded, facts),
        *(("swapped_material", *place) for place in bindings.swapped(folded, facts.bound)),
        *_negations(folded, facts),
        *_yes_no(folded, facts, question),
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


_Found = tuple[str, int, int]


def _numbers(text: str, facts: Facts) -> list[_Found]:
    found: list[_Found] = []
    for amount in quantities.find(text):
        equal = [(q, role) for q, role in facts.quantities if quantities.same(amount, q)]
        role = role_of(text, amount)
        if not equal:
            found.append(("unsupported_number", amount.start, amount.end))
        elif role and not any(_fits(amount, role, other) for _, other in equal):
            found.append(("swapped_measure", amount.start, amount.end))
        elif (
            amount.noun
            and amount.noun not in _GENERIC_NOUNS
            and stem(amount.noun) not in facts.stems | _neutral_stems()
        ):
            found.append(("unsupported_count", amount.start, amount.end))
    for code, start, end in quantities.codes(text):
        if code not in facts.codes and text[start:end] not in facts.text:
            found.append(("unsupported_code", start, end))
    return found


def _fits(amount: Quantity, role: str, stated: str) -> bool:
    """Whether a measure that the text calls `role` may be what the source calls `stated`.

    75 cm of '180 x 90 x 75 cm' may be any side, so a side must be named by the source; a mass is a weight by itself.
    """
    return stated == role or (not stated and amount.dimension != "length")


def _terms(text: str, facts: Facts) -> list[_Found]:
    found: list[_Found] = []
    for term in lexicon.find(text):
        names = {term.name} | (lexicon.IMPLIED_BY.get(term.name, frozenset()) & facts.terms.keys())
        polarities = frozenset[bool]().union(*(facts.terms.get(name, frozenset()) for name in names))
        if not polarities:
            found.append((f"unsupported_{term.kind}", term.start, term.end))
        elif (not is_negated(text, term.start)) not in polarities:
            found.append(("contradiction", term.start, term.end))
    for match in _MADE_OF.finditer(text):
        what = match.group(1)
        if not any(term.kind == "material" for term in lexicon.find(what)) and not set(terms(what)) & facts.materials:
            found.append(("unsupported_material", *match.span(1)))
    for match in _FREE.finditer(text):
        word = re.escape(match.group(1))
        if not re.search(rf"\b{word}[- ]free\b|\b(?:no|without|free of|free from) {word}\b", facts.text):
            found.append(("unsupported_claim", *match.span()))
    return found


def _negations(text: str, facts: Facts) -> list[_Found]:
    """Negations that no source makes, and what a source denies said as if it were so."""
    found: list[_Found] = []
    denials = [clause.words for clause in facts.clauses if clause.negated]
    affirmed = frozenset[str]().union(*(clause.words for clause in facts.clauses if not clause.negated))
    leading = _NO.match(text)  # judged against the question, in _yes_no
    for start, end in clause_spans(text):
        negator = NEGATOR.search(text, max(start, leading.end() if leading else 0), end)
        words = frozenset(terms(text[start:end]))
        if negator:
            scope = frozenset(terms(text[negator.end() : end])) or words
            if scope <= _VAGUE:  # 'which is not included': what is not?
                sentence = next((s for s, e in sentences(text) if s <= negator.start() < e), start)
                scope |= frozenset(terms(text[sentence : negator.start()]))
            if not any(scope and len(scope & denied) >= _NEEDED * len(scope) for denied in denials):
                found.append(("unsupported_negation", *negator.span()))
        elif any(
            denied and len(denied & words) >= _NEEDED * len(denied) and not words & denied <= affirmed
            for denied in denials
        ):
            found.append(("contradiction", start, end))
    return found


#: Shortest stretch, in characters, that counts as a quotation of a source.
_QUOTE = 6

# What any answer may say around a fact: 'it measures', 'it is made of', 'it comes with'.
_VERB_STEMS = frozenset(stem(word) for word in ("measures", "weighs", "made", "holds", "comes", "has", "size", "sized"))

#: Share of a clause's content words that must meet those of another for the two to be about the same thing.
_NEEDED = 0.6

# Denied words that say nothing without what stands before them.
_VAGUE = frozenset(stem(word) for word in ("included", "needed", "required", "supplied", "provided", "available"))


def _yes_no(text: str, facts: Facts, question: str) -> list[_Found]:
    match = _NO.match(text) or _YES.match(text)
    if not match:
        return []
    answer = bool(_YES.match(text)) and not _NO.match(text)
    return [] if _truth(fold(question), facts) is answer else [("unsupported_yes_no", *match.span())]


def _truth(question: str, facts: Facts) -> bool | None:
    """What the sources say to a yes/no question; None when they do not settle it, or it is itself a negation."""
    if not question or NEGATOR.search(question):
        return None
    known = [facts.terms.get(term.name, frozenset()) for term in lexicon.find(question)]
    if any(polarities == {False} for polarities in known):
        return False
    asked = quantities.find(question)
    measured = all(
        any(quantities.same(q, s) and _fits(q, role_of(question, q), role) for s, role in facts.quantities)
        for q in asked
    )
    if known:
        return True if measured and all(polarities == {True} for polarities in known) else None
    for q in reversed(asked):
        question = question[: q.start] + question[q.end :]
    words = frozenset(terms(ROLE.sub(" ", question) if asked else question))
    about = [clause for clause in facts.clauses if words and len(words & clause.words) >= _NEEDED * len(words)]
    if about and all(clause.negated for clause in about):
        return False
    # a yes needs every word of the question: 'one size only' is no yes to 'one of each size'
    said = any(words <= clause.words and not clause.negated for clause in about) or bool(asked and not words)
    return True if said and measured and not any(clause.negated for clause in about) else None


def _names(text: str, folded: str, facts: Facts, language: str) -> list[_Found]:
    found: list[_Found] = []
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
            if not set(TOKEN.findall(word)) <= facts.tokens:
                found.append(("unsupported_name", start, end))
    return found + _merged_brands(folded, facts)


def _merged_brands(text: str, facts: Facts) -> list[_Found]:
    """Two brands side by side that no source puts side by side."""
    listed = [m.span() for brand in facts.brands if brand for m in re.finditer(rf"\b{re.escape(brand)}\b", text)]
    places = sorted({*listed, *((t.start, t.end) for t in lexicon.find(text) if t.kind == "brand")})
    return [
        ("merged_brand", a_start, b_end)
        for (a_start, a_end), (b_start, b_end) in pairwise(places)
        if a_end <= b_start and text[a_end:b_start].strip(" -/&x×+") == "" and text[a_start:b_end] not in facts.text
    ]
