"""Whether a buyer asks what another has asked before: 'does it fit a king bed' is not 'does it fit a queen bed'.

Words that differ on both sides change what a yes or no is about, however alike the questions look to a ranker. An
answer to another question may still tell what is asked for: 'queen and king'.
"""

from __future__ import annotations

import re
from enum import Enum

from model.language import fold, terms

_POLAR = re.compile(
    r"(?:^|[.?!,;] *|\b(?:and|or|but) )(?:is|are|was|were|does|do|did|can|could|will|would|has|have|should|am|may)"
    r"(?:n't)?\b|吗|(?<![什怎那这])么|是不是|能不能|可不可以|有没有|会不会"
)
# Stop words for a search, and yet they decide what is asked.
_ASKING = re.compile(
    r"\b(?:what|which|whose?|where|when|why|how|many|much|often|more|most|only|not|no|never|without|\w+n't|cannot)\b"
    r"|什么|怎么|多[少大长高宽深厚重久]|哪|几|谁|为何|不|没"
)
#: Stems that say nothing of what is asked about.
_FILLER = frozenset(
    ["fit", "work", "compatibl", "support", "still", "ever", "even", "current", "wonder", "sure", "mean"]
)


class Likeness(str, Enum):
    """How a question relates to one that was answered before."""

    SAME = "same"  # but for small words
    NEAR = "near"  # perhaps; what its answer is worth is the ranker's to say
    OTHER = "other"  # it asks the like about another thing


def compare(question: str, asked: str, answer: str) -> Likeness:
    """How `question` relates to `asked`, which `answer` was given to."""
    new, old = terms(question), terms(asked)
    if new and new == old and set(_ASKING.findall(fold(question))) == set(_ASKING.findall(fold(asked))):
        return Likeness.SAME
    missing = set(new) - set(old) - set(terms(answer)) - _FILLER
    foreign = set(old) - set(new) - _FILLER
    if missing and foreign and (_POLAR.search(fold(asked)) or any(re.search(r"\d", t) for t in missing | foreign)):
        return Likeness.OTHER
    return Likeness.NEAR
