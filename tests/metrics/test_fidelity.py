"""FID, KID and PRDC: the catalogue's golden numbers, independent references, what each must not depend on."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group

from equipoise.exceptions import DataError, SettingError
from equipoise.metrics import feature_sets
from equipoise.metrics.fidelity import Prdc, favored_spread, fid, kid, kid_interval, prdc

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

seeds = st.integers(0, 10_000)


def normal(n: int, d: int, *, seed: int = 0, mean: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(mean, 1, size=(n, d))


def with_moments(mean: Array, covariance: Array) -> Array:
    """Give a sample of exactly this mean and covariance (n - 1)."""
    x = normal(20, len(mean), seed=3)
    x -= x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return np.asarray(white @ np.linalg.cholesky(covariance).T + mean)


@pytest.mark.parametrize(
    ("mean", "covariance", "expected"),
    [
        (((0, 0), (0, 0)), (((1, 0), (0, 1)), ((2, -1), (-1, 2))), 0.535898),
        (((0, 0), (1, 2)), (((1, 0), (0, 4)), ((4, 0), (0, 9))), 7.0),
    ],
)
def test_fid_of_known_moments(
    mean: tuple[tuple[float, ...], ...],
    covariance: tuple[tuple[tuple[float, ...], ...], ...],
    expected: float,
) -> None:
    """Methods 7.2."""
    real, fake = (
        with_moments(np.array(m), np.array(c)) for m, c in zip(mean, covariance, strict=True)
    )
    assert fid(real, fake) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 60, 7), (9, 12, 30), (6, 50, 20)])
def test_fid_equals_the_usual_formula(n: int, m: int, d: int) -> None:
    real, fake = normal(n, d), 0.7 * normal(m, d, seed=1, mean=0.3) ** 3
    one, two = np.cov(real.T), np.cov(fake.T)
    values, vectors = np.linalg.eigh(one)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    by_roots = np.trace(sqrtm(one @ two)).real
    by_eigenvalues = np.sqrt(np.clip(np.linalg.eigvalsh(root @ two @ root), 0, None)).sum()
    rest = ((real.mean(axis=0) - fake.mean(axis=0)) ** 2).sum() + np.trace(one) + np.trace(two)
    assert fid(real, fake) == pytest.approx(rest - 2 * by_eigenvalues, rel=1e-5)
    if n > d:  # a singular product has no root that sqrtm finds to more than three digits
        assert fid(real, fake) == pytest.approx(rest - 2 * by_roots, rel=1e-8)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_fid_is_symmetric_blind_to_rotation_and_adds_a_squared_shift(seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(12, 5)), rng.gamma(1, size=(9, 5))
    turn, shift = special_ortho_group.rvs(5, random_state=rng), rng.normal(size=5)
    assert fid(fake, real) == pytest.approx(fid(real, fake), rel=1e-9)
    assert fid(real @ turn, fake @ turn) == pytest.approx(fid(real, fake), rel=1e-9)
    assert fid(real, real + shift) == pytest.approx(float(shift @ shift), rel=1e-9)
    assert fid(real, real) < 1e-6


def test_fid_of_few_images_prefers_a_generator_that_varies_less() -> None:
    """The reason why FID is refused at small n: 15 images, 64 features: fakes pulled together beat real ones."""
    real, other = normal(15, 64), normal(15, 64, seed=1)
    favored = favored_spread(real, other)
    assert favored < 0.7
    pulled = [
        fid(real, other.mean(axis=0) + s * (other - other.mean(axis=0)))
        for s in (favored, 0.8, 1.0, 1.2)
    ]
    assert pulled == sorted(pulled)
    assert favored_spread(normal(4000, 8), normal(4000, 8, seed=1)) > 0.99
    assert favored_spread(real, real) == pytest.approx(1)


def test_kid_golden() -> None:
    """Methods 7.2."""
    assert kid(np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 1]])) == pytest.approx(-2.375)


def slow_kid(real: Array, fake: Array, patients: Codes, fake_patients: Codes) -> float:
    def kernel(a: Array, b: Array) -> Array:
        return np.array([[(x @ y / len(x) + 1) ** 3 for y in b] for x in a])

    within = [
        kernel(x, x)[p[:, None] != p].mean() for x, p in ((real, patients), (fake, fake_patients))
    ]
    return float(sum(within) - 2 * kernel(real, fake).mean())


def test_kid_and_its_jackknife_equal_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_sets, "BLOCK", 30)  # several blocks
    real, fake = normal(13, 4), normal(9, 4, seed=1, mean=0.4)
    patients, singles = np.array([4, 4, 4, 9, 9, 1, 0, 0, 7, 7, 7, 7, 2]), np.arange(9)
    whole = slow_kid(real, fake, patients, singles)
    found = kid_interval(real, fake, patients=patients)
    assert kid(real, fake, patients=patients) == found.value == pytest.approx(whole, rel=1e-9)
    variance = 0.0
    kept = [patients != p for p in np.unique(patients)]
    without = [np.array([slow_kid(real[k], fake, patients[k], singles) for k in kept])]
    without += [
        np.array([slow_kid(real, np.delete(fake, i, 0), patients, singles[1:]) for i in singles])
    ]
    for values in without:
        variance += (len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()
    assert found.high - found.value == pytest.approx(
        2.570582 * np.sqrt(variance), rel=1e-6
    )  # t, 5 freedom
    assert found.low + found.high == pytest.approx(2 * found.value)


def test_kid_of_two_halves_of_one_set_is_0_on_average() -> None:
    x, rng = normal(200, 16), np.random.default_rng(5)
    halves = [rng.permutation(200) for _ in range(100)]
    found = [kid(x[rows[:40]], x[rows[40:80]]) for rows in halves]
    assert abs(np.mean(found)) < 3 * np.std(found) / 10
    assert min(found) < 0 < max(found)


def test_images_of_one_patient_do_not_move_kid() -> None:
    """Four images of each patient that are nearly alike: with patients told, halves are still 0 on average."""
    rng = np.random.default_rng(0)

    def draw() -> Array:
        return np.repeat(rng.normal(size=(10, 8)), 4, axis=0) + 0.1 * rng.normal(size=(40, 8))

    owners, others = np.repeat(np.arange(10), 4), np.repeat(np.arange(10, 20), 4)
    pairs = [(draw(), draw()) for _ in range(120)]
    aware = [kid(a, b, patients=owners, fake_patients=others) for a, b in pairs]
    unaware = [kid(a, b) for a, b in pairs]
    assert abs(np.mean(aware)) < 3 * np.std(aware) / np.sqrt(120)
    assert np.mean(unaware) > 10 * np.std(unaware) / np.sqrt(120)


@pytest.mark.parametrize(
    ("patients", "per_patient", "shift", "scale", "at_least"),
    [
        (10, 1, 0, 1, 0.97),
        (20, 1, 1, 1, 0.90),
        (10, 4, 0, 1, 0.97),
        (10, 4, 1, 1, 0.91),
        (30, 1, 0, 0.6, 0.85),
    ],
)
def test_the_interval_of_kid_holds_the_truth(
    patients: int, per_patient: int, shift: float, scale: float, at_least: float
) -> None:
    """250 simulated pairs of skewed, correlated features; the misses lie below the truth, on the careful side."""
    rng, mix = np.random.default_rng(1), normal(8, 24, seed=9) / 2
    owners = np.repeat(np.arange(patients), per_patient)

    def draw(of_patient: Array, shift: float, scale: float) -> Array:
        z = np.sqrt(0.6) * of_patient + np.sqrt(0.4) * rng.normal(size=(len(owners), 8))
        return np.asarray(np.maximum((shift + scale * z) @ mix, 0))

    found = []
    for _ in range(250):
        real = draw(rng.normal(size=(patients, 8))[owners], 0, 1)
        found.append(
            kid_interval(
                real, draw(rng.normal(size=(len(owners), 8)), shift, scale), patients=owners
            )
        )
    truth = 0.0 if (shift, scale) == (0, 1) else float(np.mean([one.value for one in found]))
    assert np.mean([one.low <= truth <= one.high for one in found]) >= at_least
    assert np.mean([one.low > truth for one in found]) <= 0.016


LINE = np.array([[0.0], [1], [2], [3]])


def test_prdc_golden() -> None:
    """Methods 7.2 and 10.6."""
    found = prdc(LINE, np.array([[0.5], [2.5], [10]]), k=1)
    assert_allclose(
        [found.precision, found.recall, found.density, found.coverage], [2 / 3, 1, 4 / 3, 1]
    )
    assert prdc(LINE, LINE, k=1) == Prdc(1, 1, 1, 1)


def slow_prdc(real: Array, fake: Array, k: int) -> Prdc:
    of_real, of_fake = (np.sort(cdist(x, x), axis=1)[:, k] for x in (real, fake))
    distances = cdist(real, fake)
    inside = distances < of_real[:, None]
    return Prdc(
        inside.any(axis=0).mean(),
        (distances < of_fake).any(axis=1).mean(),
        inside.sum(axis=0).mean() / k,
        inside.any(axis=1).mean(),
    )


@given(seeds, st.integers(1, 5), st.integers(8, 40))
@settings(max_examples=40, deadline=None)
def test_prdc_equals_its_definition_whatever_the_blocks(seed: int, k: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(11, 3)), rng.normal(0.2, 0.8, size=(8, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_sets, "BLOCK", block)
        found = prdc(real, fake, k)
    slow = slow_prdc(real, fake, k)
    assert_allclose(list(vars(found).values()), list(vars(slow).values()), rtol=1e-12)
    assert min(found.precision, found.recall, found.coverage) >= 0
    assert max(found.precision, found.recall, found.coverage) <= 1


def test_a_point_on_the_border_of_a_ball_is_outside_even_far_from_0() -> None:
    """Ties of the grid stay ties at features of a million, where the rounding of products is large."""
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    near, far = prdc(grid, grid, 4), prdc(grid + 1e6 / 3, grid + 1e6 / 3, 4)
    assert near == far
    alike = np.ones((8, 3)) / 3
    assert prdc(alike, alike) == Prdc(0, 0, 0, 0)  # balls of radius 0 hold nothing


def test_coverage_of_real_images_by_real_images_is_what_theory_says() -> None:
    """Naeem et al. 2020, eq. 9: 1 - (n-1)...(n-k) / ((2n-1)...(2n-k)), whatever the distribution."""
    n, k, rng = 60, 5, np.random.default_rng(0)
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    found = [prdc(rng.normal(size=(n, 6)), rng.normal(size=(n, 6)), k).coverage for _ in range(60)]
    assert np.mean(found) == pytest.approx(expected, abs=3 * np.std(found) / np.sqrt(60))


def test_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_sets, "BLOCK", 100_000)
    x, y = normal(3000, 4), normal(3000, 4, seed=1)  # 72 MB of distances
    for measure in (prdc, kid_interval):
        tracemalloc.start()
        measure(x, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8e6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(fid, LINE, np.ones((4, 2))), "d the same, got"),
        (partial(fid, LINE, np.array([[np.nan], [1]])), "finite features"),
        (partial(kid, LINE[:1], LINE), "n at least 2"),
        (
            partial(kid, LINE, LINE, patients=np.zeros(4, np.int64)),
            "at least 2 patients in each set, got 1",
        ),
        (partial(kid, LINE, LINE, patients=np.zeros(3, np.int64)), "one for each row"),
        (partial(kid_interval, LINE[:2], LINE), "at least 3 patients in each set, got 2"),
        (partial(prdc, LINE, LINE), "more than k = 5 images on each side, got 4 and 4"),
        (partial(prdc, LINE, np.ones(4)), "shape"),
    ],
)
def test_bad_input_is_refused_with_the_reason(call: partial[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


def test_no_neighbors_are_refused() -> None:
    with pytest.raises(SettingError, match="k of at least 1"):
        prdc(LINE, LINE, 0)
