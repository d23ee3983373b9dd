"""Seeds depend on names and values, not on order of calls, number types or the machine."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from equipoise.exceptions import SettingError
from equipoise.randomness import (
    RandomState,
    Seeded,
    derive_seed,
    make_rng,
    stored_settings,
    whole_seed,
    with_random_state,
)
from equipoise.testing.probes import random_states


def test_seeds_do_not_change_between_versions() -> None:
    assert derive_seed(0, "split", 3) == 6718152632917296369  # sha256 of 0|'split'|3
    assert make_rng(0, "split").integers(0, 1000, 4).tolist() == [39, 443, 174, 632]


def test_every_part_and_their_order_matter() -> None:
    parts: list[tuple[object, ...]] = [
        (),
        (0,),
        (1,),
        (0, 0),
        (0, "a"),
        ("a", 0),
        ("0",),
        (0.0,),
        ("a", "b"),
        ("a|b",),
        ("a'|'b",),
        (None,),
        ((0,),),
    ]
    seeds = [derive_seed(*p) for p in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_numpy_numbers_are_numbers() -> None:
    assert derive_seed(np.int64(3), np.float64(0.5), np.str_("a")) == derive_seed(3, 0.5, "a")


def test_generators_are_independent_and_fresh() -> None:
    first = make_rng(0, "x")
    first.random(10)
    np.testing.assert_array_equal(make_rng(0, "x").random(3), make_rng(0, "x").random(3))
    assert not np.array_equal(make_rng(0, "x").random(3), make_rng(0, "y").random(3))


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_generators_yield_a_new_seed_in_each_fit(make: Any) -> None:
    state = make(3)
    first, second = whole_seed(state), whole_seed(state)
    assert first != second
    assert (first, second) == tuple(map(whole_seed, [again := make(3), again]))
    assert 0 <= first < 2**63


def test_none_is_new_entropy_and_leaves_global_states_alone() -> None:
    before = random_states()
    assert whole_seed(None) != whole_seed(None)
    assert random_states() == before


@pytest.mark.parametrize("value", ["7", 7.0, [7]])
def test_other_random_states_are_refused(value: Any) -> None:
    with pytest.raises(SettingError, match=r"whole number, a RandomState or Generator"):
        whole_seed(value)


class Estimator(Seeded, BaseEstimator):
    def __init__(self, random_state: RandomState = 0) -> None:
        self.random_state = random_state

    def fit(self) -> "Estimator":
        self._set_seed()
        return self


def test_the_seed_of_a_fit_is_stored_under_its_old_name() -> None:
    estimator = Estimator(None)
    assert estimator._with_seed({"random_state": None, "side": 3}) == {"side": 3, "seed": 0}
    estimator.fit()
    stored = estimator._with_seed(estimator.get_params())
    assert stored == {"seed": estimator.seed_}
    assert Estimator(**with_random_state(stored)).fit().seed_ == estimator.seed_
    nested = {"generator__random_state": 1, "random_states": 2}
    assert stored_settings(nested) == {"generator__seed": 1, "random_states": 2}
