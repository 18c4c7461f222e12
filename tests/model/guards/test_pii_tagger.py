from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.guards import pii_tagger
from model.guards.pii_tagger import CLASSES, ROWS_LOG2, Tagger, Thresholds

SHAPE = (1 << ROWS_LOG2, len(CLASSES))
LOW = {"name": Thresholds(0.3, 0.2)}
WEIGHTS = np.random.default_rng(0).normal(0, 0.3, SHAPE).astype(np.float32)
TAGGER = Tagger(WEIGHTS, {})


def _words(text: str) -> list[str]:
    return pii_tagger.words_of(text, pii_tagger.tokenise(text))


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Tagger(np.zeros((8, len(CLASSES))), LOW)


def test_without_weights_all_classes_are_alike() -> None:
    likely = Tagger(np.zeros(SHAPE), {}).probabilities(["a", "b"])
    assert likely == pytest.approx(np.full((2, len(CLASSES)), 1 / len(CLASSES)))


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_kept_sums_give_what_the_feature_rows_give(text: str) -> None:
    words = _words(text)
    if not words:
        return
    scores = np.stack([WEIGHTS[rows].sum(axis=0) for rows in pii_tagger.feature_rows(words)])
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert TAGGER.probabilities(words) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(st.text())
def test_tokens_are_in_order_and_leave_out_only_white_space(text: str) -> None:
    end = 0
    for start, stop in pii_tagger.tokenise(text):
        assert text[end:start].strip() == ""
        assert end <= start < stop
        end = stop
    assert text[end:].strip() == ""


def test_a_placeholder_is_one_token_whatever_its_kind() -> None:
    assert _words("[phone_2] or [name]") == _words("[email] or [card]") == ["\x01[]", "\x01or", "\x01[]"]


def test_capitals_count_only_where_they_say_something() -> None:
    assert _words("ask anna") == _words("ASK ANNA") != _words("ask Anna")
    assert _words("Anna")[0] == "Anna"


def test_a_run_grows_from_a_seed_and_spans_no_placeholder() -> None:
    weights = np.zeros(SHAPE, np.float32)
    always = pii_tagger._word_rows("x")[pii_tagger._REACH]
    weights[np.intersect1d(always, pii_tagger._word_rows("yy")[pii_tagger._REACH]), CLASSES.index("name")] = 3
    found = list(Tagger(weights, LOW).tag("ab [phone] cd, ef. 李"))
    assert [(tagged.start, tagged.end) for tagged in found] == [(0, 2), (11, 17)]


def test_the_shipped_tagger_is_small_and_says_its_thresholds() -> None:
    assert set(pii_tagger.default()._thresholds) == {"name", "address", "city"}
