"""Jackknife: the variance of any number over units (patients, folds), leaving out one at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.metrics.statistics import ROUNDING, Values

FEWEST = 3  # units; with two, one difference would carry the whole variance


@dataclass(frozen=True, kw_only=True)
class ErrorVariance:
    """A squared standard error, and the degrees of freedom behind it."""

    value: float
    freedom: float


def leaving_out(units: NDArray[np.int64]) -> Values:
    """Build weights (1 + 2 u, n) of n cases: all, without each of the u units, each unit alone.

    Example:
        >>> import numpy as np
        >>> leaving_out(np.array([4, 4, 7])).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    members = (units == np.unique(units)[:, None]).astype(float)  # (u, n)
    return np.concatenate([np.ones((1, len(units))), 1 - members, members])


def jackknife(values: Values) -> ErrorVariance | None:
    """Compute the variance of a number under the weights of `leaving_out`.

    (u - 1) / u * sum of (value without a unit - mean)^2, with u - 1 degrees of freedom. For a mean
    over units of one size it is their variance over u; pooled numbers and units of several sizes
    work as well. Units that have no value alone and change none (a patient without a lesion, for
    the sensitivity of lesions) do not count.

    Args:
        values: (1 + 2 u,) of all, without each unit, of each unit alone.

    Returns:
        The variance; None with fewer than `FEWEST` units that count, or where the number is not
        defined without one of them.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, Eq. 11.5.

    Example:
        >>> import numpy as np
        >>> units = np.array([2.0, 4.0, 6.0])
        >>> without = (units.sum() - units) / 2
        >>> error = jackknife(np.concatenate([[4.0], without, units]))
        >>> round(error.value, 4), error.freedom  # of the mean: 2^2 / 3
        (1.3333, 2)
    """
    without, alone = np.split(values[1:], 2)
    counts = np.isfinite(alone) | ~(np.abs(without - values[0]) < ROUNDING)
    u, without = int(counts.sum()), without[counts]
    if u < FEWEST or not np.isfinite(without).all():
        return None
    spread = float(((without - without.mean()) ** 2).sum())
    return ErrorVariance(value=(u - 1) / u * spread, freedom=u - 1)
