"""Seeds and random generators that depend on names, not on the order of calls."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.exceptions import SettingError

RandomState = int | np.random.RandomState | np.random.Generator | None
RANDOM_STATE = "random_state"  # an estimator's parameter
SEED = "seed"  # the whole number that a fit made of it, as it is stored and hashed


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


def whole_seed(random_state: RandomState) -> int:
    """Return the seed that a `random_state` stands for.

    Args:
        random_state: A whole number is its own seed. From a `RandomState` or `Generator` of NumPy
            the next number is taken, so that a second call returns another seed. None takes one
            from the operating system; `np.random.seed` has no effect on it.

    Raises:
        SettingError: It is none of these.

    Example:
        >>> whole_seed(7), whole_seed(np.random.RandomState(0)) == whole_seed(None)
        (7, False)
    """
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63 - 1))
    raise SettingError(
        "Expected random_state as a whole number, a RandomState or Generator of NumPy, or None, "
        f"got {random_state!r}."
    )


class Seeded:
    """An estimator with a parameter `random_state`, of which each fit makes a seed once.

    Attributes:
        seed_: The seed of the last fit; as `random_state` of another fit it repeats that one.
    """

    random_state: RandomState
    seed_: int

    def _set_seed(self) -> None:
        """Make the seed of a fit."""
        self.seed_ = whole_seed(self.random_state)

    @property
    def _fixed_seed(self) -> int:
        """The seed of the last fit, or of the next one; before a fit 0 where nobody knows it."""
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(vars(self).get("seed_", 0))

    def _with_seed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return parameters as they are stored and hashed; see `stored_settings`."""
        return stored_settings({**params, RANDOM_STATE: self._fixed_seed})


def stored_settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return an estimator's parameters as they are stored: `random_state` is called `seed`.

    So are those of nested estimators ("generator__random_state").

    Example:
        >>> stored_settings({"kind": "smote", "random_state": 3})
        {'kind': 'smote', 'seed': 3}
    """
    settings = {}
    for name, value in params.items():
        *path, last = name.split("__")
        settings["__".join([*path, SEED if last == RANDOM_STATE else last])] = value
    return settings


def with_random_state(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings as an estimator's parameters: `seed` is its `random_state`.

    Example:
        >>> with_random_state({"kind": "smote", "seed": 3})
        {'kind': 'smote', 'random_state': 3}
    """
    params = {name: value for name, value in settings.items() if name != SEED}
    if SEED in settings:
        params[RANDOM_STATE] = settings[SEED]
    return params
