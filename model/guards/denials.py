"""What a text denies, affirms, or answers by yes or no, held against what its sources say."""

from __future__ import annotations

import re

from model.guards import lexicon, polarity, quantities
from model.guards.facts import NEEDED, NEGATOR, ROLE, Facts, clause_spans, role_fits, role_of
from model.guards.polarity import Polarity
from model.guards.polarity_words import NO_WORD
from model.language import fold, sentences, stem, terms

#: Category, start and end of a claim without support.
Found = tuple[str, int, int]

# In Chinese the same words also begin plain statements (有机棉, 可以机洗); alone before a pause they answer.
_PAUSE = r"(?=\s*(?:[，。,.!！；;~]|$))"
_YES = re.compile(
    r"\s*(?:(?:yes|yeah|yep|yup|sure|certainly|absolutely|of course|correct|definitely)(?![a-z])"
    rf"|(?:是的?|可以的?|能的?|有的?|对的?|会的?){_PAUSE})"
)
# 'no, it is not', but not 'no batteries are included'
_NO = re.compile(
    rf"\s*(?:(?:(?:unfortunately|sorry),? no|nope|{NO_WORD})(?![a-z])"
    rf"|(?:不是的?|不可以|不能|不会|没有|不|不行|抱歉){_PAUSE})"
)
#: Share of a clause's content words that must meet those of another for the two to be about the same thing.
_NEEDED = 0.6

# Denied words that say nothing without what stands before them.
_VAGUE = frozenset(stem(word) for word in ("included", "needed", "required", "supplied", "provided", "available"))


def negations(text: str, facts: Facts, answer: Polarity | None) -> list[Found]:
    """Negations that no source makes, and what a source denies said as if it were so.

    Where `answer` is what the sources say to the question, a negation says no more than that.
    """
    found: list[Found] = []
    denials = [clause for clause in facts.clauses if clause.negated]
    affirmed = frozenset[str]().union(*(clause.words for clause in facts.clauses if not clause.negated))
    leading = _NO.match(text)  # judged against the question, in yes_no
    for start, end in clause_spans(text):
        negator = NEGATOR.search(text, max(start, leading.end() if leading else 0), end)
        words = frozenset(terms(text[start:end]))
        if negator:
            scope = frozenset(terms(text[negator.end() : end])) or words
            if scope <= _VAGUE:  # 'which is not included': what is not?
                sentence = next((s for s, e in sentences(text) if s <= negator.start() < e), start)
                scope |= frozenset(terms(text[sentence : negator.start()]))
            if answer != "no" and not any(scope and _meet(scope, d.words) >= _NEEDED * len(scope) for d in denials):
                found.append(("unsupported_negation", *negator.span()))
        elif any(d.denied and d.denied <= words and not d.denied & affirmed and not d.excluded for d in denials) or any(
            d.words and _meet(d.words, words) >= _NEEDED * len(d.words) and not words & d.words <= affirmed
            for d in denials
            if not d.excluded or not NEEDED.search(text, start, end)
        ):
            found.append(("contradiction", start, end))
    return found


def _meet(scope: frozenset[str], denied: frozenset[str]) -> int:
    """How many words of the scope are denied; a longer form counts ('transportation' for 'transport')."""
    return sum(w in denied or any(_same_root(w, d) for d in denied) for w in scope)


def _same_root(a: str, b: str) -> bool:
    return min(len(a), len(b)) >= _ROOT and (a.startswith(b[:_ROOT]) and b.startswith(a[:_ROOT]))


#: Words that begin with as many same letters are forms of one.
_ROOT = 6


def yes_no(
    text: str, facts: Facts, question: str, evidence: tuple[Polarity | None, Polarity | None], language: str
) -> list[Found]:
    """A leading yes or no that neither the sources say nor the statement after it, and an answer that denies them."""
    told, agreeing = evidence
    match = _NO.match(text) or _YES.match(text)
    if not match:
        answered = polarity.answer_polarity(question, text, language) if told else None
        return [("opposite_answer", 0, len(text))] if answered and answered != told else []
    answer: Polarity = "yes" if _YES.match(text) and not _NO.match(text) else "no"
    if not question or (polarity.is_negative(question) and match.end() == len(text.rstrip(" .!。！"))):
        return [("unsupported_yes_no", *match.span())]
    truth = _truth(fold(question), facts)
    if truth is not None or told:
        agreed = (truth is None or truth is (answer == "yes")) and told in (None, answer)
    else:
        # the statement that follows is checked by itself; it must be of the sources' words and say the same
        rest = text[match.end() :].lstrip(" ,.;:!-–—，。；！")
        words = set(terms(rest))
        agreed = (
            len(words & facts.stems) >= _NEEDED * max(1, len(words))
            and polarity.answer_polarity(question, rest, language) == answer
        )
        agreed = agreed or agreeing == answer
    return [] if agreed else [("unsupported_yes_no", *match.span())]


def _truth(question: str, facts: Facts) -> bool | None:
    """What the sources say to a yes/no question; None when they do not settle it, or it is itself a negation."""
    if not question or NEGATOR.search(question):
        return None
    known = [facts.terms.get(term.name, frozenset()) for term in lexicon.find(question)]
    if any(polarities == {False} for polarities in known):
        return False
    asked = quantities.find(question)
    measured = all(
        any(quantities.same(q, s) and role_fits(q, role_of(question, q), role) for s, role in facts.quantities)
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
