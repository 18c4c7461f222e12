from __future__ import annotations

import hashlib
import json
from pathlib import Path

from model.evaluation.cards import fitted_on, warning


def _card(folder: Path, sha256: str, **more: object) -> Path:
    path = folder / "data" / "ranker.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"trained_on": [{"file": "rows.csv", "sha256": sha256}], **more}), encoding="utf-8")
    return path


def test_a_file_that_something_was_fitted_on_is_told_with_the_honest_figure(tmp_path: Path) -> None:
    rows = tmp_path / "renamed.csv"
    rows.write_bytes(b"a,b\n")
    card = _card(
        tmp_path,
        hashlib.sha256(b"a,b\n").hexdigest(),
        out_of_fold={"rows.csv": {"MAP": 0.61, "by_fold": [0.6, 0.62]}, "P@1": 0.5},
    )
    (fit,) = fitted_on(rows, [card])
    assert warning(fit).startswith("in-sample: ")
    assert "data/ranker.json was fitted on rows.csv" in warning(fit)
    assert "held out: MAP 0.61 (see" in warning(fit)
    assert fitted_on(tmp_path, [card]) == [fit]


def test_figures_that_are_not_told_apart_by_file_are_all_told(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"a,b\n")
    card = _card(tmp_path, hashlib.sha256(b"a,b\n").hexdigest(), figures={"dev": {"F1": 0.9}, "AUROC": 0.95})
    (fit,) = fitted_on(rows, [card])
    assert fit.figures == "dev F1 0.9, AUROC 0.95"


def test_another_file_is_no_fit_and_what_is_no_card_is_passed_over(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"a,b\n")
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    cards = [_card(tmp_path, "0" * 64), tmp_path / "list.json", tmp_path / "broken.json", tmp_path / "none.json"]
    assert fitted_on(rows, cards) == []
