"""What a yes/no question asks: the words of its predicate, and what turns an answer to it around. English only.

No parser: English marks such a question by an auxiliary before its subject, and buyers who leave it out ask in a few
words. A question that offers alternatives ('in red or in blue?') can't be answered by yes or no alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from model.language import sentences, terms


@dataclass(frozen=True, slots=True)
class Asked:
    """A yes/no question in folded form.

    `key` are the content stems of the predicate, `words` those of the whole. `excess` marks 'too hard for ...', to
    which praise says no; `alternatives` marks 'red or blue'; `negated` marks 'is it not ...'; `relation` is 'need',
    'have' or '': whether it asks for what is necessary or for what is included.
    """

    text: str
    words: frozenset[str]
    key: frozenset[str]
    excess: bool
    alternatives: bool
    negated: bool
    relation: str


_AUX = (
    r"(?:(?:does|do|dose|doe|did|is|are|was|were|am|can|could|will|would|should|has|have|had|must)(?:n['’]?t)?"
    r"|won['’]?t|can['’]?t)"
)
_SUBJECT = (
    "(?:this|it|they|these|those|the|you|i|there|that|my|a|an|any|anyone|anybody|someone|everything|all|each|both|one|we|your"
    "|our|he|she|his|her|its|their|some|either|every|people|kids|children|another|other|two|most|different)"
)
_WH = re.compile(r"\b(?:what|how|where|when|why|who|whom|whose|which)(?:['’]?s|['’]re|d)?\b")
_INVERTED = re.compile(rf"\b{_AUX}\s+(?:not\s+)?{_SUBJECT}\b")
_LEAD = re.compile(rf"{_AUX}\s+(?:not\s+)?")
_OPENER = re.compile(
    r"(?:hi|hello|hey|so|and|also|but|ok|okay|please|thanks|sorry|just|quick question|question|(?:just )?curious"
    r"|(?:can|could) (?:some|any)one (?:please )?(?:tell me|confirm|clarify|verify)"
    r"|(?:do|does|did|has) (?:you|any(?:one|body))(?: here)?(?: happen to)? (?:know|think)"
    r"|i(?:['’]?m| am| was)? (?:just )?(?:wondering|wonder|want(?:ed)? to know|need to know|curious))"
    r"\b[\s,:.!\-]*(?:(?:if|whether|that)\s)?"
)
# 'or not', 'or something', 'or more' offer nothing else
_OR = re.compile(
    r"\bor\b(?!\s*$|\s+(?:not|no|so|something|anything|any(?:one)?|more|less|older|younger|over|up|higher|smaller|larger|bigger"
    r"|similar|other|even|else)\b)"
)
_FRAGMENT = re.compile(
    r"\b(?:required|included|needed|necessary|assembled|available|compatible|possible|safe|washable)\W*$"
)
_NEGATED = re.compile(rf"{_AUX}\s+(?:\w+\s+)?(?:\w+\s+)?not\b|(?:\w+n['’]?t)\b|not\b")
_EXCESS = re.compile(r"\btoo\s+(?!much trouble)[a-z]+")

_PRONOUN = re.compile(r"(?:this|it|they|these|those|you|i|there|that|anyone|anybody|we|he|she|one|everything)\b\s*")
# where the predicate begins when the subject is a noun: 'does the kit | come with paper', 'is the lid | made of glass'
_PREDICATE = re.compile(
    r"\b(?:comes?|includes?d?|contains?|ha(?:ve|s|d)|fits?|works?|needs?|requires?d?|makes?|takes?|opens?|closes?|lights?"
    r"|plays?|moves?|used?|run|go|get|stay|hold|say|speak|turn|connect|charged?|made|be|able|good|safe|suitable|appropriate"
    r"|ok|okay|big|large|compatible|easy|hard|difficult|really|actually|too|for|in|on|with|to|from)\b"
)
NEED = re.compile(r"\b(?:needs?|needed|requires?|required|necessary|must|ha(?:ve|s) to)\b")
HAVE = re.compile(r"\b(?:comes?|came|includ(?:e[sd]?|ing)|contains?|suppl(?:y|ied)|provided?|ships?|shipped)\b")


#: A question without an auxiliary before its subject has at most so many words: 'furby speaks spanish?'
_SHORT = 9


@lru_cache(maxsize=512)
def asked(question: str) -> tuple[Asked, ...]:
    """The yes/no questions in a folded text; sentences without a question mark count where none has one."""
    parts = [piece for s, e in sentences(question) for piece in re.split(r"(?<=[?.!])\s+", question[s:e])]
    asking = [part for part in parts if part.rstrip("\"'”) ").endswith("?")] or parts
    return tuple(found for part in asking if (found := _read(part.strip(" -*\"'“”("))) is not None)


def _read(part: str) -> Asked | None:
    for _ in range(3):
        part = _OPENER.sub("", part, count=1) if _OPENER.match(part) else part
    wh, inverted = _WH.search(part), _INVERTED.search(part)
    start = 0 if _LEAD.match(part) else inverted.start() if inverted else -1
    if wh and wh.start() <= max(start, 0):
        return None
    if start < 0:
        # 'assembly required?', 'real wood?'
        if wh or not (_FRAGMENT.search(part) or (part.endswith("?") and len(part.split()) <= _SHORT)):
            return None
        start = 0
    body = part[start:]
    words = frozenset(terms(body))
    relation = "need" if NEED.search(body) else "have" if HAVE.search(body) else ""
    key = frozenset(terms(_predicate(body))) or words
    return Asked(
        body,
        words,
        key,
        bool(_EXCESS.search(body)),
        bool(_OR.search(body.rstrip(" ?"))),
        bool(_NEGATED.match(part)),
        relation,
    )


def _predicate(body: str) -> str:
    """The question without its auxiliary and its subject."""
    lead = _LEAD.match(body)
    if not lead:
        return body
    rest = body[lead.end() :]
    pronoun = _PRONOUN.match(rest)
    determiner = re.match(r"(?:this|these|that|those|one)\s+(?!come|have|fit|work|a\b|an\b|the\b|for\b)", rest)
    if pronoun and not determiner:
        return rest[pronoun.end() :]
    verb = _PREDICATE.search(rest)
    return rest[verb.start() :] if verb and verb.start() < 0.6 * len(rest) else rest
