"""Each compiled loop against the same in two or three lines of torch, on one thread and on two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model import kernels
from model.team import HAS_TEAM


@pytest.fixture(params=[1, 2])
def bounds(request: pytest.FixtureRequest) -> Iterator[np.ndarray]:
    """Five rows, shared out among so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield np.array([0, 5] if request.param == 1 else [0, 2, 5])
    torch.set_num_threads(before)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def given_back(q: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return q * scale[:, None]


def test_sum_is_written_back_and_its_normalised_rows_come_out(bounds: np.ndarray) -> None:
    x, y, y_scale = numbers(5, 48), numbers(5, 48) * 3, np.array([1, 2, 0, 0.5, 3], np.float32)
    expected = x + y * y_scale[:, None]
    q, scale = np.empty((5, 48), np.int8), np.empty(5, np.float32)
    kernels.add_and_normalise(bounds, x, y, y_scale, q, scale, np.float32(1e-5))
    np.testing.assert_allclose(x, expected, atol=1e-5)
    normed = torch.nn.functional.rms_norm(torch.from_numpy(expected), (48,), eps=1e-5).numpy()
    assert np.abs(given_back(q, scale) - normed).max() <= np.abs(normed).max() / 127 * 0.51


def test_rows_of_a_product_are_those_of_whole_numbers(bounds: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    x, weight = (rng.integers(-127, 128, shape, np.int8) for shape in ((2, 80), (5, 80)))
    scale, y = np.array([1, 2, 3, 4, 5], np.float32), np.empty((2, 5), np.float32)
    kernels.few_rows(bounds, x, weight, scale, y)
    np.testing.assert_array_equal(y, x.astype(np.int64) @ weight.T.astype(np.int64) * scale)


ROWS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40)


@settings(deadline=None)  # the first call compiles
@given(ROWS)
def test_rounding_is_to_the_nearest_of_255_steps(row: list[float]) -> None:
    x = np.array([row], np.float32)
    bf16 = torch.from_numpy(x).bfloat16()
    q, scale = np.empty(x.shape, np.int8), np.empty(1, np.float32)
    kernels.quantise_rows(np.array([0, 1]), bf16.view(torch.uint16).numpy(), q, scale)
    assert np.abs(q).max() <= 127
    wanted = bf16.float().numpy()
    assert np.abs(given_back(q, scale) - wanted).max() <= scale[0] * 0.501 + 1e-30


@pytest.mark.skipif(not HAS_TEAM, reason="the team is that of GNU OpenMP")
def test_two_threads_do_every_item_once() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        x = numbers(5, 16)
        alone, shared = np.empty((5, 16), np.int8), np.empty((5, 16), np.int8)
        for bounds, q in ((np.array([0, 5]), alone), (np.array([0, 1, 5]), shared)):
            kernels.add_and_normalise(
                bounds, x, x[:0], np.empty(5, np.float32), q, np.empty(5, np.float32), np.float32(0)
            )
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(alone, shared)
