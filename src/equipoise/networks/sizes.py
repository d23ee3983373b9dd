"""Image sides for networks that halve and double them; imports no torch."""

import math

from equipoise.exceptions import SettingError

LARGEST = 1024
BASES = (4, 5, 6, 7)  # the side of the smallest map


def valid_sizes(largest: int = LARGEST) -> tuple[int, ...]:
    """List the sides from 8 to `largest` that are 4, 5, 6 or 7 times a power of two.

    Example:
        >>> [s for s in valid_sizes(64) if s >= 28]
        [28, 32, 40, 48, 56, 64]
    """
    sides = []
    for base in BASES:
        for n_doublings in range(1, 10):
            sides.append(base << n_doublings)
    return tuple(sorted(side for side in sides if side <= largest))


def nearest_valid_size(size: int) -> int:
    """Return the valid side nearest to `size`; the larger of two, which loses no detail.

    Example:
        >>> nearest_valid_size(100), nearest_valid_size(30)
        (96, 32)
    """
    return min(valid_sizes(), key=lambda valid: (abs(valid - size), -valid))


def check_size(size: int) -> tuple[int, int]:
    """Return the side of the smallest map and the number of doublings from it to `size`.

    Raises:
        SettingError: No whole number of doublings leads to `size`.

    Example:
        >>> check_size(48)
        (6, 3)
    """
    if size not in valid_sizes():
        names = ", ".join(map(str, valid_sizes(320)))
        smaller = [valid for valid in valid_sizes() if valid < size]
        inside = f", or generate at a smaller side (--gan-size {smaller[-1]})" if smaller else ""
        raise SettingError(
            "Expected square images with a side that is 4, 5, 6 or 7 times a power of two, got "
            f"{size}. Resize to {nearest_valid_size(size)} (--size {nearest_valid_size(size)})"
            f"{inside}; valid sides: {names}, ..."
        )
    n_doublings = int(math.log2(size // 4))
    return size >> n_doublings, n_doublings
