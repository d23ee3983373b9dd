"""Real pairs as the reference: their parts, and the scores of good, distant and similar fakes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from equipoise.audit import realism
from equipoise.audit.realism import (
    FEWEST,
    FEWEST_PATIENTS,
    MEASURES,
    MOST,
    Finding,
    RealFeatures,
    RealPairs,
    is_constant,
)
from equipoise.metrics.fidelity import favored_spread, fid, kid, prdc
from equipoise.metrics.sampling_variance import detectable_auroc

Array = NDArray[np.float64]


def reals(
    n: int, *, seed: int = 0, per_patient: int = 1, first: int = 0, d: int = 4
) -> RealFeatures:
    features = np.random.default_rng(seed).normal(size=(n, d))
    return RealFeatures(features, first + np.arange(n) // per_patient)


def fakes(n: int = 60, *, mean: float = 0.0, scale: float = 1.0, d: int = 4) -> Array:
    return mean + scale * np.random.default_rng(9).normal(size=(n, d))


def compared(pairs: RealPairs, fake: Array) -> dict[str, Finding]:
    findings = pairs.compare(fake, np.random.default_rng(3))
    return {finding.measure: finding for finding in findings}


@pytest.fixture(scope="module")
def pairs() -> RealPairs:
    return RealPairs.of(reals(80, seed=1, first=500), reals(40), np.random.default_rng(0))


def test_good_images_reach_the_floor_and_bad_ones_do_not(pairs: RealPairs) -> None:
    good, far = compared(pairs, fakes()), compared(pairs, fakes(mean=3))
    similar = compared(pairs, fakes(scale=0.05))
    assert pairs.source == "validation"
    assert good["kid"].low <= good["kid"].floor_high
    assert far["kid"].low > far["kid"].floor_high
    assert far["two_sample"].value > 0.95
    assert good["two_sample"].value < 0.75
    assert far["coverage"].value < 0.2 < good["coverage"].value
    assert similar["recall"].value < 0.3 < good["recall"].value
    for findings in (good, far, similar):
        assert set(findings) == set(MEASURES)
        for name, finding in findings.items():
            assert finding.n == 40
            assert finding.floor == good[name].floor
            assert finding.low <= finding.value <= finding.high
            assert finding.floor_low <= finding.floor <= finding.floor_high


def test_values_are_those_of_the_metrics_on_the_drawn_sets(pairs: RealPairs) -> None:
    fake = fakes(40)  # as many as are drawn: every draw has all of them
    findings, drawn_pairs = compared(pairs, fake), pairs.draw(40)
    assert findings["kid"].value == pytest.approx(kid(pairs.pairs[0][0].features, fake))
    kids = [kid(a.features, b.features) for a, b in drawn_pairs]
    assert findings["kid"].floor == pytest.approx(np.mean(kids))
    assert findings["fid"].value == pytest.approx(fid(pairs.pairs[0][0].features, fake))
    densities = [prdc(a.features, b.features).density for a, b in drawn_pairs]
    assert findings["density"].floor == pytest.approx(np.mean(densities))


def test_fid_is_refused_with_the_spread_that_it_would_prefer() -> None:
    wide = RealPairs.of(
        reals(60, seed=1, first=500, d=200), reals(30, d=200), np.random.default_rng(0)
    )
    finding = compared(wide, fakes(d=200))["fid"]
    favored = np.mean([favored_spread(a.features, b.features) for a, b in wide.draw(30)])
    assert "30 images" in finding.refused
    assert f"{1 - favored:.0%} less" in finding.refused
    assert np.isnan(finding.value)
    assert not compared(wide, fakes(d=200))["kid"].refused


def test_without_enough_validation_images_the_training_part_is_halved_by_patient() -> None:
    train = reals(81, per_patient=3)
    pairs = RealPairs.of(train, reals(FEWEST - 1, first=500), np.random.default_rng(0))
    assert pairs.source == "training"
    for first, second in pairs.pairs:
        assert not set(first.patients) & set(second.patients)
        assert len(first) + len(second) == 81
        assert abs(len(first) - len(second)) <= 3
    few_patients = RealFeatures(fakes(50), 500 + np.arange(50) % (FEWEST_PATIENTS - 1))
    assert RealPairs.of(train, few_patients, np.random.default_rng(0)).source == "training"


@pytest.mark.parametrize(
    ("train", "held_out", "n_fake", "reason"),
    [
        (reals(30), reals(5, first=500), 60, "20 from at least 10 patients"),
        (reals(90, per_patient=9), reals(5, first=500), 60, "20 from at least 10 patients"),
        (reals(50), reals(50, first=500), 19, "19 synthetic images"),
    ],
)
def test_too_few_images_give_a_reason_and_no_number(
    train: RealFeatures, held_out: RealFeatures, n_fake: int, reason: str
) -> None:
    findings = compared(RealPairs.of(train, held_out, np.random.default_rng(0)), fakes(n_fake))
    assert set(findings) == set(MEASURES)
    for finding in findings.values():
        assert reason in finding.refused
        assert np.isnan([finding.value, finding.low, finding.high]).all()
        assert np.isnan([finding.floor, finding.floor_low, finding.floor_high]).all()


def test_large_sets_are_cut_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realism, "MOST", 25)
    assert MOST > 25
    pairs = RealPairs.of(reals(80, seed=1, first=500), reals(60), np.random.default_rng(0))
    assert compared(pairs, fakes())["kid"].n == 25
    assert len(pairs.draw(25)[0][0]) == 25


def test_features_that_are_the_same_for_all_images_are_refused() -> None:
    assert is_constant(np.full((9, 3), 1234.5) + np.finfo(np.float32).eps)
    assert not is_constant(reals(9).features)
    assert not is_constant(1e-3 * reals(9).features)
    blind = RealFeatures(np.full((60, 4), 0.7), 500 + np.arange(60))
    pairs = RealPairs.of(reals(60), blind, np.random.default_rng(0), "blind")
    for finding in compared(pairs, fakes()).values():
        assert "blind" in finding.refused
        assert finding.extractor == "blind"


def test_what_so_many_images_would_have_shown_is_among_the_measures(pairs: RealPairs) -> None:
    finding = compared(pairs, fakes())["detectable"]
    assert finding.value == pytest.approx(detectable_auroc(20, 20))  # 40 patients, half of them


def test_undefined_numbers_are_no_json() -> None:
    refused = Finding(measure="kid", extractor="random", n=3, refused="few").to_json()
    assert refused == {"measure": "kid", "extractor": "random", "n": 3, "refused": "few"}
