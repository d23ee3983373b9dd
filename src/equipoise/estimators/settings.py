"""Checks of an estimator's settings, before any work is done."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.exceptions import SettingError


def check_whole(settings: Mapping[str, Any], **minima: int) -> None:
    """Refuse settings that are not whole numbers of at least their minimum.

    Raises:
        SettingError: Names the setting and what it must be.
    """
    for name, low in minima.items():
        value = settings[name]
        if not (isinstance(value, int | np.integer) and value >= low):
            raise SettingError(f"Expected {name} as a whole number of at least {low}, got {value!r}.")
