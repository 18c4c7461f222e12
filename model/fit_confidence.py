"""Fits the weights of `model.confidence` for an adapter, and the confidence from which drafts go out by themselves.

    python -m model.fit_confidence --data ePQA_dev_half.csv --fold 1/2:FOLD_1 --fold 2/2:FOLD_2 --adapter FOLDER

Drafts are made of every row by the adapter that had not seen its question: one adapter folder a fold, trained with
`tradewind model train --leave-out K/N`. A draft is right when the passage answers the question fully (label 2) and the
draft does not say yes where the person said no, or the reverse. Weights are fitted by logistic regression on the drafts
of all folds; the figures are of weights fitted on other questions. The ranker's score of a passage, too, comes from a
fit that had not seen the question; the other ranking sets lie beside ePQA for that.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from model import fit_ranker
from model.adapters import CARD, WEIGHTS
from model.confidence import FILE, Calibration, Signals, signals_of
from model.engine import EngineSettings, LocalEngine
from model.evaluation.runs import Listening, run_all
from model.evaluation.sets import AnswerRow, read_answers
from model.evaluation.systems import as_evidence
from model.evidence import as_source
from model.fetch import locate
from model.guards import grounding
from model.guards.polarity import opposite
from model.ranker_network import fit as fit_network
from model.ranking import Ranker, ranker
from model.tasks.answer_draft import DraftPolicy, draft, read
from model.training.card import README, as_text
from model.training.recipe import in_fold
from model.word_table import word_table
from schemas.events import Method

_PARTLY = 1  # passages that answer in part are neither right nor wrong, and left out
_PARTS = 5  # of the questions, for figures of weights that had not seen them
PRECISION = 0.95  # wanted of what goes out by itself, out of fold


@dataclass(frozen=True, slots=True)
class Seen:
    """A row that was drafted, and what was known when it was."""

    row: AnswerRow
    signals: Signals
    passed: bool  # the model's text passed the guards
    right: bool
    answered: bool  # the passage answers the question fully
    opposite: bool  # the draft says yes and the person no, or the reverse


def unseen_scores(folder: Path) -> dict[tuple[str, str], float]:
    """The ranker's score of each ePQA question and passage, by a fit that had not seen the question's product.

    Scored as the product scores a single passage: without neighbours to stand out from.
    """
    asked = fit_ranker.read(folder)
    fold_of = fit_ranker.folds(asked)
    calibration = ranker().calibration
    found: dict[tuple[str, str], float] = {}
    for fold in sorted(set(fold_of)):
        weights = fit_network([item for item, own in zip(asked, fold_of, strict=True) if own != fold], 0)
        fitted = Ranker.of(word_table(), {**weights, "calibration": calibration})
        for item, own in zip(asked, fold_of, strict=True):
            if own == fold and item.of.startswith("ePQA"):
                for text in item.texts:
                    found[item.question, text] = float(fitted.probabilities(item.question, [text])[0])
    return found


def look(adapter: Path, rows: Sequence[AnswerRow], scores: Mapping[tuple[str, str], float], threads: int) -> list[Seen]:
    """Draft every row with the adapter."""
    settings = EngineSettings(adapter=adapter / WEIGHTS, threads=threads, slots=32)
    policy = DraftPolicy(attempts=1)
    with closing(LocalEngine.open(locate(None, None), settings)) as engine:

        async def one(number: int, row: AnswerRow) -> Seen | None:
            listening = Listening(engine)
            evidence = replace(as_evidence(row), score=scores[row.question, row.evidence])
            drafted = await draft(listening, row.question, "en", (evidence,), policy, number)
            if not listening.completions:
                return None
            completion = listening.completions[0]
            said, text = read(completion)
            if said is None:
                return None
            text = drafted.text or text
            share = grounding.support(text, [as_source(evidence)], row.question).share if text else 0.0
            signals = signals_of(
                said, completion.opening_logprobs, completion.token_logprobs, share, len(evidence.text), evidence.score
            )
            wrong = bool(row.answer) and row.label == 2 and opposite(row.question, row.answer, text)
            answered = row.label == 2
            return Seen(row, signals, drafted.method is Method.MODEL, answered and not wrong, answered, wrong)

        return [seen for seen in run_all(rows, one) if seen is not None]


def fit(seen: Sequence[Seen]) -> tuple[Signals, float]:
    """Weights and bias. Needs scikit-learn, of the extra `train`."""
    from sklearn.linear_model import LogisticRegression

    x, y = _matrix(seen)
    mean, spread = x.mean(0), x.std(0) + 1e-9
    model = LogisticRegression(C=1.0, max_iter=2000).fit((x - mean) / spread, y)
    weights = model.coef_[0] / spread
    return Signals(*map(float, weights)), float(model.intercept_[0] - weights @ mean)


def threshold(confidence: np.ndarray, right: np.ndarray, precision: float) -> float:
    """The lowest confidence from which on at least that share is right; 1.0 where there is none."""
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero((share >= precision) & (np.arange(1, len(order) + 1) >= 20))
    return float(confidence[order][enough[-1]]) if len(enough) else 1.0


def _matrix(seen: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([astuple(item.signals) for item in seen]), np.array([item.right for item in seen], float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="ePQA: rows with labels 0, 1 and 2")
    parser.add_argument(
        "--fold",
        action="append",
        required=True,
        help="K/N:FOLDER, an adapter trained without part K of N; may be repeated",
    )
    parser.add_argument("--adapter", type=Path, required=True, help="where the calibration goes")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    rows = read_answers(arguments.data)
    scores = unseen_scores(arguments.data.parent)
    everyone: list[Seen] = []
    for fold in arguments.fold:
        part, _, folder = fold.partition(":")
        k, n = map(int, part.split("/"))
        unseen = [row for row in rows if row.label != _PARTLY and in_fold(row.question, (k, n))]
        everyone += look(Path(folder), unseen, scores, arguments.threads)
    groups = np.array([zlib.crc32(f"weights {seen.row.question}".encode()) % _PARTS for seen in everyone])
    sure = np.zeros(len(everyone))
    for group in range(_PARTS):
        weights, bias = fit([seen for seen, own in zip(everyone, groups, strict=True) if own != group])
        sure[groups == group] = _probabilities(
            [seen for seen, own in zip(everyone, groups, strict=True) if own == group], weights, bias
        )
    passed = np.array([seen.passed for seen in everyone])
    answered = np.array([seen.answered for seen in everyone], float)
    auto = threshold(sure[passed], answered[passed], PRECISION)
    weights, bias = fit(everyone)
    calibration = Calibration(weights, bias, auto)
    (arguments.adapter / FILE).write_text(calibration.to_json(), encoding="utf-8")
    found = figures(everyone, sure, auto)
    card_file = arguments.adapter / CARD
    card: dict[str, Any] = json.loads(card_file.read_text(encoding="utf-8"))
    card["confidence"] = found
    card_file.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (arguments.adapter / README).write_text(as_text(card), encoding="utf-8")
    print(json.dumps({**found, "weights": asdict(weights), "bias": bias}, indent=2))


def figures(seen: Sequence[Seen], scores: np.ndarray, auto: float) -> dict[str, Any]:
    """Out-of-fold figures of the confidence."""
    from sklearn.metrics import roc_auc_score

    label = np.array([item.row.label for item in seen])
    told = (label == 0) | (label == 2)
    out = (scores >= auto) & np.array([item.passed for item in seen])
    by_signal = {
        field.name: round(
            float(roc_auc_score(label[told] == 2, np.array([getattr(s.signals, field.name) for s in seen])[told])), 4
        )
        for field in fields(Signals)
    }
    return {
        "rows": len(seen),
        "auroc_label_0_against_2": round(float(roc_auc_score(label[told] == 2, scores[told])), 4),
        "auto_from": round(auto, 4),
        "share_auto": round(float(out.mean()), 4),
        "auto_answered_label_2": round(float((label[out] == 2).mean()), 4) if out.any() else None,
        "auto_opposite": round(float(np.mean([s.opposite for s, o in zip(seen, out, strict=True) if o])), 4)
        if out.any()
        else None,
        "auroc_of_single_signals": by_signal,
    }


def _probabilities(seen: Sequence[Seen], weights: Signals, bias: float) -> np.ndarray:
    calibration = Calibration(weights, bias, 1.0)
    return np.array([calibration.probability(item.signals) for item in seen])


if __name__ == "__main__":
    main()
