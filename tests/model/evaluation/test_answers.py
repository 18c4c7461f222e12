from __future__ import annotations

import pytest

from model.evaluation import answers
from model.evaluation.answers import Outcome, evaluate, sample, without_twins
from model.evaluation.drawing import drawn
from model.evaluation.report import Figure, Report
from model.evaluation.sets import AnswerRow
from schemas.events import AnswerRoute, Check, Method

pytest.importorskip("sacrebleu")
pytest.importorskip("rouge_score")


def _row(number: int, answer: str = "yes, it folds flat for travel.", label: int = 2) -> AnswerRow:
    return AnswerRow(
        f"does it fold {number}?", f"passage {number}", answer if label else "", label, str(number), "review"
    )


def _outcome(text: str, route: AnswerRoute = AnswerRoute.REVIEW, sure: float = 0.5, raw: str | None = None) -> Outcome:
    method = Method.MODEL if text else Method.NONE
    return Outcome(text if raw is None else raw, text, method, route, "check_fit", sure)


def _polarity(question: str, text: str) -> str | None:
    word = text.lower().partition(",")[0]
    return word if word in ("yes", "no") else None


def _evaluate(rows: list[AnswerRow], outcomes: list[Outcome], **baselines: list[str]) -> Report:
    return evaluate(rows, outcomes, baselines, polarity=_polarity, seed=0, about={"data": "rows.csv"})


def _figure(report: Report, metric: str, system: str) -> Figure:
    (found,) = (f for f in report.figures if (f.metric, f.system) == (metric, system))
    return found


def test_twins_are_counted_once() -> None:
    first, second = _row(1), _row(2)
    assert without_twins([first, second, _row(1, "no.")]) == [first, second]


def test_rows_are_drawn_by_seed_and_keep_their_order() -> None:
    rows = list(range(50))
    assert drawn(rows, 5, 1) == drawn(rows, 5, 1) == sorted(drawn(rows, 5, 1))
    assert drawn(rows, 5, 1) != drawn(rows, 5, 2)
    assert drawn(rows, None, 1) == drawn(rows, 60, 1) == rows


def test_the_model_beats_a_copy_that_says_nothing() -> None:
    rows = [_row(n) for n in range(6)]
    outcomes = [_outcome("yes, it folds flat for travel.") for _ in rows]
    report = _evaluate(rows, outcomes, copied=["a passage"] * 6)
    assert _figure(report, "BLEU, model over it", "copied").interval.low > 90
    assert [f.interval.value for f in report.figures if (f.metric, f.system) == ("BLEU", "model")] == [
        pytest.approx(100)
    ]


def test_raw_text_is_judged_apart_from_what_is_handed_on() -> None:
    rows = [_row(n) for n in range(4)]
    outcomes = [_outcome("", AnswerRoute.HUMAN, 0.0, raw="yes, it folds flat for travel.") for _ in rows]
    report = _evaluate(rows, outcomes)
    assert _figure(report, "ROUGE-L", "model").interval.value == 1.0
    assert not [f for f in report.figures if (f.metric, f.system) == ("BLEU", answers.ROUTED)]
    assert _figure(report, "routed human", answers.ROUTED).interval.value == 100


def test_opposite_answers_overall_and_among_auto() -> None:
    rows = [_row(1), _row(2), _row(3, "it folds."), _row(4, "no, it does not fold.")]
    outcomes = [
        _outcome("no, it does not.", AnswerRoute.AUTO),
        _outcome("yes, it does."),
        _outcome("no, never."),  # the person said neither
        _outcome("no, it does not fold.", AnswerRoute.AUTO),
    ]
    report = _evaluate(rows, outcomes)
    assert _figure(report, "opposite yes/no", "model").interval.value == pytest.approx(100 / 3)
    auto = _figure(report, "opposite yes/no, routed auto", answers.ROUTED)
    assert auto.interval.value == 50
    assert auto.over == "2 told, 1 opposite"


def test_labels_bring_the_figures_of_confidence() -> None:
    rows = [_row(1), _row(2), _row(3, label=0), _row(4, label=1)]
    outcomes = [
        _outcome("yes, it folds.", AnswerRoute.AUTO, 0.9),
        _outcome("yes, it folds.", AnswerRoute.REVIEW, 0.8),
        _outcome("", AnswerRoute.HUMAN, 0.1),
        _outcome("yes, it folds.", AnswerRoute.AUTO, 0.7),
    ]
    report = _evaluate(rows, outcomes)
    assert _figure(report, "AUROC of confidence, 0 against 2", answers.ROUTED).interval.value == 1.0
    assert _figure(report, "supported of auto, 0 against 2", answers.ROUTED).interval.value == 100
    assert _figure(report, "supported of auto, label 2", answers.ROUTED).interval.value == 50
    assert _figure(report, "supported of auto, label 1 or 2", answers.ROUTED).interval.value == 100
    assert _figure(report, "label 2 that is routed auto", answers.ROUTED).interval.value == 50


def test_without_labels_there_are_none() -> None:
    report = _evaluate([_row(1)], [_outcome("yes, it folds.")])
    assert not [f for f in report.figures if "AUROC" in f.metric]


def test_samples_have_what_a_reader_needs() -> None:
    check = Check("grounding", "draft", "unsupported_number", 0, 1, "7")
    outcome = Outcome("no, 7.", "no, it does not.", Method.TEMPLATE, AnswerRoute.REVIEW, "quoted", 0.4321, (check,))
    (found,) = sample([_row(1)], [outcome], 30, polarity=_polarity, seed=0)
    assert found["verdicts"] == ["grounding: unsupported_number “7”", "person says yes, draft says no"]
    assert (found["model"], found["draft"], found["route"], found["confidence"]) == (
        "no, 7.",
        "no, it does not.",
        "review",
        0.432,
    )
