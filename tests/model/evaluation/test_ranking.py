from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest

from model.evaluation.ranking import Question, evaluate, questions
from model.evaluation.sets import RankingRow


def _longest(question: str, texts: list[str]) -> Sequence[float]:
    return [float(len(text)) for text in texts]


def _shortest(question: str, texts: list[str]) -> Sequence[float]:
    return [-float(len(text)) for text in texts]


ASKED = [Question(f"q{n}", ("a", "abc", "ab"), (False, True, False)) for n in range(8)]


def test_questions_that_every_order_serves_alike_are_left_out() -> None:
    rows = [
        RankingRow("1", "big?", "yes", True),
        RankingRow("2", "red?", "no", False),
        RankingRow("1", "big?", "no", False),
        RankingRow("3", "tin?", "it is", True),
    ]
    assert questions(rows) == [Question("big?", ("yes", "no"), (True, False))]


def test_the_better_ranker_is_told_with_its_difference() -> None:
    report = evaluate(ASKED, {"ours": _longest, "BM25": _shortest}, seed=0, about={})
    values = {(figure.metric, figure.system): figure.interval.value for figure in report.figures}
    assert values["MAP", "ours"] == 100
    assert values["P@1", "BM25"] == 0
    assert values["MRR", "BM25"] == pytest.approx(100 / 3)
    assert values["MAP, ours over it", "BM25"] == pytest.approx(200 / 3)
    assert 0 < values["P@1", "chance"] < 100


def test_a_ranker_that_knows_nothing_gains_nothing_from_the_order_of_the_file() -> None:
    first = [Question(f"q{n}", tuple("abcd"), (True, False, False, False)) for n in range(200)]
    report = evaluate(first, {"ours": lambda question, texts: [0.0] * len(texts)}, seed=0, about={})
    values = {(figure.metric, figure.system): figure.interval.value for figure in report.figures}
    assert values["P@1", "ours"] == values["P@1", "chance"]
    assert 15 < values["P@1", "ours"] < 35


def test_speed_is_by_candidates_and_only_of_the_scorer() -> None:
    ticks = count()
    steps: list[None] = []
    report = evaluate(
        ASKED, {"ours": _longest}, seed=0, about={}, step=lambda: steps.append(None), timer=lambda: float(next(ticks))
    )
    assert report.about["candidates_per_second"] == {"ours": 3}
    assert len(steps) == len(ASKED)
