"""Does an answer say yes or no to a yes/no question? In English and Chinese, from words alone.

A leading yes or no counts as said. Else the answer must speak of what was asked (its words meet those of the
question's predicate), and its negators, its amounts and its opposites decide. What can't be told is None: a wrong yes
or no costs more than a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from model.guards import lexicon, polarity_words, polarity_zh
from model.guards.asked import HAVE, NEED, Asked, asked
from model.guards.facts import NEGATOR, clause_spans
from model.guards.polarity_amounts import by_age, by_amount
from model.language import fold, primary, terms

Polarity = Literal["yes", "no"]


def answer_polarity(question: str, text: str, language: str = "en") -> Polarity | None:
    """Whether `text` answers `question` with yes or no; None when it can't be told or was not asked.

    To a negative question ('is it not safe?') the answer is yes when the positive statement holds.
    """
    return _told(question, text, language, _NEEDED)


def opposite(question: str, reference: str, draft: str, language: str = "en") -> bool:
    """Whether one of two answers to the question says yes and the other no."""
    return {answer_polarity(question, text, language) for text in (reference, draft)} == {"yes", "no"}


def claims_polarity(question: str, evidence: Sequence[str], draft: str, language: str = "en") -> bool:
    """Whether the draft says the opposite of the evidence.

    Evidence was not written as an answer to this question, so it must have nearly all of the asked words to tell, and
    what several passages tell must agree.
    """
    drafted, told = answer_polarity(question, draft, language), of_evidence(question, evidence, language)
    return {drafted, told} == {"yes", "no"}


def of_evidence(
    question: str, evidence: Sequence[str], language: str = "en", *, strict: bool = True
) -> Polarity | None:
    """What the passages say to the question, where all that tell say the same.

    Evidence was not written as an answer to this question: to be `strict` it must have nearly all of the asked words.
    """
    needed = _NEEDED_OF_EVIDENCE if strict else _NEEDED_TO_AGREE
    told = {_told(question, text, language, needed) for text in evidence} - {None}
    return told.pop() if len(told) == 1 else None


def is_negative(question: str) -> bool:
    """Whether a question is put in the negative, so that a bare yes or no to it may mean either."""
    return any(one.negated for one in asked(fold(question).strip()))


def _told(question: str, text: str, language: str, needed: float) -> Polarity | None:
    q, a = fold(question).strip(), _in_digits(fold(text).strip())
    if primary(language) == "zh" or _HAN.search(q):
        return polarity_zh.polarity(q, a, needed)
    questions = asked(q)
    if not questions or not a or polarity_words.VALUE_EMPTY.search(a):
        return None
    said = _explicit(a)
    if said:
        return None if questions[0].negated and len(a) < _BARE else said
    if polarity_words.HEDGE.search(a):
        return None
    told = {answer for one in questions if (answer := _implied(one, a, needed))}
    return told.pop() if len(told) == 1 else None


_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_DIGITS = {word: str(n) for n, word in enumerate(_NUMBERS, 2)}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBERS)})\b")


def _in_digits(text: str) -> str:
    return _NUMBER_WORD.sub(lambda match: _DIGITS[match[0]], text)


#: An explicit answer to a negative question that is shorter than this does not say what it affirms.
_BARE = 12

_HAN = re.compile(r"[\u4e00-\u9fff]")


def _explicit(text: str) -> Polarity | None:
    if polarity_words.NO.match(text):
        return "no"
    return "yes" if polarity_words.YES.match(text) else None


#: Least share of the predicate's words that a clause of an answer must have to be about what was asked, then of
#: evidence that is to agree with an answer, or to contradict it.
_NEEDED, _NEEDED_TO_AGREE, _NEEDED_OF_EVIDENCE = 0.4, 0.6, 0.8
#: A denial needs this part of that: people deny in few words.
_DENIAL = 0.75


def _implied(one: Asked, text: str, needed: float) -> Polarity | None:
    if one.alternatives:
        return None
    return by_age(one, text) or by_amount(one, text) or _by_words(one, text, needed)


def _by_words(one: Asked, text: str, needed: float) -> Polarity | None:
    """What the clause says that has most of the asked words; clauses that have as many must agree."""
    best = 0.0
    polarity: Polarity | None = None
    clauses = [text[start:end] for start, end in clause_spans(text)]
    for clause in clauses:
        words = frozenset(terms(clause))
        told = _clause(one, clause) if words & one.words else None
        share, wanted = _share(one.key, words), needed
        if told == "no":
            share, wanted = max(share, _share(one.words, words)), needed * _DENIAL
            denied = polarity_words.DENIES.match(clause.strip())
            if denied and one.key.intersection(terms(denied[1])):
                share = max(share, wanted)
        if told and share >= wanted and share >= best:
            polarity = told if share > best or polarity == told else None
            best = share
    # in an answer, the opposite of what was asked needs no other word: 'outside?' - 'it should be used inside'
    if best == 0.0 and needed == _NEEDED and any(_instead(one, clause) for clause in clauses):
        return "no"
    return polarity


def _instead(one: Asked, clause: str) -> bool:
    plain = not (NEGATOR.search(clause) or one.excess)
    return plain and (_opposed(one, clause) or _swapped_kind(one, clause))


def _share(wanted: frozenset[str], said: frozenset[str]) -> float:
    return len(wanted & said) / len(wanted) if wanted else 0.0


def _clause(one: Asked, clause: str) -> Polarity | None:
    """What a clause about the question says to it."""
    clause = polarity_words.IDLE.sub(" ", clause)
    if one.relation != "have":
        clause = polarity_words.NOT_INCLUDED.sub(" ", clause)  # whether it is included was not asked
    relation = "need" if NEED.search(clause) else "have" if HAVE.search(clause) else ""
    if relation and one.relation and relation != one.relation:
        return None
    if one.excess or _TOO.search(clause) or (one.relation == "need" and _MAY.search(clause) and not relation):
        return None
    negators = _negators(one, clause) + _proof(one, clause)
    if negators == 0 and _swapped_kind(one, clause):
        return "no"
    if _opposed(one, clause):
        return None if negators else "no"
    if _ONLY.search(clause) and not _ONLY.search(one.text):
        return None
    if negators > 1:
        return None
    return "no" if negators else "yes"


_MAY, _TOO, _ONLY = re.compile(r"\bcan\b"), re.compile(r"\btoo\b"), re.compile(r"\bonly\b")


def _negators(one: Asked, clause: str) -> int:
    """Negators that reach a word of the question, or end the clause: not those of a remark behind it."""
    value = polarity_words.VALUE_DENIES.search(clause)
    if value:
        return 1 + len(NEGATOR.findall(clause, 0, value.start()))
    found = 0
    for match in NEGATOR.finditer(clause):
        if match.group() == "without" and "without" in one.text:
            continue
        behind = clause[match.end() :]
        about = terms(behind)
        found += len(about) <= _TAIL or not one.words.isdisjoint(about)
    return found


#: So many content words behind a negator are still about what stands before it: 'is not included with it'.
_TAIL = 2


def _opposed(one: Asked, clause: str) -> bool:
    """Whether the clause has the opposite of a word of the question, and not the word itself."""
    return any(
        mine.search(one.text) and theirs.search(clause) and not (mine.search(clause) or theirs.search(one.text))
        for pair in polarity_words.OPPOSITES
        for mine, theirs in (pair, pair[::-1])
    )


_PROOF = re.compile(r"\b([a-z]+)[- ](?:resistant|proof|free)\b")


def _proof(one: Asked, clause: str) -> int:
    """'Stain resistant' says no to 'does it stain?', but not to 'is it stain resistant?'."""
    plain = one.text.replace("-", " ")
    return sum(m.group(1) in plain and m.group().replace("-", " ") not in plain for m in _PROOF.finditer(clause))


def _swapped_kind(one: Asked, clause: str) -> bool:
    """Whether the clause names another material, colour or origin than the one that was asked for."""
    asked_terms = [term for term in lexicon.find(one.text) if term.kind in ("material", "colour", "origin")]
    said = lexicon.find(clause)
    return any(
        any(other.kind == term.kind for other in said)
        and not lexicon.supports(term.name, {other.name for other in said})
        for term in asked_terms
    )
