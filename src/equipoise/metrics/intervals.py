"""Intervals of a metric of one method that hold with few patients of a class.

A bootstrap cannot show what the sample never contained: where 9 of 9 are detected, every draw
detects all. Here two imagined patients stand beside the real ones of every class, one called
correctly and one not, each with the weight of half a patient, and draws weigh patients as a
posterior does. The interval of a recall is then that of Jeffreys (a little wider, see `LEVEL`),
with width at 9 of 9. Every other metric, computed from the same weighted images, gets an interval
that stays within its bounds.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from equipoise.arrays import Labels
from equipoise.metrics.base import Predictions, Values
from equipoise.metrics.statistics import percentile_interval

Codes = NDArray[np.int64]

# Counts are discrete, which costs an interval of the central 95 % coverage for some true values: in
# simulations/intervals.py a specificity near its bound was covered with .898.
LEVEL = 0.97
MASS = 0.5  # of what was not seen of a class, right and wrong: Jeffreys' prior
N_DRAWS = 1000  # the quantile at 2.5 % has a standard error of half a percent


def imagined_images(y_true: Labels, patients: Codes, n_classes: int) -> tuple[Labels, Labels]:
    """Return truth and called class of the images of imagined patients.

    For each class that is present one patient is called each of the k classes, with as many images
    as a patient of the class has on average.

    Args:
        y_true: (n,) classes of the real images.
        patients: (n,) their patients.
        n_classes: Number k of classes.

    Example:
        >>> import numpy as np
        >>> truth, called = imagined_images(np.array([0, 0, 1]), np.array([7, 8, 9]), 2)
        >>> truth.tolist(), called.tolist()
        ([0, 0, 1, 1], [0, 1, 0, 1])
    """
    truths, calls = [], []
    for label in np.unique(y_true):
        of_class = patients[y_true == label]
        n_images = max(1, round(len(of_class) / len(np.unique(of_class))))
        truths.append(np.full(n_images * n_classes, label))
        calls.append(np.repeat(np.arange(n_classes), n_images))
    return np.concatenate(truths).astype(np.int64), np.concatenate(calls).astype(np.int64)


def patient_masses(
    patients: Codes, strata: Codes, tested: NDArray[np.bool_], n_classes: int
) -> Values:
    """Return (m,) the mass of each patient in `posterior_draws`: 1 of a real one.

    Of an imagined one (a code below 0) it is `MASS` if it is called correctly, else its share of
    `MASS` among the wrong calls of its class. All splits share the imagined patients. Where a split
    tests only some of the patients of a stratum, they weigh as much less, so that k folds do not
    imagine k times as much.

    Args:
        patients: (m,) codes; see `with_imagined`.
        strata: (m,) stratum of each patient.
        tested: (splits, m) whether the split tests the patient.
        n_classes: Number of classes.

    Example:
        >>> import numpy as np
        >>> patients, strata = np.array([-2, -1, 0, 1]), np.zeros(4, dtype=np.int64)
        >>> patient_masses(patients, strata, np.ones((1, 4), dtype=np.bool_), 3).tolist()
        [0.25, 0.5, 1.0, 1.0]
        >>> folds = np.array([[True, True, True, False], [True, True, False, True]])
        >>> patient_masses(patients, strata, folds, 3).tolist()
        [0.125, 0.25, 1.0, 1.0]
    """
    truth, called = np.divmod(-1 - patients, n_classes)
    imagined = patients < 0
    masses = np.where(imagined, np.where(truth == called, MASS, MASS / (n_classes - 1)), 1.0)
    for stratum in np.unique(strata):
        members = strata == stratum
        shares = tested[:, members & ~imagined].sum(axis=1)
        if shares.any():  # else every patient of the class belongs to the stratum of a rarer one
            n_real = np.count_nonzero(members & ~imagined)
            masses[members & imagined] *= shares[shares > 0].mean() / n_real
    return np.asarray(masses)


def with_imagined(p: Predictions, patients: Codes) -> tuple[Predictions, Codes]:
    """Return predictions and patients with the images of the imagined patients at the end.

    The code of an imagined patient is -1 - (k * truth + call), where no real one is.

    Example:
        >>> import numpy as np
        >>> scores = np.array([[0.9, 0.1], [0.4, 0.6]])
        >>> p = Predictions(y_true=np.array([0, 1]), y_score=scores, positive=1)
        >>> extended, patients = with_imagined(p, np.array([3, 4]))
        >>> extended.y_true.tolist(), patients.tolist()
        ([0, 1, 0, 0, 1, 1], [3, 4, -1, -2, -3, -4])
    """
    k = p.n_classes
    truth, called = imagined_images(p.y_true, patients, k)
    extended = Predictions(
        y_true=np.concatenate([p.y_true, truth]),
        y_score=np.concatenate([p.y_score, np.eye(k)[called]]),
        positive=p.positive,
    )
    return extended, np.concatenate([patients, -1 - (k * truth + called)])


def posterior_draws(
    strata: Codes, masses: Values, rng: np.random.Generator, *, n_draws: int, block: int
) -> Iterator[Values]:
    """Draw posterior weights of patients, stratified.

    Within each stratum the weights are Dirichlet(masses), times the number of real patients, those
    of mass 1.

    Args:
        strata: (m,) stratum of each patient.
        masses: (m,) see `patient_masses`.
        rng: Consumed block by block.
        n_draws: Rows in total.
        block: Rows at once.

    Yields:
        (at most `block`, m) weights that add up to `n_draws` rows.

    Source: Rubin (1981), Annals of Statistics 9:130, with a proper prior for what was not seen.

    Example:
        >>> import numpy as np
        >>> strata, masses = np.array([0, 0, 0, 0]), np.array([1.0, 1.0, 0.5, 0.5])
        >>> (weights,) = posterior_draws(
        ...     strata, masses, np.random.default_rng(0), n_draws=3, block=9
        ... )
        >>> weights.sum(axis=1).round(6).tolist()
        [2.0, 2.0, 2.0]
    """
    members_of_strata = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for start in range(0, n_draws, block):
        weights = rng.standard_gamma(masses, size=(min(block, n_draws - start), len(masses)))
        for members in members_of_strata:
            n_real = np.count_nonzero(masses[members] == 1)
            weights[:, members] *= n_real / weights[:, members].sum(axis=1, keepdims=True)
        yield weights


def metric_interval(value: float, draws: Values) -> tuple[float, float]:
    """Return the 95 % interval of a metric from its posterior draws; it contains the value.

    Near a bound the value itself may lie outside the central part: 9 of 9 detected is not in the
    middle of what is plausible. The interval then reaches to it, as that of Jeffreys does.

    Simulated (simulations/intervals.py) with 5 to 30 patients of the rare class, nominal .95: it
    covers at least .93 of all metrics but two. The lowest recall of several classes and the
    calibration error are themselves biased with few images, and no interval around them helps. The
    percentile interval of the bootstrap covers .47 to .96 of the others.

    Args:
        value: The metric of the real images.
        draws: (b,) the metric under `posterior_draws`; NaN is left out.

    Source: Brown, Cai and DasGupta (2001), Statistical Science 16:101, for a recall; ours for the
    other metrics.

    Example:
        >>> import numpy as np
        >>> metric_interval(1.0, np.linspace(0.7, 0.99, 1000))[1]
        1.0
    """
    low, high = percentile_interval(draws, level=LEVEL)
    return min(low, value), max(high, value)
