"""The measures, each as a figure that can be resampled (`bootstrap.Statistic`).

BLEU: sacrebleu (Post 2018), lower-cased, 0..100. ROUGE-L: rouge-score's F measure with stemming (Lin 2004), 0..1. AUROC
and macro F1 are written out, because they are taken a thousand times; the tests hold them against scikit-learn. Average
precision, precision at one and reciprocal rank: Manning, Raghavan and Schuetze 2008, chapter 8. Expected calibration
error: Naeini et al. 2015, equally wide bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from model.evaluation.bootstrap import Rows, Statistic, mean_of
from model.evaluation.libraries import library

BINS = 10
_ORDERS = 4  # BLEU counts n-grams of 1 to 4 words


def bleu(drafts: Sequence[str], references: Sequence[str]) -> Statistic:
    """Corpus BLEU, 0..100, one reference a draft. Raises LibraryMissing."""
    metrics = library("sacrebleu.metrics")
    counting = metrics.BLEU(lowercase=True, effective_order=True)
    scores = [counting.sentence_score(d, [r]) for d, r in zip(drafts, references, strict=True)]
    counts = np.asarray([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scores], dtype=int)

    def corpus(rows: Rows) -> float:
        if not len(rows):
            return float("nan")
        total = [int(n) for n in counts[rows].sum(axis=0)]
        score = metrics.BLEU.compute_bleu(
            total[:_ORDERS], total[_ORDERS : 2 * _ORDERS], total[-2], total[-1], smooth_method="exp"
        )
        return float(score.score)

    return corpus


def rouge_l(drafts: Sequence[str], references: Sequence[str]) -> Statistic:
    """Mean ROUGE-L F, 0..1. Raises LibraryMissing."""
    scorer = library("rouge_score.rouge_scorer").RougeScorer(["rougeL"], use_stemmer=True)
    return mean_of([scorer.score(r, d)["rougeL"].fmeasure for d, r in zip(drafts, references, strict=True)])


def auroc(scores: Sequence[float], positive: Sequence[bool], among: Sequence[bool] | None = None) -> Statistic:
    """Area under the ROC curve over the rows `among`, by ranks (Hanley and McNeil 1982); NaN with one class only."""
    score, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    counted = np.ones(len(truth), dtype=bool) if among is None else np.asarray(among, dtype=bool)

    def auc(rows: Rows) -> float:
        kept = rows[counted[rows]]
        positives = int(truth[kept].sum())
        negatives = len(kept) - positives
        if not positives or not negatives:
            return float("nan")
        # equal scores share the mean of their ranks; scikit-learn says the same, but takes milliseconds for each draw
        _, place, size = np.unique(score[kept], return_inverse=True, return_counts=True)
        ranks = (np.cumsum(size) - (size - 1) / 2)[place]
        return float((ranks[truth[kept]].sum() - positives * (positives + 1) / 2) / (positives * negatives))

    return auc


def calibration_error(
    probabilities: Sequence[float], true: Sequence[bool], among: Sequence[bool] | None = None
) -> Statistic:
    """Expected calibration error, 0..1: |share that is true - mean probability| a bin, weighted by the bin's rows."""
    p, t = np.asarray(probabilities, dtype=float), np.asarray(true, dtype=float)
    counted = np.ones(len(t), dtype=bool) if among is None else np.asarray(among, dtype=bool)
    bins = np.minimum((p * BINS).astype(int), BINS - 1)

    def error(rows: Rows) -> float:
        kept = rows[counted[rows]]
        if not len(kept):
            return float("nan")
        gap = np.bincount(bins[kept], weights=t[kept] - p[kept], minlength=BINS)
        return float(np.abs(gap).sum() / len(kept))

    return error


def macro_f1(predicted: Sequence[bool], true: Sequence[bool]) -> Statistic:
    """Mean of the F1 of the two classes, 0..1."""
    p, t = np.asarray(predicted, dtype=bool), np.asarray(true, dtype=bool)

    def macro(rows: Rows) -> float:
        if not len(rows):
            return float("nan")
        hits, rejected = (p & t)[rows].sum(), (~p & ~t)[rows].sum()
        wrong = len(rows) - hits - rejected
        halves = [2 * right / (2 * right + wrong) if right or wrong else 0.0 for right in (hits, rejected)]
        return float(sum(halves) / 2)

    return macro


def average_precision(relevant: Sequence[bool]) -> float:
    """Of one ranked list, best first: the mean of the precision at each relevant place. NaN without any."""
    hits = np.asarray(relevant, dtype=bool)
    places = np.flatnonzero(hits) + 1
    return float((np.arange(1, len(places) + 1) / places).mean()) if len(places) else float("nan")


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """Of one ranked list, best first: one over the place of the first relevant; 0 without any."""
    places = np.flatnonzero(np.asarray(relevant, dtype=bool))
    return 1.0 / (int(places[0]) + 1) if len(places) else 0.0


def ordered(scores: Sequence[float], relevant: Sequence[bool], ties: npt.NDArray[np.float64]) -> list[bool]:
    """The judgements, best score first; equal scores by `ties`, never by their place in the file."""
    order = np.lexsort((ties, -np.asarray(scores, dtype=float)))
    return [bool(relevant[i]) for i in order]
