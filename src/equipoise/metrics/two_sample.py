"""Are synthetic images told from real ones? The classifier two-sample test, and intervals of an AUROC."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.exceptions import DataError
from equipoise.metrics.feature_sets import Features, Patients, check_features
from equipoise.metrics.ranking import areas
from equipoise.metrics.statistics import CONFIDENCE

N_FOLDS = 5
PENALTY = 0.01  # C of scikit-learn: strong, as there are often more features than images
NEAR = 1e-9

Truth = NDArray[np.bool_]
Train = tuple[Features, Truth]


@dataclass(frozen=True)
class TwoSample:
    """How well two sets are told apart; chance is 0.5.

    Attributes:
        accuracy: Share of images that are put into the right set.
        auroc: Chance that of a pair, one of each set, the fake one looks more fake.
        low: Lower end of the 95 % interval of `auroc`.
        high: Upper end.
        p: One-sided p value of both sets being of one distribution.
    """

    accuracy: float
    auroc: float
    low: float
    high: float
    p: float


def two_sample_test(
    real: Features,
    fake: Features,
    *,
    patients: Patients | None = None,
    fake_patients: Patients | None = None,
) -> TwoSample:
    """Train a logistic regression to tell the sets apart, five-fold, and see how it does on what it has not seen.

    Features are standardized within each training part. All images of a patient are in one fold, and pairs are
    compared within a fold only, since scores of two regressions have no common scale. Interval and p value count
    patients, not images, and half of them: folds share most of what they learn from, so that their areas vary
    together, about as much as that of one held-out half.

    Simulated (tests/metrics/test_two_sample.py): 1 to 5 % of the p values of equal sets are below 0.05; with all
    patients counted it would be 8 to 11 %.

    Args:
        real: (n, d), images of at least 5 patients.
        fake: (n, d), as many: accuracy then has 0.5 as its chance level.
        patients: (n,) patient of each row of `real`; None where every row has its own.
        fake_patients: The same of `fake`.

    Raises:
        DataError: Other shapes, values that are not finite, sets of two sizes, or fewer than 5 patients.

    Source: Lopez-Paz and Oquab 2017, who hold one part out; cross-validation uses every image.
    """
    real, fake = check_features(real, fake)
    if len(real) != len(fake):
        raise DataError(
            f"Expected as many fakes as reals, got {len(fake)} and {len(real)}. Draw equal numbers."
        )
    owners = [_owners(names, len(real)) for names in (patients, fake_patients)]
    correct, wins, pairs = 0.0, 0.0, 0.0
    for train, test, truth in _folds(real, fake, owners):
        model = regression().fit(*train)
        score = model.decision_function(test)
        correct += float(np.sum((score > 0) == truth))
        here = int(truth.sum()) * int((~truth).sum())
        wins, pairs = (
            wins + here * float(areas(score, truth, np.ones((1, len(truth))))[0][0]),
            pairs + here,
        )
    auroc = wins / pairs
    sizes = [max(1, len(np.unique(names)) // 2) for names in owners]
    z = (auroc - 0.5) / np.sqrt(auroc_variance(0.5, *sizes))
    return TwoSample(
        correct / (2 * len(real)), auroc, *auroc_interval(auroc, *sizes), float(stats.norm.sf(z))
    )


def regression() -> Pipeline:
    """Make a logistic regression on standardized features, both classes of equal weight."""
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=2000)
    )


def auroc_interval(auroc: float, n_true: int, n_false: int) -> tuple[float, float]:
    """Give the 95 % interval of an AUROC from n_true and n_false independent cases, also where it is 0 or 1.

    Its ends are the areas whose own standard error leads from them to the one found.

    Source: Newcombe 2006, Statistics in Medicine 25:559, method 5.
    """
    return _lower_end(auroc, n_true, n_false), 1 - _lower_end(1 - auroc, n_true, n_false)


def _lower_end(auroc: float, n_true: int, n_false: int) -> float:
    z = stats.norm.ppf((1 + CONFIDENCE) / 2)
    if auroc < NEAR:
        return 0.0
    return float(
        brentq(
            lambda a: (auroc - a) ** 2 - z**2 * auroc_variance(a, n_true, n_false),
            0.0,
            auroc - NEAR / 2,
        )
    )


def auroc_variance(auroc: float, n_true: int, n_false: int) -> float:
    """Give the variance of an AUROC whose true value is `auroc`: Hanley and McNeil 1982, both sizes averaged.

    At 0.5 it is that of the Mann-Whitney statistic without ties, (m + n + 1) / (12 m n).
    """
    mean_others = (n_true + n_false) / 2 - 1
    spread = (1 - auroc) / (2 - auroc) + auroc / (1 + auroc)
    return auroc * (1 - auroc) * (1 + mean_others * spread) / (n_true * n_false)


def _owners(patients: Patients | None, n: int) -> Patients:
    names = np.arange(n) if patients is None else np.asarray(patients)
    if len(names) != n or len(np.unique(names)) < N_FOLDS:
        raise DataError(
            f"Expected {n} patients' names in each set, at least {N_FOLDS} different, got {len(names)}, "
            f"{len(np.unique(names))} different."
        )
    return names


def _folds(
    real: Features, fake: Features, owners: list[Patients]
) -> Iterator[tuple[Train, Features, Truth]]:
    """Give what to learn from, what to score, and which of that is fake; each set is cut by itself."""
    cuts = [
        GroupKFold(N_FOLDS).split(x, groups=o) for x, o in zip((real, fake), owners, strict=True)
    ]
    for (real_train, real_test), (fake_train, fake_test) in zip(*cuts, strict=True):
        train, test = (
            (real[a], fake[b]) for a, b in ((real_train, fake_train), (real_test, fake_test))
        )
        yield (np.concatenate(train), _truth(*train)), np.concatenate(test), _truth(*test)


def _truth(real: Features, fake: Features) -> Truth:
    return np.arange(len(real) + len(fake)) >= len(real)
