"""Yes or no in Chinese: questions by particle (吗), by A-not-A (有没有), answers by verb (可以) or by statement."""

from __future__ import annotations

import re
from typing import Literal

from model.guards import lexicon
from model.guards.facts import NEGATOR
from model.language import terms

_A_NOT_A = "是不是|有没有|能不能|能否|可否|是否|可不可以|会不会|要不要|需不需要|支不支持|(.)不\\1"
_QUESTION = re.compile(rf"[吗嘛么](?!么)|吧[?？]|{_A_NOT_A}")
_WH = re.compile("什么|多少|多大|多长|多高|多重|多久|多宽|几|哪|怎么|怎样|如何|为什么|为何|谁|还是")
_ASKING = re.compile(rf"请问|{_A_NOT_A}|需要?|无需|不用|[吗嘛么吧呢啊?？]")
_GREETING = "\\s*(?:您好|你好|亲亲?)?[，,！! ]*(?:很?抱歉|不好意思)?[，,！! ]*"
# alone before a pause they answer; the same words also begin plain statements (可以机洗)
_PAUSE = "(?=\\s*(?:[，。,.!！；;~、 ]|$|亲|哦|呢))"
_YES = re.compile(f"{_GREETING}(?:(?:是|对|可以|能|会|有|支持|需要|要|包含)的?|没问题|没错|当然|好的|嗯+){_PAUSE}")
_NO = re.compile(f"{_GREETING}(?:不(?:是|可以|能|会|行|支持|需要|用|要)的?|没有的?|没|无|否|不){_PAUSE}")
_HEDGE = re.compile(
    "不(?:太)?(?:清楚|确定|知道|了解)|没有?(?:说明|注明|提到|写)|未(?:说明|注明|提及)|可能|也许|取决于|看情况|不一定"
)
_IDLE = re.compile("没有?(?:任何)?问题|不错|不仅|不但|不只")
_CLAUSE = re.compile(r"[，。,.!！；;？?\n]+")

#: Least share of the question's character pairs that a clause must have to be about what was asked.
NEEDED = 0.4


def polarity(question: str, text: str, needed: float = NEEDED) -> Literal["yes", "no"] | None:
    """What a Chinese text says to a Chinese yes/no question, both folded; None for any other question or a hedge."""
    if not _QUESTION.search(question) or _WH.search(question) or not text or _HEDGE.search(text):
        return None
    if len(re.findall(r"[?？]", question)) > 1:
        return None
    asking = _ASKING.sub(" ", question)
    if _NO.match(text) or _YES.match(text):
        if NEGATOR.search(asking):  # 不掉色吧? 是的 may mean either
            return None
        return "no" if _NO.match(text) else "yes"
    return _implied(asking, text, needed)


def _implied(asking: str, text: str, needed: float) -> Literal["yes", "no"] | None:
    words = frozenset(terms(asking))
    kinds = [term for term in lexicon.find(asking) if term.kind in ("material", "colour", "origin")]
    best = 0.0
    told: Literal["yes", "no"] | None = None
    for clause in _CLAUSE.split(_IDLE.sub(" ", text)):
        met = len(words & frozenset(terms(_ASKING.sub(" ", clause)))) / len(words) if words else 0.0
        says: Literal["yes", "no"] = "no" if NEGATOR.search(clause) else "yes"
        if met >= needed and met >= best:
            told = says if met > best or says == told else None
            best = met
        elif best == 0.0 and says == "yes" and _another(kinds, clause):
            told = "no"
    return told


def _another(kinds: list[lexicon.Term], clause: str) -> bool:
    """Whether the clause names another material, colour or origin than the one that was asked for."""
    said = lexicon.find(clause)
    return any(
        any(other.kind == term.kind for other in said)
        and not lexicon.supports(term.name, {other.name for other in said})
        for term in kinds
    )
