"""Bootstrap over patients, the paired comparison of two methods, and the correction for many comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from equipoise.arrays import Labels

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

CONFIDENCE = 0.95
POWER = 0.80
ROUNDING = (
    1e-9  # a standard error below this is rounding: equal predictions must give p = 1, not 0 / 0
)


def strata_of_patients(labels: Labels, patients: Codes) -> Codes:
    """Give the stratum of each patient: the rarest class among the patient's images.

    Args:
        labels: (n,) class of each image.
        patients: (n,) patient of each image, codes 0..m-1, each used.

    Returns:
        (m,) class code of each patient.
    """
    counts = np.bincount(labels)
    by_count = np.argsort(counts, kind="stable")
    rank = np.argsort(by_count, kind="stable")  # 0 is the rarest class
    best = np.full(patients.max() + 1, len(counts), dtype=np.int64)
    np.minimum.at(best, patients, rank[labels])
    return by_count[best].astype(np.int64)


def patient_draws(
    strata: Codes, rng: np.random.Generator, *, n_draws: int, block: int
) -> Iterator[Values]:
    """Draw weights of patients, stratified: blocks of (at most `block`, m) that add up to `n_draws` rows.

    Within each stratum of h patients, h - 1 are drawn with replacement and count h / (h - 1) each, so that the
    variance over draws is unbiased in small strata too (Rao and Wu 1988, JASA 83:231). Methods 7.4 draws h,
    whose variance is too small by the factor (h - 1) / h. A patient alone in a stratum always counts once.
    """
    for start in range(0, n_draws, block):
        weights = np.ones((min(block, n_draws - start), len(strata)))
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            if len(members) > 1:
                weights[:, members] = _draw(len(members), len(weights), rng)
        yield weights


def _draw(size: int, n_draws: int, rng: np.random.Generator) -> Values:
    picks = rng.integers(size, size=(n_draws, size - 1)) + size * np.arange(n_draws)[:, None]
    counts = np.bincount(picks.ravel(), minlength=n_draws * size).reshape(n_draws, size)
    return np.asarray(counts * (size / (size - 1)), dtype=np.float64)


def percentile_interval(draws: Values) -> tuple[float, float]:
    """Give the central 95 % of the draws (NaN draws left out; NaN where none is left).

    It shows test sampling only. Where a metric is at its bound in every draw (9 of 9 found) the interval has no
    width although 9 patients cannot prove it: no bootstrap can show what the sample never contained.
    """
    kept = draws[np.isfinite(draws)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values for their number (Holm 1979); NaN stays NaN and does not count."""
    values = np.asarray(p, dtype=np.float64)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in corrected]


def mean_known(values: Values) -> Values:
    """Average over the first axis, leaving out NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    count = np.asarray(known.sum(axis=0), dtype=np.float64)
    mean = np.full(count.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """A mean difference with its 95 % interval; all but `difference` are NaN where one run cannot tell.

    Attributes:
        difference: Mean of method minus baseline.
        low: Lower end of the interval.
        high: Upper end.
        p: Two-sided p value of no difference.
        detectable: Smallest true difference that this study would have found with 80 % power.
    """

    difference: float
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    detectable: float = float("nan")


def unit_means(values: Values, splits: Codes) -> Values:
    """Average (runs, ...) over the seeds of each split; leave the runs as they are where there is one split."""
    names = np.unique(splits)
    if len(names) == 1:
        return values
    return np.stack([np.asarray(values[splits == name].mean(axis=0)) for name in names])


def paired_test(
    differences: Values, draws: Values, splits: Codes, *, n_patients: int, n_comparisons: int = 1
) -> PairedTest:
    """Test whether two methods differ, from runs that share their split and seed.

    Two things make a difference vary: which runs were made, and which patients were tested. Seeds on one test
    set show only the first, a bootstrap of one run only the second, so both are added:

        se^2 = S^2 / m + V

    m independent runs: the splits, with the seeds of a split averaged (they share training and test images);
    the seeds where there is one split. S^2: variance of their m differences. V: variance of the mean
    difference over bootstrap draws of the patients, the same patients drawn for every run. The interval is
    Student's t with the degrees of freedom of Satterthwaite (1946) for m - 1 behind S^2 / m and
    `n_patients` - 1 behind V.

    With several splits S^2 holds test sampling too, and V adds it again. That is deliberate: training sets of
    different splits overlap, so S^2 / m is too small. Nadeau and Bengio (2003) enlarge it by the factor
    1 + m n_test / n_train instead and keep m - 1 degrees of freedom, which are 2 for three splits.

    Simulated (tests/metrics/test_statistics.py: two trained classifiers, equally good by construction, 1,500
    studies for each of 26 designs): false alarms 1 to 5 % with 1, 2, 3 or 5 hold-outs or 3, 5 or 10 folds and
    1 to 5 seeds, but 5 to 8 % with two folds. Nadeau and Bengio: 1 to 6 %, with intervals 1.1 to 5 times as
    wide, and 12 to 52 % where there is one split, for which it was not made. A paired t test over all runs: 5
    to 52 %. With one split the statement is about models trained on these training images; only several splits
    speak of others.

    Args:
        differences: (runs,) method minus baseline, at least 1, finite.
        draws: (runs, b) the same under b draws of patients; NaN where a draw leaves a class out.
        splits: (runs,) split of each run.
        n_patients: Test patients of the class that has fewest.
        n_comparisons: Comparisons that share the 5 %; `detectable` allows for Holm's strictest step.
    """
    units = unit_means(differences, splits)
    difference = float(units.mean())
    if len(units) < 2:
        return PairedTest(difference=difference)
    runs = float(units.var(ddof=1)) / len(units)
    means = mean_known(unit_means(draws, splits))
    patients = float(np.var(means[np.isfinite(means)], ddof=1))
    freedom = satterthwaite((runs, len(units) - 1), (patients, max(n_patients - 1, 1)))
    return t_test(difference, float(np.sqrt(runs + patients)), freedom, n_comparisons)


def satterthwaite(*parts: tuple[float, float]) -> float:
    """Give the degrees of freedom of a sum of variances (Satterthwaite 1946) from (variance, its own degrees)."""
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(min(freedom for _, freedom in parts))
    return float(1 / sum((variance / total) ** 2 / freedom for variance, freedom in parts))


def detectable_difference(error: float, freedom: float, n_comparisons: int) -> float:
    """Give the true difference found with 80 % power at a standard error, Holm's strictest step included."""
    reach = stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / n_comparisons, freedom) + stats.t.ppf(
        POWER, freedom
    )
    return float(error * reach)


def t_test(difference: float, error: float, freedom: float, n_comparisons: int) -> PairedTest:
    """Test a difference that has a standard error with some degrees of freedom against zero (Student's t)."""
    half = error * stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
    p = 2 * stats.t.sf(abs(difference) / max(error, ROUNDING), freedom)
    return PairedTest(
        difference=difference,
        low=float(difference - half),
        high=float(difference + half),
        p=float(p),
        detectable=detectable_difference(error, freedom, n_comparisons),
    )
