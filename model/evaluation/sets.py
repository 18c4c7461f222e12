"""The public sets as typed rows. Which set a file is follows from its header, never from its name.

Every reader raises `DataError` with the file, the line, the field and how to mend it. Evidence comes back in a seller's
words (`attribute_text.flatten`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.evaluation.attribute_text import flatten
from model.evaluation.data_error import DataError, read_text
from model.evaluation.listings import read_listings

__all__ = [
    "AnswerRow",
    "DataError",
    "ModerationRow",
    "PIIRow",
    "PIISpan",
    "RankingRow",
    "kind_of",
    "read_answers",
    "read_listings",
    "read_moderation",
    "read_pii",
    "read_rankings",
    "read_sentences",
]


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A question, a passage, and what a person answered from it."""

    question: str
    evidence: str
    answer: str  # empty where the passage does not answer
    label: int  # does the passage answer: 0 no, 1 partly, 2 fully
    group: str  # rows of one group must not be split: a question's id, else the product's
    source: str  # attribute, bullet, Desc, OSP, review, CQA


@dataclass(frozen=True, slots=True)
class RankingRow:
    """A candidate passage of a question."""

    qid: str
    question: str
    candidate: str
    relevant: bool


@dataclass(frozen=True, slots=True)
class PIISpan:
    """Personal data at `start:end` of a text; `kind` as the set names it."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PIIRow:
    """A text and all the personal data in it."""

    text: str
    spans: tuple[PIISpan, ...]


@dataclass(frozen=True, slots=True)
class ModerationRow:
    """A text that people judged. `label` as the set has it: COLD 0 fine, 1 offensive; Davidson 0 hate, 1 offensive,
    2 neither."""

    text: str
    label: int
    abusive: bool
    language: str


#: Columns by which a table is known.
_TABLES: dict[str, frozenset[str]] = {
    "epqa": frozenset(("qid", "question", "candidate", "label", "answer")),
    "hetpqa": frozenset(("ASIN", "question", "candidate", "answer", "source")),
    "sentences": frozenset(("data", "text")),
    "ranking": frozenset(("qid", "question", "candidate", "label")),
    "cold": frozenset(("label", "TEXT")),
    "davidson": frozenset(("class", "tweet")),
}


def kind_of(path: Path) -> str:
    """Which set a file is: hetpqa, epqa, sentences, ranking, cold, davidson, presidio or listings.

    Raises:
        DataError: the file can't be read, or is none of them.
    """
    if path.is_dir() or path.suffix in (".yaml", ".yml", ".jsonl", ".ndjson"):
        return "listings"
    text = read_text(path).lstrip()
    if text[:1] in ("[", "{"):
        return "presidio" if '"full_text"' in text[:20_000] else "listings"
    header, _ = _header(text)
    for kind, columns in _TABLES.items():
        if columns <= set(header):
            return kind
    raise DataError(
        f"{path}: its columns are {', '.join(header)[:200]}, which is none of the sets known here; expected "
        + "; or ".join(f"{', '.join(sorted(columns))} ({kind})" for kind, columns in _TABLES.items())
    )


def read_answers(path: Path) -> list[AnswerRow]:
    """Questions with evidence and answers: hetPQA answer generation (all rows are answerable) or ePQA.

    A row without a question or without a passage (ePQA has one) asks nothing and is left out.
    """
    kind = _expect(path, "hetpqa", "epqa")
    rows: list[AnswerRow] = []
    for line, row in _rows(path):
        label = 2 if kind == "hetpqa" else _integer(path, line, row, "label", 0, 2)
        question, evidence, answer = (" ".join(row[name].split()) for name in ("question", "candidate", "answer"))
        group = row["ASIN"] if kind == "hetpqa" else row["qid"]
        if question and evidence:
            rows.append(AnswerRow(question, flatten(evidence), answer, label, group, row["source"]))
    return rows


def read_sentences(path: Path) -> list[tuple[str, str]]:
    """(a fact in a seller's words, the sentence that a person made of it): semiPQA data-to-text.

    Rows where the person wrote that nothing can be said ('na') are left out.
    """
    _expect(path, "sentences")
    pairs = [
        (flatten(_filled(path, line, row, "data")), " ".join(_filled(path, line, row, "text").split()))
        for line, row in _rows(path)
    ]
    return [(fact, sentence) for fact, sentence in pairs if sentence.lower().strip(".") not in ("na", "n/a", "none")]


def read_rankings(path: Path) -> list[RankingRow]:
    """Candidates of questions, judged: hetPQA and semiPQA rankings, and ePQA (there, partly is relevant)."""
    kind = _expect(path, "ranking", "epqa")
    highest = 2 if kind == "epqa" else 1
    return [
        RankingRow(
            _filled(path, line, row, "qid"),
            _filled(path, line, row, "question"),
            flatten(row["candidate"]),
            _integer(path, line, row, "label", 0, highest) > 0,
        )
        for line, row in _rows(path)
    ]


def read_moderation(path: Path) -> list[ModerationRow]:
    """Texts judged offensive or not: COLD (Chinese) or Davidson (English)."""
    if _expect(path, "cold", "davidson") == "cold":
        return [
            ModerationRow(
                _filled(path, line, row, "TEXT"), label := _integer(path, line, row, "label", 0, 1), label == 1, "zh"
            )
            for line, row in _rows(path)
        ]
    return [
        ModerationRow(
            _filled(path, line, row, "tweet"), label := _integer(path, line, row, "class", 0, 2), label < 2, "en"
        )
        for line, row in _rows(path)
    ]


def read_pii(path: Path) -> list[PIIRow]:
    """Texts with personal data marked, as Presidio's generator writes them (a JSON array)."""
    _expect(path, "presidio")
    try:
        found: Any = json.loads(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); expected an array of objects with full_text and spans") from None
    rows: list[PIIRow] = []
    for number, row in enumerate(found, 1):
        try:
            spans = [
                PIISpan(str(span["entity_type"]), int(span["start_position"]), int(span["end_position"]))
                for span in row["spans"]
            ]
            rows.append(PIIRow(str(row["full_text"]), tuple(spans)))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: item {number}: {error!r}; expected full_text, and spans with entity_type, start_position "
                "and end_position"
            ) from None
    return rows


def _expect(path: Path, *wanted: str) -> str:
    kind = kind_of(path)
    if kind not in wanted:
        columns = "; or ".join(f"{name} ({', '.join(sorted(_TABLES[name]))})" for name in wanted if name in _TABLES)
        raise DataError(f"{path}: is of the kind {kind}; expected {columns or ' or '.join(wanted)}")
    return kind


def _header(text: str) -> tuple[list[str], str]:
    first = text.split("\n", 1)[0].rstrip("\r").lstrip("\ufeff")
    separator = "\t" if "\t" in first else ","
    return next(csv.reader([first], delimiter=separator), []), separator


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row with the number of the line that it ends on."""
    text = read_text(path)
    header, separator = _header(text)
    lines = csv.reader(text.splitlines(keepends=True)[1:], delimiter=separator)
    try:
        for cells in lines:
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path}:{lines.line_num + 1}: {len(cells)} fields, the header has {len(header)}; quote a field "
                    "that holds a separator, or mend the row"
                )
            yield lines.line_num + 1, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}:{lines.line_num + 1}: {error}; expected a table in quotes where needed") from None


def _filled(path: Path, line: int, row: dict[str, str], name: str) -> str:
    text = row[name].strip()
    if not text:
        raise DataError(f"{path}:{line}: field '{name}' is empty; fill it or drop the row")
    return text


def _integer(path: Path, line: int, row: dict[str, str], name: str, lowest: int, highest: int) -> int:
    text = row[name].strip()
    if text not in (allowed := [str(number) for number in range(lowest, highest + 1)]):
        raise DataError(f"{path}:{line}: field '{name}' is {text[:20]!r}; expected {', '.join(allowed)}")
    return int(text)
