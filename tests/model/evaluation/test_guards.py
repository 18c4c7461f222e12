from __future__ import annotations

from collections.abc import Sequence

import pytest

from model.evaluation import chinese_pii
from model.evaluation.guards import evaluate_moderation, evaluate_pii
from model.evaluation.report import Report
from model.evaluation.sets import ModerationRow, PIIRow, PIISpan
from model.guards.pii import Span, find_forms, is_chinese_id

ROW = PIIRow("Ann Lee, a@b.example", (PIISpan("PERSON", 0, 7), PIISpan("EMAIL_ADDRESS", 9, 20)))


def _values(report: Report) -> dict[tuple[str, str], float]:
    return {(figure.metric, figure.system): figure.interval.value for figure in report.figures}


def _pii(*found: Span, row: PIIRow = ROW) -> dict[tuple[str, str], float]:
    return _values(evaluate_pii([row], lambda text: found, seed=0, about={}))


def test_found_and_hidden_are_told_apart() -> None:
    values = _pii(Span("name", 0, 4), Span("url", 9, 20))
    assert values["recall", "PERSON"] == 100  # half of the name
    assert values["hidden", "PERSON"] == 0  # and the other half can be read
    assert values["recall", "EMAIL_ADDRESS"] == 0  # another kind
    assert values["hidden", "EMAIL_ADDRESS"] == 100  # which hides it


def test_less_than_half_is_not_found() -> None:
    assert _pii(Span("name", 0, 3))["recall", "PERSON"] == 0


def test_precision_by_kind() -> None:
    row = PIIRow("call 555 in Rome today", (PIISpan("LOCATION", 12, 16),))
    values = _pii(Span("phone", 5, 8), Span("address", 12, 16), row=row)
    assert values["precision", "phone"] == 0
    assert values["precision", "address"] == 100  # a type that nothing of ours is meant for


def test_made_up_numbers_have_their_forms_and_checksums() -> None:
    rows = chinese_pii.positives(50, seed=4)
    for row in rows:
        (span,) = row.spans
        written = row.text[span.start : span.end]
        if span.kind == chinese_pii.RESIDENT_ID:
            assert is_chinese_id(written)
        else:
            digits = "".join(c for c in written if c.isdigit())
            assert digits.removeprefix("0086").removeprefix("86")[0] == "1"
            assert len(digits) in (11, 13, 15)
    assert rows == chinese_pii.positives(50, seed=4) != chinese_pii.positives(50, seed=5)
    assert all(row.spans == () and row.text for row in chinese_pii.negatives(50, seed=4))


def test_the_patterns_find_the_made_up_numbers() -> None:
    rows = chinese_pii.positives(100, seed=11)
    values = _values(evaluate_pii(rows, find_forms, seed=0, about={}))
    assert min(values["recall", kind] for kind in (chinese_pii.MOBILE, chinese_pii.RESIDENT_ID)) >= 99


def _moderation(rows: Sequence[ModerationRow]) -> dict[tuple[str, str], float]:
    return _values(
        evaluate_moderation(
            rows,
            lambda text, language: 0.9 if "bad" in text else 0.1,
            0.5,
            {"never": lambda text, language: False},
            seed=0,
            about={},
        )
    )


def test_moderation_beside_its_baselines() -> None:
    rows = [
        ModerationRow("a bad word", 1, True, "en"),
        ModerationRow("a bad day", 0, False, "en"),
        ModerationRow("a mug", 0, False, "en"),
        ModerationRow("a bad one", 1, True, "en"),
    ]
    values = _moderation(rows)
    assert values["recall of abuse", "ours"] == 100
    assert values["precision of abuse", "ours"] == pytest.approx(200 / 3)
    assert values["macro F1", "ours"] == pytest.approx(100 * (0.8 + 2 / 3) / 2)
    assert values["macro F1, ours over it", "never"] == pytest.approx(values["macro F1", "ours"] - 100 / 3)
    assert values["right of label 0", "ours"] == 50
