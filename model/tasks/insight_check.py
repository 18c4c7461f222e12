"""When a paragraph about a merchant's numbers may leave: nothing in it that the facts don't say.

Each number stands alone, in the form that the facts give it, and in its part: what was observed is not given out as
expected, nor one listing's count as another's. Direction words agree with the direction, and every other word is
from a closed list (`insight_words`) or from the facts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from model.tasks.insight_facts import (
    METRICS,
    InsightFacts,
    clock_time,
    count,
    date,
    duration,
    percent,
    sentences,
    waits,
)
from model.tasks.insight_words import EXPECTED_AHEAD, EXPECTED_BEHIND, FALL, RISE, TURNS, WORDS

#: A paragraph is one, and short.
MAX_CHARACTERS = 700

_TOKEN = re.compile(
    r"(?P<listing>\ue000[0-9]+\ue001)"
    r"|(?P<date>[0-9]{1,2} [A-Z][a-z]{2,8} [0-9]{4})"
    r"|(?P<time>[0-9]{1,2}:[0-9]{2})"
    r"|(?P<duration>[0-9]+ (?:hour|minute)s?)"
    r"|(?P<percent>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:%| percent\b))"
    r"|(?P<number>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"
    r"|(?P<word>[A-Za-z]+)"
    r"|(?P<end>[.!](?= |$))"
    r"|(?P<pause>[,;:()–—-])"
    r"|(?P<space> +)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_MARKS = re.compile("[\ue000\ue001]")
_ALONE_BEFORE = re.compile(r"(?:^|[ (])$")
_ALONE_AFTER = re.compile(r"\)?[.,;:!]?(?: |$)")
_FIGURES = frozenset({"date", "time", "duration", "percent", "number"})
_NEAR = 4  # words over which a number and what it is called are looked for


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong with a text, and where. The span is of our own words and numbers; no buyer's are among them."""

    category: str
    span: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def refuse(text: str, facts: InsightFacts) -> Refusal | None:
    """The first thing that the facts don't bear out; None if the paragraph may leave."""
    if not text:
        return Refusal("empty")
    if len(text) > MAX_CHARACTERS:
        return Refusal("too_long")
    if _MARKS.search(text):
        return Refusal("foreign_sign")
    tokens, refusal = _read(_mark_listings(text, facts))
    if refusal:
        return refusal
    words = [token.text for token in tokens if token.kind == "word"]
    said = _sentences(tokens)
    return (
        _foreign(words, facts)
        or _direction(words, facts)
        or next((found for sentence in said if (found := _numbers(sentence, facts))), None)
        or _repeated(said)
        or _incomplete(tokens, facts)
    )


def missing(text: str, facts: InsightFacts) -> tuple[str, ...]:
    """The sentences about listings that the text does not name."""
    named = _TOKEN.findall(_mark_listings(text, facts))
    there = {match[0] for match in named if match[0]}
    return tuple(sentence for number, sentence in enumerate(sentences(facts)[1:]) if _mark(number) not in there)


def _mark(number: int) -> str:
    return f"\ue000{number}\ue001"


def _mark_listings(text: str, facts: InsightFacts) -> str:
    """The text with a mark for each listing, whose id may hold anything. An id counts only after the word 'listing'."""
    places = {driver.listing_id: number for number, driver in enumerate(facts.drivers)}
    if not places:
        return text
    ids = "|".join(re.escape(listing_id) for listing_id in sorted(places, key=len, reverse=True))
    # Not the beginning of a longer id: the L-7 of L-7-B, L-7.1.
    return re.sub(rf"(\b[Ll]isting )({ids})(?![\w-]|\.\w|,\d)", lambda match: match[1] + _mark(places[match[2]]), text)


def _read(text: str) -> tuple[list[_Token], Refusal | None]:
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "other":
            return [], Refusal("foreign_sign", match[0])
        if kind in _FIGURES and not (
            _ALONE_BEFORE.search(text[: match.start()]) and _ALONE_AFTER.match(text, match.end())
        ):
            return [], Refusal("number", match[0])
        if kind != "space":
            tokens.append(_Token(kind, match[0].lower() if kind == "word" else match[0]))
    return tokens, None


def _sentences(tokens: Sequence[_Token]) -> list[list[_Token]]:
    said: list[list[_Token]] = [[]]
    for token in tokens:
        if token.kind == "end":
            said.append([])
        else:
            said[-1].append(token)
    return [sentence for sentence in said if sentence]


def _foreign(words: Sequence[str], facts: InsightFacts) -> Refusal | None:
    metric = METRICS[facts.metric]
    ours = WORDS | {
        *metric.name.split(),
        *metric.unit.split(),
        metric.unit.split()[-1].removesuffix("s"),
        *metric.named_by,
    }
    if waits(facts):
        ours |= {"answer", "without", "waiting", "waited"}
    strange = next((word for word in words if word not in ours), None)
    return None if strange is None else Refusal("foreign_word", strange)


def _direction(words: Sequence[str], facts: InsightFacts) -> Refusal | None:
    with_it, against_it = (RISE, FALL) if facts.more else (FALL, RISE)
    wrong = next((word for word in words if word in against_it), None)
    if wrong is not None:
        return Refusal("direction", wrong)
    return None if with_it & set(words) else Refusal("no_direction")


def _numbers(sentence: Sequence[_Token], facts: InsightFacts) -> Refusal | None:
    """Each number of a sentence against the facts. A listing's count stands behind the listing's name."""
    subject = -1  # of the merchant as a whole, until a listing is named
    for place, token in enumerate(sentence):
        if token.kind == "listing":
            subject = int(token.text[1:-1])
        elif token.kind in _FIGURES and not _borne_out(sentence, place, subject, facts):
            return Refusal(token.kind, token.text)
    return None


def _borne_out(sentence: Sequence[_Token], place: int, subject: int, facts: InsightFacts) -> bool:
    token, before = sentence[place], _word_at(sentence, place - 1)
    if token.kind == "time":
        return token.text == clock_time(facts.start) and before not in ("to", "by", "than")
    if token.kind == "date":
        return token.text == date(facts.start) and before not in ("to", "by", "than")
    if token.kind == "duration":
        return waits(facts) and token.text == duration(facts.patience)
    if token.kind == "percent":
        # '71% of the expected' is not '71% less'
        form = token.text.replace(" percent", "%")
        return subject < 0 and form == percent(facts) and before != "to" and _word_at(sentence, place + 1) != "of"
    observed, expected = (
        (facts.observed, facts.expected)
        if subject < 0
        else (facts.drivers[subject].observed, facts.drivers[subject].usual)
    )
    if _is_difference(sentence, place):
        return False
    return token.text in _spellings(expected if _is_expected(sentence, place) else observed)


def _spellings(value: float) -> tuple[str, str]:
    form = count(value)
    return form, form.replace(",", "")


def _is_expected(sentence: Sequence[_Token], place: int) -> bool:
    """Whether the sentence gives the count at this place out as what was to be expected."""
    for token in sentence[max(0, place - _NEAR) : place][::-1]:
        if token.kind != "word" or token.text == "to":
            break
        if token.text in EXPECTED_AHEAD:
            return True
    for step, token in enumerate(sentence[place + 1 : place + 1 + _NEAR], place + 1):
        if token.kind != "word" or token.text in TURNS:
            break
        if token.text in EXPECTED_BEHIND:
            return not any(later.kind == "number" for later in sentence[step + 1 : step + 3])
    return False


def _is_difference(sentence: Sequence[_Token], place: int) -> bool:
    """'fell by 12', 'down 12', '12 order lines fewer': no difference is among the facts."""
    moves = RISE | FALL
    if _word_at(sentence, place - 1) in moves | {"by"}:
        return True
    for token in sentence[place + 1 : place + _NEAR]:
        if token.kind != "word" or token.text in TURNS:
            return False
        if token.text in moves:
            return True
    return False


def _word_at(sentence: Sequence[_Token], place: int) -> str:
    if 0 <= place < len(sentence) and sentence[place].kind == "word":
        return sentence[place].text
    return ""


def _repeated(said: Sequence[Sequence[_Token]]) -> Refusal | None:
    texts = [" ".join(token.text for token in sentence) for sentence in said]
    return Refusal("repetition") if len(set(texts)) < len(texts) else None


def _incomplete(tokens: Sequence[_Token], facts: InsightFacts) -> Refusal | None:
    """What was measured, how much, against what, and since when must be in it; listings are added where they miss."""
    there = {token.text for token in tokens}
    if not METRICS[facts.metric].named_by & there:
        return Refusal("missing", "metric")
    for name, forms in (
        ("observed", _spellings(facts.observed)),
        ("expected", _spellings(facts.expected)),
        ("time", (clock_time(facts.start),)),
        ("date", (date(facts.start),)),
        ("duration", (duration(facts.patience),) if waits(facts) else ()),
    ):
        if forms and not there.intersection(forms):
            return Refusal("missing", name)
    return None
