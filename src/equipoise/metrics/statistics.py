"""Bootstrap over patients, paired comparison of two methods, correction for many comparisons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.arrays import Labels

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

CONFIDENCE = 0.95
POWER = 0.80
# Standard errors and differences below this are rounding: nothing varies, or nothing differs.
ROUNDING = 1e-9


def strata_of_patients(labels: Labels, patients: Codes) -> Codes:
    """Compute the stratum of each patient: the rarest class among the patient's images.

    Args:
        labels: (n,) class of each image.
        patients: (n,) patient of each image, codes 0..m-1, each used.

    Returns:
        (m,) class code of each patient.

    Example:
        >>> import numpy as np
        >>> strata_of_patients(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 2])).tolist()
        [0, 0, 1]
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
    """Draw bootstrap weights of patients, stratified.

    Within each stratum of h patients, h - 1 are drawn with replacement and count h / (h - 1) each,
    so that the variance over draws is unbiased in small strata too; drawing h would make it too
    small by the factor (h - 1) / h. A patient alone in a stratum always counts once.

    Args:
        strata: (m,) stratum of each patient.
        rng: Consumed block by block, strata in increasing order.
        n_draws: Rows in total.
        block: Rows at once.

    Yields:
        (at most `block`, m) weights that add up to `n_draws` rows.

    Source: Rao and Wu (1988), JASA 83:231.

    Example:
        >>> import numpy as np
        >>> strata, rng = np.array([0, 0, 0, 1]), np.random.default_rng(0)
        >>> (weights,) = patient_draws(strata, rng, n_draws=2, block=10)
        >>> weights.tolist()
        [[0.0, 1.5, 1.5, 1.0], [1.5, 1.5, 0.0, 1.0]]
    """
    members_of_strata = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for start in range(0, n_draws, block):
        n_rows = min(block, n_draws - start)
        weights = np.ones((n_rows, len(strata)))
        for members in members_of_strata:
            h = len(members)
            if h == 1:
                continue
            # Member i of row r is number r * h + i, so that a single bincount counts all rows.
            picks = rng.integers(h, size=(n_rows, h - 1)) + h * np.arange(n_rows)[:, None]
            counts = np.bincount(picks.ravel(), minlength=n_rows * h).reshape(n_rows, h)
            weights[:, members] = counts * (h / (h - 1))
        yield weights


def percentile_interval(draws: Values, *, level: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the central part (95 %) of the draws; NaN draws are left out, NaN if none is left.

    Of bootstrap draws it is too narrow with few patients, and without width at a bound: no
    bootstrap can show what the sample never contained. For a metric of one method the draws are
    therefore those of `equipoise.metrics.intervals`.

    Source: Efron and Tibshirani (1993), chapter 13.

    Example:
        >>> import numpy as np
        >>> low, high = percentile_interval(np.arange(101.0))
        >>> round(low, 1), round(high, 1)
        (2.5, 97.5)
    """
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values for their number; NaN stays NaN and does not count.

    Source: Holm (1979), as adjusted p values.

    Example:
        >>> holm([0.01, 0.5, 0.03, float("nan")])
        [0.03, 0.5, 0.06, nan]
    """
    values = np.asarray(p, dtype=np.float64)
    tested = np.flatnonzero(np.isfinite(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(len(values), np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in corrected]


def mean_known(values: Values) -> Values:
    """Average over the first axis, leaving out NaN; NaN if nothing is left.

    Example:
        >>> import numpy as np
        >>> mean_known(np.array([[1.0, np.nan], [3.0, np.nan]])).tolist()
        [2.0, nan]
    """
    finite = np.isfinite(values)
    total = np.where(finite, values, 0.0).sum(axis=0)
    count = np.asarray(finite.sum(axis=0), dtype=np.float64)
    mean = np.full(count.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """A mean difference with its 95 % interval.

    All but `difference` are NaN where nothing can be tested: with a single run, or without
    variation.

    Attributes:
        difference: Mean of method minus baseline.
        low: Lower end of the interval.
        high: Upper end.
        p: Two-sided p value of no difference.
        detectable: Smallest true difference that this study would have detected with 80 % power.
        no_variation: Whether neither runs nor test patients move the difference. If it is exactly
            0, both methods score the same in every run; else they differ by the same amount in
            every run, which is no evidence about other runs.
    """

    difference: float
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    detectable: float = float("nan")
    no_variation: bool = False


def unit_means(values: Values, splits: Codes) -> Values:
    """Average (runs, ...) over the seeds of each split; return the runs if there is a single split.

    Example:
        >>> import numpy as np
        >>> unit_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1])).tolist()
        [2.0, 5.0]
    """
    names = np.unique(splits)
    if len(names) == 1:
        return values
    return np.stack([values[splits == name].mean(axis=0) for name in names])


def paired_test(
    differences: Values, draws: Values, splits: Codes, *, n_patients: int, n_comparisons: int = 1
) -> PairedTest:
    """Test whether two methods differ, from runs that share their split and seed.

    A difference varies for two reasons: which runs were made, and which patients were tested. Seeds
    on one test set show only the first, a bootstrap of a single run only the second, so both are
    added:

        se^2 = S^2 / m + V

    m independent runs: the splits, with the seeds of a split averaged (they share training and test
    images); the seeds if there is a single split. S^2: variance of their m differences. V: variance
    of the mean difference over bootstrap draws of the patients, the same patients for every run.
    The interval is Student's t with the degrees of freedom of Satterthwaite (1946) for m - 1 behind
    S^2 / m and `n_patients` - 1 behind V.

    With several splits S^2 includes test sampling, and V adds it again. That is deliberate:
    training sets of different splits overlap, so S^2 / m is too small. Nadeau and Bengio (2003)
    enlarge it by the factor 1 + m n_test / n_train instead and keep m - 1 degrees of freedom, which
    are 2 for three splits.

    Simulated (simulations/classification.py: two trained classifiers, equally good by
    construction): false alarms 1 to 5 % with 1, 2, 3 or 5
    hold-outs or 3, 5 or 10 folds and 1 to 5 seeds, but 5 to 8 % with two folds. Nadeau and Bengio:
    1 to 6 %, with intervals 1.1 to 5 times as wide, and 12 to 52 % with a single split, for which
    their test was not made. A paired t test over all runs: 5 to 52 %. With a single split the
    statement is about models trained on these training images, for which it holds; over other
    training images false alarms grow with the test part. Only several splits extend it to others.

    Args:
        differences: (runs,) method minus baseline, at least 1, finite.
        draws: (runs, b) the same under b draws of patients; NaN if a draw leaves a class out.
        splits: (runs,) split of each run.
        n_patients: Test patients of the class with the fewest.
        n_comparisons: Comparisons that share the 5 %; `detectable` uses Holm's strictest step.

    Source: ours; the degrees of freedom of Satterthwaite (1946), the draws of Rao and Wu (1988).

    Example:
        >>> import numpy as np
        >>> draws = np.random.default_rng(0).normal(0.05, 0.01, size=(3, 200))
        >>> test = paired_test(
        ...     np.array([0.04, 0.05, 0.06]), draws, np.array([0, 1, 2]), n_patients=30
        ... )
        >>> round(test.difference, 3), test.p < 0.01
        (0.05, True)
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
    """Compute the degrees of freedom of a sum of variances from pairs of (variance, its degrees).

    Source: Satterthwaite (1946), Biometrics Bulletin 2:110.

    Example:
        >>> satterthwaite((1.0, 10.0), (1.0, 10.0))
        20.0
    """
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return float(min(freedom for _, freedom in parts))
    return float(1 / sum((variance / total) ** 2 / freedom for variance, freedom in parts))


def t_quantile(share: float, freedom: float) -> float:
    """Return the value below which a share of Student's t lies.

    `scipy.special` has it; to import `scipy.stats` takes a second.

    Example:
        >>> round(t_quantile(0.975, 10.0), 3)
        2.228
    """
    return float(special.stdtrit(freedom, share))


def t_tail(value: float, freedom: float) -> float:
    """Return the share of Student's t above a value.

    Example:
        >>> round(t_tail(2.228, 10.0), 3)
        0.025
    """
    return float(special.stdtr(freedom, -value))


def midranks(values: Values) -> Values:
    """Rank values (n,), the smallest first; ties share their mean rank.

    Example:
        >>> midranks(np.array([0.5, 0.1, 0.5])).tolist()
        [2.5, 1.0, 2.5]
    """
    return n_below(values, values) + 0.5


def n_below(values: Values, reference: Values) -> Values:
    """Count the reference values (m,) below each value (n,); those equal to it count half.

    Over m it is the placement of a value among the reference, whose mean over all values is the
    area under a ROC curve.

    Example:
        >>> n_below(np.array([0.5, 0.9]), np.array([0.1, 0.5, 0.7])).tolist()
        [1.5, 3.0]
    """
    in_order = np.sort(reference)
    below = np.searchsorted(in_order, values, side="left")
    through = np.searchsorted(in_order, values, side="right")
    return np.asarray((below + through) / 2)


def detectable_difference(error: float, freedom: float, n_comparisons: int) -> float:
    """Compute the true difference that is detected with 80 % power, at Holm's strictest step.

    error * (t_(1 - 0.025 / n_comparisons) + t_0.8), Student's t with `freedom` degrees.

    Source: Lachin (1981), Controlled Clinical Trials 2:93, with t in the place of normal quantiles.

    Example:
        >>> round(detectable_difference(0.01, 1000.0, 1), 4)
        0.028
    """
    critical = t_quantile(1 - (1 - CONFIDENCE) / 2 / n_comparisons, freedom)
    return float(error * (critical + t_quantile(POWER, freedom)))


def t_test(difference: float, error: float, freedom: float, n_comparisons: int) -> PairedTest:
    """Test a difference against zero, given standard error and degrees of freedom (Student's t).

    A standard error of rounding size tests nothing: the result is the difference alone, exactly 0
    where it is rounding too.

    Example:
        >>> round(t_test(0.02, 0.01, 20.0, 1).p, 3)
        0.059
        >>> t_test(0.02, 1e-17, 20.0, 1).no_variation
        True
    """
    if error < ROUNDING:
        exact = 0.0 if abs(difference) < ROUNDING else difference
        return PairedTest(difference=exact, no_variation=True)
    half = error * t_quantile((1 + CONFIDENCE) / 2, freedom)
    p = 2 * t_tail(abs(difference) / error, freedom)
    return PairedTest(
        difference=difference,
        low=float(difference - half),
        high=float(difference + half),
        p=float(p),
        detectable=detectable_difference(error, freedom, n_comparisons),
    )
