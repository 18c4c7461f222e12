from __future__ import annotations

import random

import pytest

from model.evaluation.guard_trial import evaluate
from model.evaluation.mutations import MUTATIONS
from model.evaluation.rewritings import REWRITINGS
from model.evaluation.wordings import Pair
from model.guards.grounding import check

TRUE = (
    Pair(("brand: Anker", "cable length: 6 feet", "color: black"), "This black Anker cable is 6 feet long."),
    Pair(("size: 9/16 in. hose",), "It is a 9/16 in. hose."),
    Pair(("Queen bed frame made of steel, without headboard.",), "A queen frame made of steel, without headboard."),
    Pair(("pack of 2 mugs, grey",), "It comes as two grey mugs."),
    Pair(("dishwasher safe: yes",), "Yes, it is dishwasher safe.", "Is it dishwasher safe?"),
    Pair(("材质: 304不锈钢", "颜色: 黑色", "容量: 500毫升"), "黑色，304不锈钢，容量500毫升。", language="zh"),
)


@pytest.mark.parametrize("kind", MUTATIONS)
def test_each_kind_of_lie_is_told_and_found(kind: str) -> None:
    lies = [(pair, text) for pair in TRUE if (text := MUTATIONS[kind](pair, random.Random(1)))]
    assert lies
    for pair, text in lies:
        assert text != pair.text
        assert not check(pair.text, pair.sources, pair.language, pair.question)
        assert check(text, pair.sources, pair.language, pair.question), text


def test_the_report_counts_both_ways() -> None:
    report = evaluate(TRUE, seed=3)
    assert (report.refused.hits, report.refused.total) == (0, len(TRUE))
    assert all(rate.share == 1.0 for rate in report.detected.values()), report.missed
    assert all(rate.share == 1.0 for rate in report.passed.values()), report.missed
    assert {"unit conversion", "spelling", "number word"} <= report.passed.keys() <= REWRITINGS.keys()


def test_a_guard_that_is_blind_or_refuses_all() -> None:
    blind = evaluate(TRUE, seed=3, guard=lambda *_: ())
    assert {rate.hits for rate in blind.detected.values()} == {0}
    assert blind.missed
    assert evaluate(TRUE, seed=3, guard=lambda *_: ("no",)).refused.share == 1.0


def test_the_same_seed_makes_the_same_texts() -> None:
    assert evaluate(TRUE, seed=5) == evaluate(TRUE, seed=5)
