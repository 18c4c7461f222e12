"""Does the ranker put the passages that answer a question first? Ours and BM25 on the same questions, and by chance."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.evaluation.bootstrap import mean_of, resampling
from model.evaluation.metrics import average_precision, ordered, reciprocal_rank
from model.evaluation.report import Figure, Report, percent
from model.evaluation.sets import RankingRow

#: Question and passages, to a score each; higher fits better.
Scorer = Callable[[str, list[str]], Sequence[float]]

OURS, BM25, CHANCE = "ours", "BM25", "chance"


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its candidates and which of them are relevant."""

    text: str
    candidates: tuple[str, ...]
    relevant: tuple[bool, ...]


def questions(rows: Sequence[RankingRow]) -> list[Question]:
    """The rows by question, where at least one candidate is relevant and one is not: others rank alike whatever."""
    grouped: dict[str, list[RankingRow]] = {}
    for row in rows:
        grouped.setdefault(row.qid, []).append(row)
    found = [
        Question(group[0].question, tuple(r.candidate for r in group), tuple(r.relevant for r in group))
        for group in grouped.values()
    ]
    return [q for q in found if any(q.relevant) and not all(q.relevant)]


def evaluate(
    asked: Sequence[Question],
    scorers: Mapping[str, Scorer],
    *,
    seed: int,
    about: Mapping[str, Any],
    step: Callable[[], None] = lambda: None,
    timer: Callable[[], float] = time.process_time,
) -> Report:
    """MAP, P@1 and MRR by system with the difference to `OURS`, and candidates a second.

    Equal scores are ordered by chance from the seed, the same for all systems. Time is a scorer's own and that of the
    CPU, all threads together, so the rate is that of one core whatever else the machine does.
    """
    draws = resampling(len(asked), seed=seed)
    generator = np.random.default_rng(seed)
    ties = [generator.random(len(q.candidates)) for q in asked]
    total = sum(len(q.candidates) for q in asked)
    lists: dict[str, list[list[bool]]] = {}
    speed: dict[str, float] = {}
    for name, scorer in scorers.items():
        if asked:
            scorer(asked[0].text, list(asked[0].candidates))  # loads its weights outside of the measured time
        lists[name] = []
        spent = 0.0
        for question, tie in zip(asked, ties, strict=True):
            started = timer()
            scores = scorer(question.text, list(question.candidates))
            spent += timer() - started
            lists[name].append(ordered(scores, question.relevant, tie))
            step()
        speed[name] = total / spent if spent else float("nan")
    lists[CHANCE] = [ordered([0.0] * len(q.relevant), q.relevant, t) for q, t in zip(asked, ties, strict=True)]
    measures: tuple[tuple[str, Callable[[list[bool]], float]], ...] = (
        ("MAP", average_precision),
        ("P@1", lambda judged: float(judged[0])),
        ("MRR", reciprocal_rank),
    )
    over = f"{len(asked)} questions"
    figures: list[Figure] = []
    for metric, measure in measures:
        measured = {name: mean_of([measure(judged) for judged in found]) for name, found in lists.items()}
        figures += [percent(metric, name, draws.interval(statistic), over) for name, statistic in measured.items()]
        figures += [
            percent(f"{metric}, {OURS} over it", name, draws.difference(measured[OURS], statistic), over)
            for name, statistic in measured.items()
            if name != OURS and OURS in measured
        ]
    return Report(
        "Evidence ranking",
        {
            **about,
            "questions": len(asked),
            "candidates": total,
            "candidates_per_second": {name: round(rate) for name, rate in speed.items() if rate == rate},  # noqa: PLR0124
        },
        tuple(figures),
        notes=tuple(f"{name}: {rate:,.0f} candidates a second on one core" for name, rate in speed.items()),
    )
