from __future__ import annotations

import math

import numpy as np
import pytest

from model.evaluation import metrics
from model.evaluation.libraries import LibraryMissing, library

sacrebleu = pytest.importorskip("sacrebleu")
sklearn_metrics = pytest.importorskip("sklearn.metrics")
pytest.importorskip("rouge_score")

DRAFTS = ["The mug holds 300 ml.", "No, it does not fold flat.", "it is made of tin", ""]
REFERENCES = ["the mug holds 300 ml of tea.", "no, it does not fold.", "It is made of oak.", "yes."]


def test_bleu_is_that_of_sacrebleu_on_any_rows() -> None:
    measured = metrics.bleu(DRAFTS, REFERENCES)
    for rows in ([0, 1, 2, 3], [1], [0, 0, 2], [3, 1]):
        expected = sacrebleu.corpus_bleu([DRAFTS[i] for i in rows], [[REFERENCES[i] for i in rows]], lowercase=True)
        assert measured(np.asarray(rows)) == pytest.approx(expected.score)


def test_bleu_of_nothing_is_not_defined() -> None:
    assert math.isnan(metrics.bleu([], [])(np.asarray([], dtype=int)))


def test_rouge_l_of_the_same_and_of_something_else() -> None:
    measured = metrics.rouge_l(["a tin mug", "red"], ["A tin mug.", "blue"])
    assert [measured(np.asarray([i])) for i in (0, 1)] == [1.0, 0.0]


def test_auroc_counts_only_the_rows_among() -> None:
    measured = metrics.auroc([0.1, 0.9, 0.8, 0.2], [False, True, False, True], [True, True, False, True])
    assert measured(np.arange(4)) == 1.0
    assert math.isnan(measured(np.asarray([0, 2])))  # one class only


def test_auroc_is_that_of_scikit_learn_with_ties() -> None:
    generator = np.random.default_rng(5)
    scores, true = np.round(generator.random(60), 1), generator.random(60) < 0.4
    expected = sklearn_metrics.roc_auc_score(true, scores)
    assert metrics.auroc(list(scores), list(true))(np.arange(60)) == pytest.approx(expected)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(3)
    predicted, true = generator.random(40) < 0.3, generator.random(40) < 0.5
    expected = sklearn_metrics.f1_score(true, predicted, average="macro")
    assert metrics.macro_f1(list(predicted), list(true))(np.arange(40)) == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    # a bin at 0.9 with half of it true, and a perfect one at 0
    measured = metrics.calibration_error([0.9, 0.9, 0.0, 0.0], [True, False, False, False])
    assert measured(np.arange(4)) == pytest.approx(0.2)
    assert metrics.calibration_error([1.0], [True])(np.arange(1)) == 0.0


def test_average_precision_is_that_of_scikit_learn_without_ties() -> None:
    judged = [False, True, True, False, True]
    expected = sklearn_metrics.average_precision_score(judged, [5, 4, 3, 2, 1])
    assert metrics.average_precision(judged) == pytest.approx(expected)
    assert math.isnan(metrics.average_precision([False]))


def test_reciprocal_rank() -> None:
    assert [metrics.reciprocal_rank(j) for j in ([True], [False, False, True], [False])] == [1.0, 1 / 3, 0.0]


def test_ties_are_not_ordered_by_their_place() -> None:
    assert metrics.ordered([1.0, 1.0, 2.0], [True, False, False], np.asarray([0.9, 0.1, 0.5])) == [False, False, True]


def test_a_missing_library_says_how_to_get_it() -> None:
    with pytest.raises(LibraryMissing, match=r"needs no_such_thing: pip install 'tradewind\[train\]'"):
        library("no_such_thing.metrics")
