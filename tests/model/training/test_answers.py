from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.evaluation.data_error import DataError
from model.evaluation.sets import AnswerRow, RankingRow
from model.training import answers


def row(question: str, evidence: str, answer: str, label: int = 2, group: str = "p1") -> AnswerRow:
    return AnswerRow(question, evidence, answer, label, group, "review")


WOOD = row("is it made of wood?", "material: solid oak wood", "Yes, it is made of solid oak.")
SIZE = row("how tall is it?", "it stands 30 inches tall", "it is 30 inches tall.")
PUMP = row("does it come with a pump?", "no pump in the box", "No, there is no pump.", group="p2")


@pytest.mark.parametrize(
    ("question", "answer", "verdict"),
    [
        ("is it wood?", "Yes, it is.", "yes"),
        ("is it wood?", "nope", "no"),
        ("what is it?", "Notable for its wood.", "info"),
        ("how tall is it?", "it is 30 inches tall.", "info"),
    ],
)
def test_the_verdict_is_what_the_person_said(question: str, answer: str, verdict: str) -> None:
    assert answers.verdict_of(question, answer) == verdict


def test_written_answers_keep_their_fact_and_wording() -> None:
    examples = answers.written([WOOD, SIZE, PUMP] * 20, seed=1, source="set")
    assert {e.completion for e in examples} == {
        "yes: Yes, it is made of solid oak.",
        "info: it is 30 inches tall.",
        "no: No, there is no pump.",
    }
    assert all(e.ended and e.source == "set" for e in examples)
    assert all("solid oak" in e.prompt.user for e in examples if "oak" in e.completion)
    two = [e for e in examples if len(e.prompt.user.split("---")[1].strip().splitlines()) == 2]
    assert 0 < len(two) < len(examples) / 2


def test_unanswered_questions_get_facts_of_other_questions() -> None:
    examples = answers.unanswered([WOOD, SIZE, PUMP], 3, seed=1, source="set")
    assert examples
    for example in examples:
        assert example.completion == "none"
        question = example.prompt.user.rpartition("Question: ")[2]
        own = {item.question: item.evidence for item in (WOOD, SIZE, PUMP)}[question]
        assert own not in example.prompt.user


def test_judged_passages_teach_the_verdict_alone() -> None:
    rows = [WOOD, row("is it wood?", "it is blue", "", 0), row("is it wood?", "partly wood", "I'm not sure.", 1)]
    examples = answers.judged(rows, against=2, seed=0, source="epqa")
    assert [(e.completion, e.ended) for e in examples] == [("yes:", False), ("none", True)]
    many = [WOOD, *(row("is it wood?", f"fact {n}", "", 0) for n in range(9))]
    assert len(answers.judged(many, against=2, seed=0, source="epqa")) == 3


def test_irrelevant_passages_are_refused() -> None:
    rows = [RankingRow("1", "is it wood?", "color: red", False), RankingRow("1", "is it wood?", "material: oak", True)]
    (example,) = answers.irrelevant(rows, 9, seed=0, source="ranking")
    assert example.completion == "none"
    assert "color: red" in example.prompt.user


def test_reviewed_answers_become_targets(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.jsonl"
    lines = [
        {"question": "is it wood?", "evidence": ["material: oak"], "answer": "Yes, oak.", "decision": "approve"},
        {"question": "is it red?", "evidence": ["color: red"], "answer": None, "decision": "reject"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    (example,) = answers.reviewed(path, "mine")
    assert example.completion == "yes: Yes, oak."


def test_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.jsonl"
    path.write_text('{"question": "a?", "evidence": [], "answer": "b"}\n{"question": "a?"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        answers.reviewed(path, "mine")
