"""The listings and questions that were written for the demo, as they lie beside this file.

`listings.jsonl` and `questions.jsonl` hold one JSON object a line: the fields of ListingPublished and of
QuestionAsked without `event_id` and `occurred_at`, which are filled in when they are published. A question
also says what it is there for (`_expect`) and what is true (`_answer`); neither is ever published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

#: What a question can be there for.
EXPECTATIONS = ("answerable", "unanswerable", "missing_listing", "pii", "abusive", "handover", "injection")


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question, and what a reader of its listing knows about it.

    Attributes:
        question: fields of QuestionAsked.
        expect: one of `EXPECTATIONS`. `pii` and `abusive` say what is in the question, whether or not the
            listing answers it; `handover` wants a person whatever the listing says.
        answer: the true answer in short, or None where the listing gives none.
    """

    question: dict[str, Any]
    expect: str
    answer: str | None


def demo_listings() -> list[dict[str, Any]]:
    """Fields of ListingPublished, one dict a listing, in the file's order."""
    return list(_objects("listings.jsonl"))


def labelled_questions() -> list[LabelledQuestion]:
    """The questions with their labels, in the file's order."""
    return [
        LabelledQuestion(
            question={name: value for name, value in row.items() if not name.startswith("_")},
            expect=row["_expect"],
            answer=row["_answer"],
        )
        for row in _objects("questions.jsonl")
    ]


def demo_questions() -> list[dict[str, Any]]:
    """Fields of QuestionAsked, one dict a question, without the labels."""
    return [labelled.question for labelled in labelled_questions()]


def _objects(name: str) -> Iterator[dict[str, Any]]:
    text = (files("tradewind.demo") / name).read_text(encoding="utf-8")
    return (json.loads(line) for line in text.splitlines())
