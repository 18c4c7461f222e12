"""Answer examples: a question, facts that answer it or do not, and what a person wrote.

What the model should write begins with a verdict (`model.tasks.verdict`). Sets without a usable wording teach the
verdict alone: their completion stops behind it, and the end of the turn is not learned.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from model.evaluation.data_error import DataError, read_text
from model.evaluation.sets import AnswerRow, RankingRow
from model.guards.polarity import answer_polarity
from model.language import terms
from model.tasks.prompts import answer_prompt
from model.tasks.verdict import Verdict, join
from model.training.examples import Example

_SECOND_FACT = 0.25  # share of examples with another fact beside the one that answers
_YES_NO = re.compile(r"\s*(yes|yeah|yep|no|nope)\b", re.IGNORECASE)


def verdict_of(question: str, answer: str) -> Verdict:
    """Yes and no where the person said so in words or beyond doubt, else info."""
    said = _YES_NO.match(answer)
    if said:
        return "yes" if said[1].lower().startswith("y") else "no"
    return answer_polarity(question, answer) or "info"


def written(rows: Sequence[AnswerRow], seed: int, source: str) -> list[Example]:
    """One example for each row: its fact, in some with a fact of another row of the same product, and its answer."""
    order = random.Random(seed)
    others = _by_group(rows)
    found = []
    for row in rows:
        facts = [row.evidence]
        if order.random() < _SECOND_FACT:
            other = order.choice(others[row.group] if len(others[row.group]) > 1 else rows)
            if not _alike(other.evidence, row.evidence):
                facts.insert(order.randrange(2), other.evidence)
        verdict = verdict_of(row.question, row.answer)
        found.append(Example(answer_prompt(row.question, facts), join(verdict, _clean(row.answer)), source=source))
    return found


def unanswered(rows: Sequence[AnswerRow], count: int, seed: int, source: str) -> list[Example]:
    """Questions with facts of other questions: of the same product where there are any, else of another one."""
    order = random.Random(seed)
    others = _by_group(rows)
    found = []
    for row in order.sample(rows, min(count, len(rows))):
        near = [other for other in others[row.group] if not _about(row, other)]
        other = order.choice(near or rows)
        if not _about(row, other):
            found.append(Example(answer_prompt(row.question, [other.evidence]), join("none", ""), source=source))
    return found


def judged(rows: Sequence[AnswerRow], against: int, seed: int, source: str) -> list[Example]:
    """Verdicts on whether a passage answers (label 2) or not (0); partly (1) is left out.

    Of the passages that do not answer, at most `against` times as many are taken as do.
    """
    fitting = [
        Example(
            answer_prompt(row.question, [row.evidence]),
            f"{verdict_of(row.question, row.answer)}:",
            ended=False,
            source=source,
        )
        for row in rows
        if row.label == 2
    ]
    others = [
        Example(answer_prompt(row.question, [row.evidence]), join("none", ""), source=source)
        for row in rows
        if row.label == 0
    ]
    return fitting + random.Random(seed).sample(others, min(len(others), against * len(fitting)))


def irrelevant(rows: Sequence[RankingRow], count: int, seed: int, source: str) -> list[Example]:
    """Passages of the right product that say nothing of what is asked."""
    against = [row for row in rows if not row.relevant]
    return [
        Example(answer_prompt(row.question, [row.candidate]), join("none", ""), source=source)
        for row in random.Random(seed).sample(against, min(count, len(against)))
    ]


def reviewed(path: Path, source: str) -> list[Example]:
    """A merchant's reviewed answers, as `tradewind model reviewed` writes them; rejected ones teach nothing.

    Raises DataError naming the line for one that is not as expected.
    """
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question, evidence, answer = row["question"], row["evidence"], row["answer"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: line {number}: {error!r}; expected an object with question, evidence and answer, "
                f"as `tradewind model reviewed` writes it"
            ) from None
        if answer and evidence:
            text = join(verdict_of(question, answer), _clean(answer))
            found.append(Example(answer_prompt(question, evidence), text, source=source))
    return found


def _by_group(rows: Sequence[AnswerRow]) -> dict[str, list[AnswerRow]]:
    groups: dict[str, list[AnswerRow]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    return groups


def _about(row: AnswerRow, other: AnswerRow) -> bool:
    """Whether the other row's fact may answer this row's question: same question, or words in common."""
    return row.question == other.question or bool(set(terms(row.question)) & set(terms(other.evidence)))


def _alike(first: str, second: str) -> bool:
    return first == second or first in second or second in first


def _clean(answer: str) -> str:
    return " ".join(answer.split())
