"""Distance of the features of synthetic images to those of real ones: FID, KID, precision, recall.

Each compares two sets of feature vectors of one extractor; numbers of two extractors cannot be
compared. Each depends on the number of images, most of all FID: print n, and the same of real
images against real images beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.exceptions import DataError, SettingError
from equipoise.metrics.feature_sets import Features, Patients, blocks, check_features
from equipoise.metrics.mmd import Mmd
from equipoise.metrics.statistics import CONFIDENCE, t_quantile

Values = NDArray[np.float64]

NEIGHBORS = 5
TIE = 1e-11  # of the largest squared norm: squared distances closer than this differ by rounding


def fid(real: Features, fake: Features) -> float:
    """Compute the Frechet distance of normal distributions with the sets' means and covariances.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), sample covariances with n - 1, float64. It is
    biased upward, the more so the fewer images there are, and by an amount that depends on the
    generator: see `favored_spread`.

    Args:
        real: (n, d), n at least 2.
        fake: (m, d), m at least 2.

    Raises:
        DataError: Other shapes, or values that are not finite.

    Source: Heusel et al. (2017), Eq. 6; here of the features of any extractor.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> fid(x, x) < 1e-9, round(fid(x, x + 1), 6)
        (True, 4.0)

    See Also:
        `kid`: unbiased, to be preferred below about 2,000 images.
    """
    real, fake = check_features(real, fake)
    shift = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    return max(0.0, float(shift + _spread(real) + _spread(fake) - 2 * _overlap(real, fake)))


def favored_spread(real: Features, other: Features) -> float:
    """Compute the relative spread at which FID would rate a second real set nearest to the first.

    Pull the images of `other` toward their mean until they vary s times as much. FID is then
    constant + tr(S1) + s^2 tr(S2) - 2 s tr(S1 S2)^(1/2), smallest at s = tr(S1 S2)^(1/2) / tr(S2).
    Were FID unbiased, s would be 1 for two samples of one distribution. With fewer images than
    features s falls toward 0: FID then prefers a generator that varies less than real images do.

    Args:
        real: (n, d), n at least 2.
        other: (m, d), m at least 2; real images too.

    Raises:
        DataError: Other shapes, or values that are not finite.

    Source: ours, from the definition of FID; that its bias depends on the generator: Chong and
    Forsyth (2020).

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(12, 50))
        >>> round(favored_spread(x[:6], x[6:]), 1)
        0.3
    """
    real, other = check_features(real, other)
    return float(_overlap(real, other) / max(_spread(other), np.finfo(np.float64).tiny))


def _spread(x: Features) -> float:
    return float(x.var(axis=0, ddof=1).sum())


def _overlap(a: Features, b: Features) -> float:
    """Compute tr (S1 S2)^(1/2), the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2).

    These roots are the singular values of R1 R2', where R'R / (n - 1) = S: no matrix is squared or
    inverted, and with n images of d features only min(n, d) of them are computed.
    """
    root_a = np.linalg.qr(a - a.mean(axis=0), mode="r") / np.sqrt(len(a) - 1)
    root_b = np.linalg.qr(b - b.mean(axis=0), mode="r") / np.sqrt(len(b) - 1)
    return float(np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum())


def kid(
    real: Features,
    fake: Features,
    *,
    patients: Patients | None = None,
    fake_patients: Patients | None = None,
) -> float:
    """Compute the unbiased squared MMD with the kernel (a'b / d + 1)^3.

    It is 0 on average if both sets have one distribution, and may then be negative. Two images of
    one patient are not an independent pair: such pairs are left out.

    Args:
        real: (n, d).
        fake: (m, d).
        patients: (n,) patient of each row of `real`; None if each row is its own patient. At least
            2 patients.
        fake_patients: The same of `fake`, if it has real images too; none is also in `patients`.

    Raises:
        DataError: Other shapes, values that are not finite, or too few patients.

    Source: Binkowski et al. (2018), section 4, who average over subsets of 1,000; all pairs are
    used here.

    Example:
        >>> import numpy as np
        >>> real, fake = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> kid(real, fake)
        -2.375

    See Also:
        `kid_interval`: with a 95 % interval.
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
    """Compute `kid` and its 95 % jackknife interval, which leaves out one patient at a time.

    Patients of both sets are left out; Student's t has the degrees of freedom of the smaller number
    of patients. The jackknife needs no subsets whose size would have to be chosen and no random
    draws, and its variance is too large rather than too small (Efron and Stein 1981), most of all
    if both sets have one distribution.

    Simulated (tests/metrics/test_fidelity.py), 10 to 100 patients: the interval contains the truth
    in 98 to 100 % of the cases if both sets have one distribution, in 93 to 99 % if the fakes are
    shifted, and in 89 to 93 % if they vary less than real ones; its lower end lies above the truth
    in at most 1 %.

    Args:
        real: (n, d).
        fake: (m, d).
        patients: (n,) patient of each row of `real`; None if each row is its own patient. At least
            3 patients.
        fake_patients: The same of `fake`.

    Raises:
        DataError: As `kid`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> distance = kid_interval(rng.normal(size=(30, 4)), rng.normal(3.0, 1.0, size=(30, 4)))
        >>> 0 < distance.low < distance.value < distance.high
        True
    """
    mmd = Mmd.of(real, fake, patients, fake_patients, fewest=3)
    freedom = min(len(side.sizes) for side in mmd.sides) - 1
    half = float(np.sqrt(mmd.variance) * t_quantile((1 + CONFIDENCE) / 2, freedom))
    return Kid(mmd.value, mmd.value - half, mmd.value + half)


@dataclass(frozen=True)
class Prdc:
    """How two sets cover each other.

    Attributes:
        precision: Share of fakes inside the ball of a real one, 0..1.
        recall: Share of reals inside the ball of a fake, 0..1.
        density: Mean number of real balls that a fake is in, over k; at least 0, around 1 for real
            images.
        coverage: Share of reals whose ball contains a fake, 0..1; about 1 - 2^-k for real images.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Features, fake: Features, k: int = NEIGHBORS) -> Prdc:
    """Compute precision, recall, density and coverage.

    The ball of a point reaches to its k-th nearest other point of its own set; inside means
    strictly nearer. Only blocks of the distances are in memory at a time.

    Args:
        real: (n, d), n above k.
        fake: (m, d), m above k.
        k: Neighbors, at least 1.

    Raises:
        DataError: Other shapes, values that are not finite, or a set of no more than k points.
        SettingError: k below 1.

    Source: Kynkaanniemi et al. (2019), Eq. 1 and 2 (precision, recall); Naeem et al. (2020),
    section 3 (density, coverage).

    Example:
        >>> import numpy as np
        >>> real, fake = np.arange(4.0)[:, None], np.array([[0.5], [2.5], [10.0]])
        >>> scores = prdc(real, fake, k=1)
        >>> round(scores.precision, 3), scores.recall, round(scores.density, 3), scores.coverage
        (0.667, 1.0, 1.333, 1.0)
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
    real_radii = _squared_radii(real, k) - tie
    fake_radii = _squared_radii(fake, k) - tie

    balls_of_fake = np.zeros(len(fake))  # real balls that each fake is in
    is_recalled = np.empty(len(real), bool)  # inside the ball of a fake
    is_covered = np.empty(len(real), bool)  # has a fake inside its ball
    for block in blocks(len(real), len(fake)):
        distances = _squared_distances(real[block], fake)
        inside = distances < real_radii[block, None]
        balls_of_fake += inside.sum(axis=0)
        is_covered[block] = inside.any(axis=1)
        is_recalled[block] = (distances < fake_radii).any(axis=1)
    return Prdc(
        precision=float(np.mean(balls_of_fake > 0)),
        recall=float(np.mean(is_recalled)),
        density=float(np.mean(balls_of_fake) / k),
        coverage=float(np.mean(is_covered)),
    )


def _squared_radii(x: Features, k: int) -> Values:
    """Compute the (n,) squared distance to the k-th nearest other point."""
    radii = np.empty(len(x))
    for block in blocks(len(x), len(x)):
        distances = _squared_distances(x[block], x)
        distances[np.arange(len(distances)), np.arange(len(x))[block]] = np.inf
        radii[block] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def _squared_distances(a: Features, b: Features) -> Values:
    distances = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.maximum(distances, 0, out=distances))
