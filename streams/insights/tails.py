"""How likely a count is that far from what was to be expected: tails of Poisson and negative binomial counts.

Counts vary more than Poisson's where events come in clumps, such as the lines of one basket. The negative binomial
with mean m and variance v > m, taken by its moments, has r = m² / (v - m) and p = m / v (Johnson, Kemp and Kotz,
Univariate Discrete Distributions, 3rd ed., 5.1); with v = m it is Poisson's. Sums start at the observed count and run
outwards, so that small tails keep their precision.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_POISSON = 1e-6  # with v / m - 1 below this the two agree in all digits that count, and lgamma(r) would lose some
_NEGLIGIBLE = 1e-17  # share of the sum that a term may add without being seen
_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])


def upper_tail(count: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike) -> Floats:
    """P(X >= count), elementwise; the mean above 0, a variance below the mean taken as the mean."""
    k, m, v = _aligned(count, mean, variance)
    far = k > m
    chance = np.empty(k.shape)
    chance[far] = _upwards(k[far], m[far], v[far])
    chance[~far] = 1.0 - _downwards(k[~far] - 1.0, m[~far], v[~far])
    return chance


def lower_tail(count: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike) -> Floats:
    """P(X <= count), elementwise; the mean above 0, a variance below the mean taken as the mean."""
    k, m, v = _aligned(count, mean, variance)
    far = k <= m
    chance = np.empty(k.shape)
    chance[far] = _downwards(k[far], m[far], v[far])
    chance[~far] = 1.0 - _upwards(k[~far] + 1.0, m[~far], v[~far])
    return chance


def _aligned(count: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    k, m, v = np.broadcast_arrays(*(np.asarray(part, np.float64) for part in (count, mean, variance)))
    return k, m, np.maximum(v, m)


def _upwards(k: Floats, m: Floats, v: Floats) -> Floats:
    """Sum of the probabilities from k, above the mean, to infinity; pmf(x + 1) / pmf(x) = (qx + pm) / (x + 1)."""
    p, x = m / v, k.copy()
    term = _probability(k, m, v)
    total: Floats = term.copy()
    while np.any(term > _NEGLIGIBLE * total):
        term = term * ((1.0 - p) * x + p * m) / (x + 1.0)
        x += 1.0
        total += term
    return total


def _downwards(k: Floats, m: Floats, v: Floats) -> Floats:
    """Sum of the probabilities from k, at or below the mean, to 0; none below 0."""
    p, x = m / v, k.copy()
    term: Floats = np.where(k < 0.0, 0.0, _probability(np.maximum(k, 0.0), m, v))
    total: Floats = term.copy()
    while np.any((x > 0.0) & (term > _NEGLIGIBLE * total)):
        term = term * np.maximum(x, 0.0) / ((1.0 - p) * np.maximum(x - 1.0, 0.0) + p * m)
        x -= 1.0
        total += term
    return total


def _probability(k: Floats, m: Floats, v: Floats) -> Floats:
    if k.size == 0:
        return np.empty(0)
    poisson = v / m - 1.0 < _POISSON
    v = np.where(poisson, 2.0 * m, v)  # any that the formula can take; its result is not used there
    p, r = m / v, m * m / (v - m)
    clumped = _lgamma(k + r) - _lgamma(r) + r * np.log(p) + k * np.log1p(-p)
    plain = k * np.log(m) - m
    probability: Floats = np.exp(np.where(poisson, plain, clumped) - _lgamma(k + 1.0))
    return probability
