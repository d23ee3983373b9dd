"""Seeds and generators that depend on names, not on the order of calls."""

import hashlib
from typing import Any

import numpy as np


def derive_seed(*parts: Any) -> int:
    """Make a 63-bit seed from any parts, so that each use of chance has a stream of its own.

    >>> derive_seed(0, "split", 3) == derive_seed(0, "split", 3) != derive_seed(0, "split", 4)
    True
    """
    plain = (
        part.item() if isinstance(part, np.generic) else part for part in parts
    )  # np.int64(3) is 3
    digest = hashlib.sha256("|".join(repr(part) for part in plain).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_rng(*parts: Any) -> np.random.Generator:
    """Make a NumPy generator from any parts, for example `make_rng(seed, "oversample")`."""
    return np.random.default_rng(derive_seed(*parts))
