"""Seeds depend on names and values, not on order of calls, number types or the machine."""

import numpy as np

from equipoise.randomness import derive_seed, make_rng


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
