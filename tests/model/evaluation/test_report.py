from __future__ import annotations

import json
from math import nan

from model.evaluation.bootstrap import Interval
from model.evaluation.report import Figure, Finding, Report, percent
from model.evaluation.samples import as_markdown

SAMPLE = {
    "question": "does it *fold*?",
    "evidence": "it folds.\n# flat",
    "person": "",
    "draft": "",
    "model": "It <b>folds</b>.",
    "confidence": 0.25,
    "route": "human",
    "reason": "refused",
    "label": 0,
    "verdicts": [],
}


def test_a_figure_reads_with_its_interval() -> None:
    assert percent("recall", "ours", Interval(0.5, 0.25, 0.751)).text() == "50.0% [25.0, 75.1]"
    assert Figure("BLEU", "ours", Interval(nan, nan, nan)).text() == "-"
    assert Figure("BLEU", "ours", Interval(7.0, nan, nan)).text() == "7.0"


def test_json_has_everything_and_null_for_what_is_not_defined() -> None:
    figure = Figure("BLEU", "ours", Interval(34.123456789, nan, nan), over="4 rows")
    report = Report("Answers", {"seed": 0}, (figure,), findings=(Finding("l-1", "number", "7", "It is 7."),))
    found = json.loads(json.dumps(report.as_json()))
    assert found["figures"] == [
        {
            "metric": "BLEU",
            "system": "ours",
            "over": "4 rows",
            "unit": "",
            "value": 34.123457,
            "low": None,
            "high": None,
        }
    ]
    assert found["findings"][0]["span"] == "7"


def test_a_page_of_samples_shows_text_as_text() -> None:
    page = as_markdown([SAMPLE], ["1 of 9 rows."])
    assert "## 1. does it \\*fold\\*?" in page
    assert "- **Evidence** (does not answer): it folds. \\# flat" in page
    assert "- **Our draft**: (none: a person answers)" in page
    assert "\\<b\\>" in page
    assert "- **Route**: human (refused), confidence 0.25" in page
