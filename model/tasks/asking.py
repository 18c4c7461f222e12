"""What of a buyer's text asks something, and whether it does anything else besides."""

from __future__ import annotations

import re

from model.language import fold, sentences

_MARKED = re.compile(r"[?？]|[吗呢]")
_AUX = (
    r"(?:is|are|was|were|does|do|did|can|could|will|would|has|have|had|should|shall|am|may|might|must"
    r"|isn['’]t|aren['’]t|doesn['’]t|don['’]t|can['’]t|won['’]t)"
)
_WH = r"(?:what(?:['’]?s)?|which|who|whose|whom|where|when|why|how(?:['’]s)?)"
_SUBJECT = r"(?:it|this|that|these|those|the|they|there|you|i|we|one|a|an|any|anyone|someone|somebody)"
#: A question in its form: 'is ...' or 'what ...' at its beginning or behind a clause; behind 'and' only turned, as
#: in 'and can you', for 'and should be' goes on with a statement.
_ASKS = re.compile(
    rf"^[\s\"'“(]*(?:(?:hi|hello|please|also|and|but|or|so|just|if so)[, ]+)*"
    rf"(?:{_AUX}|(?:to|at|in|for|with|of|on|from|by) {_WH}|{_WH}|any|anyone|anybody)\b"
    rf"|(?:[,;.(–-]|\b(?:and|or|but|so|then)\b)\s*{_AUX} {_SUBJECT}\b"
    rf"|[,;.(–-]\s*(?:what|where|when|why|how)\b|\b(?:wondering|know|tell me|ask|sure)(?: if| whether| {_WH})\b"
    r"|[吗呢么]|什么|怎么|怎样|多[少大长高宽深厚重久]|哪|几|谁|是不是|能不能|可不可以|有没有|会不会"
)
_COURTESY = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|thanks?|thank you|thx|cheers|please)\b"
    r"[^.!?]{0,20}[.!?,]*|(?:你好|您好|谢谢|多谢)\S{0,3}"
)
#: 'Batteries included?' asks too, though it has no verb.
_SHORT_WORDS = 6


def asking(question: str) -> list[str]:
    """The sentences that ask something, without what stands for personal data; all, where none is marked as asking."""
    plain = re.sub(r"\[[a-z_]+\]", " ", question)
    parts = [plain[start:end] for start, end in sentences(plain)]
    return [part for part in parts if _MARKED.search(part)] or parts


def only_asks(question: str) -> bool:
    """Whether each sentence asks, courtesies aside. What else a buyer writes may be there to steer the answer."""
    parts = [fold(question[start:end]) for start, end in sentences(question)]
    return bool(parts) and all(_ASKS.search(part) or _is_short(part) or _COURTESY.fullmatch(part) for part in parts)


def _is_short(part: str) -> bool:
    return part.endswith("?") and len(part.split()) <= _SHORT_WORDS
