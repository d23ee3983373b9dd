"""How near the features of synthetic images come to those of real ones: FID, KID, precision and recall.

All of them compare two sets of feature vectors of one extractor; numbers of two extractors cannot be compared. Each
depends on how many images there are, most of all FID: print n, and the same of real against real images beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.feature_sets import Features, Patients, blocks, check_features
from equipoise.metrics.mmd import Mmd
from equipoise.metrics.statistics import CONFIDENCE

Values = NDArray[np.float64]

NEIGHBORS = 5
TIE = 1e-11  # of the largest squared norm: squared distances closer than this differ by rounding alone


def fid(real: Features, fake: Features) -> float:
    """Give the Frechet distance between two normal distributions with the means and covariances of the sets.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), sample covariances with n - 1, float64. It is biased upward, the
    more so the fewer images there are, and by an amount that depends on the generator: see `favored_spread`.

    Args:
        real: (n, d), n at least 2.
        fake: (m, d), m at least 2.

    Raises:
        DataError: Other shapes, or values that are not finite.

    Source: Heusel et al. 2017; methods 7.2.
    """
    real, fake = check_features(real, fake)
    shift = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    return max(0.0, float(shift + _spread(real) + _spread(fake) - 2 * _overlap(real, fake)))


def favored_spread(real: Features, other: Features) -> float:
    """Give the spread, as a share of its own, at which FID would find a second real set nearest to the first.

    Pull the images of `other` toward their mean until they vary s times as much. FID is then
    constant + tr(S1) + s^2 tr(S2) - 2 s tr(S1 S2)^(1/2), smallest at s = tr(S1 S2)^(1/2) / tr(S2). Were FID
    unbiased, s would be 1 for two samples of one distribution. With fewer images than the features have directions
    s falls toward 0: FID then prefers a generator that varies less than real images do.

    Source: ours, from the definition of FID; that its bias depends on the generator: Chong and Forsyth 2020.
    """
    real, other = check_features(real, other)
    return float(_overlap(real, other) / max(_spread(other), np.finfo(np.float64).tiny))


def _spread(x: Features) -> float:
    return float(x.var(axis=0, ddof=1).sum())


def _overlap(a: Features, b: Features) -> float:
    """Give tr (S1 S2)^(1/2), the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2).

    These roots are the singular values of R1 R2', where R'R / (n - 1) = S: no matrix is squared or inverted, and
    with n images of d features only min(n, d) of them have to be found.
    """
    roots = [np.linalg.qr(x - x.mean(axis=0), mode="r") / np.sqrt(len(x) - 1) for x in (a, b)]
    return float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())


def kid(
    real: Features,
    fake: Features,
    *,
    patients: Patients | None = None,
    fake_patients: Patients | None = None,
) -> float:
    """Give the unbiased squared MMD with the kernel (a'b / d + 1)^3.

    It is 0 on average where both sets are of one distribution, and may then be below. Two images of one patient are
    no independent pair: such pairs are left out.

    Args:
        real: (n, d).
        fake: (m, d).
        patients: (n,) patient of each row of `real`; None where every row has its own. At least 2 patients.
        fake_patients: The same of `fake`, where it holds real images too; none is also in `patients`.

    Raises:
        DataError: Other shapes, values that are not finite, or too few patients.

    Source: Binkowski et al. 2018, who average over subsets of 1,000; methods 7.2.
    """
    return Mmd.of(real, fake, patients, fake_patients, fewest=2).value


@dataclass(frozen=True)
class Kid:
    """A kernel distance with its 95 % interval."""

    value: float
    low: float
    high: float


def kid_interval(
    real: Features,
    fake: Features,
    *,
    patients: Patients | None = None,
    fake_patients: Patients | None = None,
) -> Kid:
    """Give `kid` and its 95 % jackknife interval, which leaves out one patient after another, of both sets.

    Student's t has the degrees of freedom of the smaller number of patients. The jackknife, because it needs no
    subsets whose size would have to be chosen, and no chance, and because its variance is too large rather than too
    small (Efron and Stein 1981), most of all where both sets are of one distribution.

    Simulated (tests/metrics/test_fidelity.py), 10 to 100 patients: the interval holds the truth in 98 to 100 % of
    the cases where both sets are of one distribution, in 93 to 99 % where the fakes are shifted, and in 89 to 93 %
    where they vary less than real ones; its lower end lies above the truth in at most 1 %.

    Args:
        real: (n, d).
        fake: (m, d).
        patients: (n,) patient of each row of `real`; None where every row has its own. At least 3 patients.
        fake_patients: The same of `fake`.

    Raises:
        DataError: As `kid`.
    """
    mmd = Mmd.of(real, fake, patients, fake_patients, fewest=3)
    freedom = min(len(side.sizes) for side in mmd.sides) - 1
    half = float(np.sqrt(mmd.variance) * stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return Kid(mmd.value, mmd.value - half, mmd.value + half)


@dataclass(frozen=True)
class Prdc:
    """How two sets cover one another.

    Attributes:
        precision: Share of fakes inside the ball of a real one, 0..1.
        recall: Share of reals inside the ball of a fake, 0..1.
        density: Mean number of real balls that a fake is in, over k; at least 0, around 1 for real images.
        coverage: Share of reals whose ball holds a fake, 0..1; 1 - 2^-k, nearly, for real images.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Features, fake: Features, k: int = NEIGHBORS) -> Prdc:
    """Give precision, recall, density and coverage.

    The ball of a point reaches to its k-th nearest other point of its own set; inside means strictly nearer. Few
    distances are held at a time.

    Args:
        real: (n, d), n above k.
        fake: (m, d), m above k.
        k: Neighbors, at least 1.

    Raises:
        DataError: Other shapes, values that are not finite, or a set of no more than k points.
        SettingError: k below 1.

    Source: Kynkaanniemi et al. 2019, Naeem et al. 2020; methods 7.2.
    """
    real, fake = check_features(real, fake)
    if k < 1:
        raise SettingError(f"Expected k of at least 1, got {k}.")
    if min(len(real), len(fake)) <= k:
        raise DataError(
            f"Expected more than k = {k} images on each side, got {len(real)} and {len(fake)}."
        )
    center = real.mean(axis=0)  # small norms keep the rounding of the distances small
    real, fake = real - center, fake - center
    tie = TIE * max(np.square(x).sum(axis=1).max() for x in (real, fake))
    of_real, of_fake = (_radii(x, k) - tie for x in (real, fake))
    holders, caught, covered = (
        np.zeros(len(fake)),
        np.empty(len(real), bool),
        np.empty(len(real), bool),
    )
    for block in blocks(len(real), len(fake)):
        distances = _squared(real[block], fake)
        holders += (inside := distances < of_real[block, None]).sum(axis=0)
        covered[block] = inside.any(axis=1)
        caught[block] = (distances < of_fake).any(axis=1)
    means = (np.mean(holders > 0), np.mean(caught), np.mean(holders) / k, np.mean(covered))
    return Prdc(*(float(mean) for mean in means))


def _radii(x: Features, k: int) -> Values:
    """(n,) squared distance to the k-th nearest other point."""
    radii = np.empty(len(x))
    for block in blocks(len(x), len(x)):
        distances = _squared(x[block], x)
        distances[np.arange(len(distances)), np.arange(len(x))[block]] = np.inf
        radii[block] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def _squared(a: Features, b: Features) -> Values:
    distances = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.maximum(distances, 0, out=distances))
