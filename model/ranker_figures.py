"""What the ranker's fit comes to: figures beside BM25, calibration, and what each threshold lets through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.evaluation import bm25
from model.evaluation.libraries import library
from model.evaluation.metrics import average_precision, ordered, reciprocal_rank
from model.ranker_network import Asked
from model.word_table import Array

_SEED = 0
_RESAMPLES = 2_000
_THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9)


def calibration(asked: Sequence[Asked], logits: Sequence[Array]) -> Array:
    """Slope and offset that make the logits those of the probability to answer."""
    model = library("sklearn.linear_model").LogisticRegression(C=1e6)
    weights = np.concatenate([np.full(len(item.texts), item.weight) for item in asked])
    labels = np.concatenate([item.relevant for item in asked])
    model.fit(np.concatenate(logits)[:, None], labels, sample_weight=weights)
    return np.array([model.coef_[0, 0], model.intercept_[0]], np.float32)


def figures(asked: Sequence[Asked], scored: Sequence[Sequence[float] | Array]) -> dict[str, Any]:
    """MAP, P@1 and MRR beside BM25 with 95% intervals of the difference, by resampling questions."""
    generator = np.random.default_rng(_SEED)
    rows: list[list[float]] = []
    for item, scores in zip(asked, scored, strict=True):
        if not 0 < item.relevant.sum() < len(item.texts):
            continue
        tie, relevant = generator.random(len(item.texts)), [bool(label) for label in item.relevant]
        row = []
        for values in (list(scores), bm25.scores(item.question, item.texts)):
            judged = ordered([float(v) for v in values], relevant, tie)
            row += [average_precision(judged), float(judged[0]), reciprocal_rank(judged)]
        rows.append(row)
    table = np.array(rows)
    difference = table[:, :3] - table[:, 3:]
    drawn = [difference[generator.integers(0, len(table), len(table))].mean(0) for _ in range(_RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        "questions": len(table),
        **{
            metric: {
                "ours": round(float(table[:, column].mean()), 4),
                "bm25": round(float(table[:, column + 3].mean()), 4),
                "difference": round(float(difference[:, column].mean()), 4),
                "interval": [round(float(low[column]), 4), round(float(high[column]), 4)],
            }
            for column, metric in enumerate(("map", "p@1", "mrr"))
        },
    }


def thresholds(asked: Sequence[Asked], probabilities: Sequence[Array]) -> list[dict[str, float]]:
    """What is let through at each threshold: the best passage of each question, and every passage."""
    best = np.array([(p.max(), item.relevant[int(p.argmax())]) for item, p in zip(asked, probabilities, strict=True)])
    answerable = sum(bool(item.relevant.any()) for item in asked)
    scores, labels = np.concatenate(list(probabilities)), np.concatenate([item.relevant for item in asked])
    found = []
    for threshold in _THRESHOLDS:
        first, every = best[best[:, 0] >= threshold], labels[scores >= threshold]
        found.append(
            {
                "threshold": threshold,
                "questions_passed": round(len(first) / len(best), 3),
                "best_precision": round(float(first[:, 1].mean()), 3) if len(first) else 1.0,
                "best_recall": round(float(first[:, 1].sum()) / max(1, answerable), 3),
                "passage_precision": round(float(every.mean()), 3) if len(every) else 1.0,
                "passage_recall": round(float(every.sum() / labels.sum()), 3),
            }
        )
    return found
