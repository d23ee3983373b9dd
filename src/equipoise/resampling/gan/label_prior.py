"""The label prior q of a conditional generator's fakes, from the setting `alpha`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.discovery import pick
from equipoise.exceptions import SettingError

Alpha = str | float | Sequence[float]
Prior = NDArray[np.float64]

PRIORS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "uniform": np.ones_like,
    "empirical": lambda counts: counts,
    "inverse": lambda counts: 1.0 / counts,
}


def label_probabilities(alpha: Alpha, counts: Sequence[int]) -> Prior:
    """Return how often a fake has each label while a conditional generator is trained.

    Args:
        alpha: "uniform", "empirical" (the training frequencies), "inverse" (proportional to 1 /
            count), the probability of the larger class (two classes only; paper S2's alpha), or k
            probabilities.
        counts: (k,) training images of each class.

    Returns:
        (k,) probabilities that sum to 1.

    Raises:
        SettingError: `alpha` is none of these.

    Source: paper S2, whose alpha is the probability of the healthy (larger) class; ours for more
    than two classes.

    Example:
        >>> label_probabilities("inverse", (30, 10)).tolist()
        [0.25, 0.75]
        >>> label_probabilities(0.25, (30, 10)).tolist()
        [0.25, 0.75]
    """
    sizes = np.asarray(counts, dtype=np.float64)
    if isinstance(alpha, str):
        weights = pick(PRIORS, alpha, "label prior (alpha)")(sizes)
        return np.asarray(weights / weights.sum(), dtype=np.float64)
    shares = np.asarray(alpha, dtype=np.float64)
    if shares.ndim == 0 and len(sizes) != 2:
        raise SettingError(
            f"A single alpha needs 2 classes, got {len(sizes)}. Use {len(sizes)} probabilities, "
            "or 'uniform'."
        )
    if shares.ndim == 0:
        larger = float(shares)
        if not 0.0 <= larger <= 1.0:
            raise SettingError(
                "Expected alpha between 0 and 1 (the probability of the larger class), got "
                f"{alpha}."
            )
        first_is_larger = sizes[0] >= sizes[1]
        return np.array([larger, 1.0 - larger] if first_is_larger else [1.0 - larger, larger])
    if shares.shape != sizes.shape or (shares < 0).any() or not np.isclose(shares.sum(), 1.0):
        raise SettingError(
            f"Expected alpha as {len(sizes)} probabilities that sum to 1, one for each class, got "
            f"{alpha!r}."
        )
    return np.asarray(shares / shares.sum(), dtype=np.float64)
