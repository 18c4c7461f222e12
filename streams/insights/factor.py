"""What moves all merchants at once, such as a holiday or the whole shop being closed.

For each merchant it is what the others did in the same window against their own usual counts. Each of them is first
clipped to what was plausible, as Huber's psi function does in robust generalised linear models (Cantoni and
Ronchetti, JASA 96, 2001), so one merchant's day does not move the rest, and none is judged by itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CLIP = 2.5  # standard deviations beyond which a count is not believed
_PRIOR = 30.0  # counts by which the factor is held at 1
_ANCHOR = 0.25  # weight, beside all merchants, of "nothing moved them" in the median that the rounds start from
_ROUNDS = 3


def common_factor(counts: Floats, usual: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
    """The factor for each merchant and window, and its squared relative error.

    Args:
        counts: [merchants, windows].
        usual: the same, without what moves everyone; 0 where a merchant has no say.
        dispersion: [merchants, 1] variance over mean.
    """
    ratio = np.divide(counts, usual, out=np.ones_like(usual), where=usual > 0)
    weight = np.sqrt(usual)
    factor = _weighted_median(
        np.concatenate([ratio, np.ones((1, usual.shape[1]))]),
        np.concatenate([weight, _ANCHOR * weight.sum(axis=0, keepdims=True)]),
    )
    # Each says as much as it has counts for their spread: who varies ten times as much has a tenth of the say.
    say = usual / dispersion
    for _ in range(_ROUNDS):
        believed = _clipped(counts, usual * factor, dispersion) / dispersion
        factor = (believed.sum(axis=0) + _PRIOR) / (say.sum(axis=0) + _PRIOR)
    believed = _clipped(counts, usual * factor, dispersion) / dispersion
    others = say.sum(axis=0) - say
    return (believed.sum(axis=0) - believed + _PRIOR) / (others + _PRIOR), others / (others + _PRIOR) ** 2


def _clipped(counts: Floats, expected: Floats, dispersion: Floats) -> Floats:
    reach = _CLIP * np.sqrt(dispersion * expected) + 1.0
    clipped: Floats = np.clip(counts, expected - reach, expected + reach)
    return clipped


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    """Per column."""
    order = np.argsort(values, axis=0)
    running = np.cumsum(np.take_along_axis(weights, order, axis=0), axis=0)
    middle = (running >= 0.5 * running[-1]).argmax(axis=0)
    median: Floats = np.take_along_axis(values, np.take_along_axis(order, middle[None], axis=0), axis=0)[0]
    return median
