"""Seeds and random generators that depend on names, not on the order of calls."""

import hashlib
from typing import Any

import numpy as np


def derive_seed(*parts: Any) -> int:
    """Return a 63-bit seed, a hash of the parts, so that each purpose has its own random stream.

    >>> derive_seed(0, "split", 3) == derive_seed(0, "split", 3) != derive_seed(0, "split", 4)
    True
    """
    plain = (
        part.item() if isinstance(part, np.generic) else part for part in parts
    )  # np.int64(3) is 3
    digest = hashlib.sha256("|".join(repr(part) for part in plain).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_rng(*parts: Any) -> np.random.Generator:
    """Return a NumPy generator seeded by `derive_seed`, as in `make_rng(seed, "oversample")`."""
    return np.random.default_rng(derive_seed(*parts))
