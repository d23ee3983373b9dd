"""The yardstick of real images: whose they are, and what synthetic ones that are good, copied or alike score."""

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.evidence import realism
from equipoise.evidence.realism import (
    FEWEST,
    FEWEST_PATIENTS,
    MEASURES,
    MOST,
    Bench,
    Finding,
    Reals,
)
from equipoise.metrics.fidelity import favored_spread, fid, kid, prdc

Array = NDArray[np.float64]


def reals(n: int, *, seed: int = 0, per_patient: int = 1, first: int = 0, d: int = 4) -> Reals:
    features = np.random.default_rng(seed).normal(size=(n, d))
    return Reals(features, first + np.arange(n) // per_patient)


def fakes(n: int = 60, *, mean: float = 0.0, scale: float = 1.0, d: int = 4) -> Array:
    return mean + scale * np.random.default_rng(9).normal(size=(n, d))


def judged(bench: Bench, fake: Array) -> dict[str, Finding]:
    return {one.measure: one for one in bench.judge(fake, np.random.default_rng(3))}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.of(reals(80, seed=1, first=500), reals(40), np.random.default_rng(0))


def test_good_images_reach_the_floor_and_bad_ones_do_not(bench: Bench) -> None:
    good, far, alike = (judged(bench, fake) for fake in (fakes(), fakes(mean=3), fakes(scale=0.05)))
    assert bench.source == "validation"
    assert good["kid"].low <= good["kid"].floor_high
    assert far["kid"].low > far["kid"].floor_high
    assert far["two_sample"].value > 0.95
    assert good["two_sample"].value < 0.75
    assert far["coverage"].value < 0.2 < good["coverage"].value
    assert alike["recall"].value < 0.3 < good["recall"].value
    for found in (good, far, alike):
        assert set(found) == set(MEASURES)
        assert {one.n for one in found.values()} == {40}
        assert {one.floor for one in found.values()} == {one.floor for one in good.values()}
        assert all(one.low <= one.value <= one.high for one in found.values())
        assert all(one.floor_low <= one.floor <= one.floor_high for one in found.values())


def test_values_are_those_of_the_metrics_on_the_drawn_sets(bench: Bench) -> None:
    fake = fakes(40)  # as many as are drawn: every draw holds all of them
    found, drawn = judged(bench, fake), bench.drawn(40)
    assert found["kid"].value == pytest.approx(kid(bench.pairs[0][0].features, fake))
    assert found["kid"].floor == pytest.approx(
        np.mean([kid(a.features, b.features) for a, b in drawn])
    )
    assert found["fid"].value == pytest.approx(fid(bench.pairs[0][0].features, fake))
    assert found["density"].floor == pytest.approx(
        np.mean([prdc(a.features, b.features).density for a, b in drawn])
    )


def test_fid_is_refused_with_the_spread_that_it_would_prefer() -> None:
    wide = Bench.of(reals(60, seed=1, first=500, d=200), reals(30, d=200), np.random.default_rng(0))
    one = judged(wide, fakes(d=200))["fid"]
    favored = np.mean([favored_spread(a.features, b.features) for a, b in wide.drawn(30)])
    assert (
        one.refused
        == f"30 images are too few: FID would prefer images that vary {1 - favored:.0%} less than real ones."
    )
    assert np.isnan(one.value)
    assert not judged(wide, fakes(d=200))["kid"].refused


def test_without_enough_validation_images_the_training_part_is_halved_by_patient() -> None:
    train = reals(81, per_patient=3)
    found = Bench.of(train, reals(FEWEST - 1, first=500), np.random.default_rng(0))
    assert found.source == "training"
    for one, other in found.pairs:
        assert not set(one.patients) & set(other.patients)
        assert len(one) + len(other) == 81
        assert abs(len(one) - len(other)) <= 3
    few_patients = Reals(fakes(50), 500 + np.arange(50) % (FEWEST_PATIENTS - 1))
    assert Bench.of(train, few_patients, np.random.default_rng(0)).source == "training"


@pytest.mark.parametrize(
    ("train", "held_out", "n_fake", "why"),
    [
        (reals(30), reals(5, first=500), 60, "too few real images: a set needs 20 of 10 patients"),
        (reals(90, per_patient=9), reals(5, first=500), 60, "too few real images"),
        (reals(50), reals(50, first=500), 19, "19 synthetic images are fewer than the 20"),
    ],
)
def test_too_few_images_give_a_sentence_and_no_number(
    train: Reals, held_out: Reals, n_fake: int, why: str
) -> None:
    found = judged(Bench.of(train, held_out, np.random.default_rng(0)), fakes(n_fake))
    assert set(found) == set(MEASURES)
    for one in found.values():
        assert why in one.refused
        assert np.isnan(
            [one.value, one.low, one.high, one.floor, one.floor_low, one.floor_high]
        ).all()


def test_large_sets_are_cut_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "MOST", 25)
    assert MOST > 25
    found = Bench.of(reals(80, seed=1, first=500), reals(60), np.random.default_rng(0))
    assert judged(found, fakes())["kid"].n == 25
    assert len(found.drawn(25)[0][0]) == 25
