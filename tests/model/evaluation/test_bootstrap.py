from __future__ import annotations

import math

import numpy as np
import pytest

from model.evaluation.bootstrap import mean_of, ratio_of, resampling, share_of


def test_the_same_seed_gives_the_same_interval() -> None:
    values = list(np.random.default_rng(0).normal(size=80))
    one, other, third = (resampling(80, seed=seed).interval(mean_of(values)) for seed in (1, 1, 2))
    assert one == other
    assert one != third
    assert one.low < one.value < one.high


def test_an_interval_is_about_as_wide_as_theory_says() -> None:
    values = list(np.random.default_rng(1).normal(size=400))
    found = resampling(400, seed=0).interval(mean_of(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 / math.sqrt(400), rel=0.2)


def test_what_does_not_vary_has_no_width() -> None:
    found = resampling(5, seed=0).interval(mean_of([2.0] * 5))
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)


def test_a_difference_is_paired() -> None:
    values = list(np.random.default_rng(2).normal(scale=100, size=50))
    above = [value + 1 for value in values]
    found = resampling(50, seed=0).difference(mean_of(above), mean_of(values))
    assert found.low == pytest.approx(1.0)
    assert found.high == pytest.approx(1.0)


def test_rows_of_a_group_are_drawn_together() -> None:
    draws = resampling(6, seed=0, groups=["a", "a", "a", "b", "b", "b"]).draws
    assert all(set(np.bincount(draw, minlength=6)[:3]) <= {n} for draw in draws for n in [np.sum(draw == 0)])


def test_groups_of_another_length() -> None:
    with pytest.raises(ValueError, match="1 groups for 2 rows"):
        resampling(2, seed=0, groups=["a"])


def test_shares_and_ratios() -> None:
    rows = np.arange(4)
    assert share_of([True, True, False, False], [True, False, True, False])(rows) == 0.5
    assert math.isnan(share_of([True], [False])(np.arange(1)))
    assert ratio_of([1, 0, 2, 0], [1, 1, 2, 0])(rows) == 0.75
    assert math.isnan(ratio_of([0], [0])(np.arange(1)))


def test_no_rows() -> None:
    assert math.isnan(resampling(0, seed=0).interval(mean_of([])).value)
    assert math.isnan(resampling(0, seed=0, groups=[]).interval(mean_of([])).low)
