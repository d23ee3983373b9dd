"""What a `sampling_strategy` means for the labels of a training split."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from imblearn.utils import check_sampling_strategy
from numpy.typing import NDArray

from equipoise.exceptions import DataError, SettingError

Strategy = str | float | Mapping[Any, int]  # {label: number of images}


def wanted(strategy: Strategy, y: NDArray[Any]) -> dict[Any, int]:
    """Return the number of images to add to each class that needs some.

    Raises:
        DataError: There is one class only.
        SettingError: The strategy does not fit the labels.

    Example:
        >>> wanted("auto", np.array([0, 0, 0, 1]))
        {1: 2}
    """
    additions = targets(strategy, y, "over-sampling")
    return {label: n for label, n in additions.items() if n > 0}


def targets(strategy: Strategy, y: NDArray[Any], kind: str) -> dict[Any, int]:
    """Return what imbalanced-learn makes of a strategy, {label: number of images}.

    Args:
        strategy: See `Resampler`.
        y: (n,) labels.
        kind: "over-sampling" (images to add) or "under-sampling" (images that remain).

    Raises:
        DataError: There is one class only.
        SettingError: The strategy does not fit the labels.
    """
    labels = np.unique(y).tolist()
    if len(labels) < 2:
        raise DataError(f"Expected at least 2 classes to balance, got {len(labels)}.")
    try:
        numbers = check_sampling_strategy(strategy, y, kind)
    except (ValueError, TypeError, KeyError) as error:
        raise SettingError(
            f"sampling_strategy={strategy!r} does not fit the labels: {error}"
        ) from error
    return {labels[labels.index(label)]: int(n) for label, n in numbers.items()}
