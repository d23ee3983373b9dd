"""FID, KID and PRDC: golden numbers, independent references, invariances."""

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
    """Draw a sample of exactly this mean and covariance (n - 1)."""
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
    """6 - 2 (1 + sqrt 3), and 7 of two diagonal covariances."""
    real, fake = (
        with_moments(np.array(m), np.array(c)) for m, c in zip(mean, covariance, strict=True)
    )
    assert fid(real, fake) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 60, 7), (9, 12, 30), (6, 50, 20)])
def test_fid_equals_the_usual_formula(n: int, m: int, d: int) -> None:
    real, fake = normal(n, d), 0.7 * normal(m, d, seed=1, mean=0.3) ** 3
    cov_real, cov_fake = np.cov(real.T), np.cov(fake.T)
    values, vectors = np.linalg.eigh(cov_real)
    root = vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    by_roots = np.trace(sqrtm(cov_real @ cov_fake)).real
    eigenvalues = np.linalg.eigvalsh(root @ cov_fake @ root)
    by_eigenvalues = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = ((real.mean(axis=0) - fake.mean(axis=0)) ** 2).sum()
    rest = shift + np.trace(cov_real) + np.trace(cov_fake)
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
    """Why FID is refused at small n (15 images, 64 features): shrunken fakes beat real images."""
    real, other = normal(15, 64), normal(15, 64, seed=1)
    favored = favored_spread(real, other)
    assert favored < 0.7
    center = other.mean(axis=0)
    shrunken = [fid(real, center + s * (other - center)) for s in (favored, 0.8, 1.0, 1.2)]
    assert shrunken == sorted(shrunken)
    assert favored_spread(normal(4000, 8), normal(4000, 8, seed=1)) > 0.99
    assert favored_spread(real, real) == pytest.approx(1)


def test_kid_golden() -> None:
    assert kid(np.array([[0.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 1]])) == pytest.approx(-2.375)


def slow_kid(real: Array, fake: Array, patients: Codes, fake_patients: Codes) -> float:
    def kernel(a: Array, b: Array) -> Array:
        return np.array([[(x @ y / len(x) + 1) ** 3 for y in b] for x in a])

    of_real = kernel(real, real)[patients[:, None] != patients].mean()
    of_fake = kernel(fake, fake)[fake_patients[:, None] != fake_patients].mean()
    return float(of_real + of_fake - 2 * kernel(real, fake).mean())


def test_kid_and_its_jackknife_equal_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_sets, "BLOCK", 30)  # several blocks
    real, fake = normal(13, 4), normal(9, 4, seed=1, mean=0.4)
    patients, singles = np.array([4, 4, 4, 9, 9, 1, 0, 0, 7, 7, 7, 7, 2]), np.arange(9)
    whole = slow_kid(real, fake, patients, singles)
    result = kid_interval(real, fake, patients=patients)
    assert kid(real, fake, patients=patients) == result.value == pytest.approx(whole, rel=1e-9)
    variance = 0.0
    without_patient = []
    for patient in np.unique(patients):
        rows = patients != patient
        without_patient.append(slow_kid(real[rows], fake, patients[rows], singles))
    without_fake = []
    for i in singles:
        without_fake.append(slow_kid(real, np.delete(fake, i, 0), patients, singles[1:]))
    for values in (np.array(without_patient), np.array(without_fake)):
        variance += (len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()
    t = 2.570582  # 5 degrees of freedom
    assert result.high - result.value == pytest.approx(t * np.sqrt(variance), rel=1e-6)
    assert result.low + result.high == pytest.approx(2 * result.value)


def test_kid_of_two_halves_of_one_set_is_0_on_average() -> None:
    x, rng = normal(200, 16), np.random.default_rng(5)
    halves = [rng.permutation(200) for _ in range(100)]
    values = [kid(x[rows[:40]], x[rows[40:80]]) for rows in halves]
    assert abs(np.mean(values)) < 3 * np.std(values) / 10
    assert min(values) < 0 < max(values)


def test_images_of_one_patient_do_not_move_kid() -> None:
    """Four nearly equal images of each patient: with patients, halves are still 0 on average."""
    rng = np.random.default_rng(0)

    def draw() -> Array:
        return np.repeat(rng.normal(size=(10, 8)), 4, axis=0) + 0.1 * rng.normal(size=(40, 8))

    owners, other_owners = np.repeat(np.arange(10), 4), np.repeat(np.arange(10, 20), 4)
    pairs = [(draw(), draw()) for _ in range(120)]
    aware = [kid(a, b, patients=owners, fake_patients=other_owners) for a, b in pairs]
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
    """250 simulated pairs of skewed, correlated features; misses lie below the truth, as wanted."""
    rng, mix = np.random.default_rng(1), normal(8, 24, seed=9) / 2
    owners = np.repeat(np.arange(patients), per_patient)

    def draw(of_patient: Array, shift: float, scale: float) -> Array:
        z = np.sqrt(0.6) * of_patient + np.sqrt(0.4) * rng.normal(size=(len(owners), 8))
        return np.asarray(np.maximum((shift + scale * z) @ mix, 0))

    results = []
    for _ in range(250):
        real = draw(rng.normal(size=(patients, 8))[owners], 0, 1)
        fake = draw(rng.normal(size=(len(owners), 8)), shift, scale)
        results.append(kid_interval(real, fake, patients=owners))
    truth = 0.0 if (shift, scale) == (0, 1) else float(np.mean([kid.value for kid in results]))
    assert np.mean([kid.low <= truth <= kid.high for kid in results]) >= at_least
    assert np.mean([kid.low > truth for kid in results]) <= 0.016


LINE = np.array([[0.0], [1], [2], [3]])


def test_prdc_golden() -> None:
    scores = prdc(LINE, np.array([[0.5], [2.5], [10]]), k=1)
    assert_allclose(
        [scores.precision, scores.recall, scores.density, scores.coverage], [2 / 3, 1, 4 / 3, 1]
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
        scores = prdc(real, fake, k)
    slow = slow_prdc(real, fake, k)
    assert_allclose(list(vars(scores).values()), list(vars(slow).values()), rtol=1e-12)
    assert min(scores.precision, scores.recall, scores.coverage) >= 0
    assert max(scores.precision, scores.recall, scores.coverage) <= 1


def test_a_point_on_the_border_of_a_ball_is_outside_even_far_from_0() -> None:
    """Ties of the grid stay ties at features of a million, where products round coarsely."""
    grid = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), axis=-1).reshape(-1, 2)
    near, far = prdc(grid, grid, 4), prdc(grid + 1e6 / 3, grid + 1e6 / 3, 4)
    assert near == far
    constant = np.ones((8, 3)) / 3
    assert prdc(constant, constant) == Prdc(0, 0, 0, 0)  # balls of radius 0 are empty


def test_coverage_of_real_images_by_real_images_agrees_with_theory() -> None:
    """Naeem et al. (2020), Eq. 9: 1 - (n-1)...(n-k) / ((2n-1)...(2n-k)), for any distribution."""
    n, k, rng = 60, 5, np.random.default_rng(0)
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    values = []
    for _ in range(60):
        values.append(prdc(rng.normal(size=(n, 6)), rng.normal(size=(n, 6)), k).coverage)
    assert np.mean(values) == pytest.approx(expected, abs=3 * np.std(values) / np.sqrt(60))


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
        (partial(fid, LINE, np.ones((4, 2))), r"\(4, 1\) and \(4, 2\)"),
        (partial(fid, LINE, np.array([[np.nan], [1]])), "finite"),
        (partial(kid, LINE[:1], LINE), "at least 2.*1"),
        (
            partial(kid, LINE, LINE, patients=np.zeros(4, np.int64)),
            "2 patients.*1",
        ),
        (partial(kid, LINE, LINE, patients=np.zeros(3, np.int64)), r"\(4,\).*\(3,\)"),
        (partial(kid_interval, LINE[:2], LINE), "3 patients.*2"),
        (partial(prdc, LINE, LINE), "k = 5.*4 and 4"),
        (partial(prdc, LINE, np.ones(4)), r"\(4, 1\) and \(4,\)"),
    ],
)
def test_bad_input_is_refused_with_the_reason(call: partial[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


def test_no_neighbors_are_refused() -> None:
    with pytest.raises(SettingError, match=r"k.*1.*0"):
        prdc(LINE, LINE, 0)
