"""Classifier two-sample test: can a classifier distinguish synthetic images from real ones?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from equipoise.exceptions import DataError
from equipoise.metrics.feature_sets import Features, Patients, check_features
from equipoise.metrics.ranking import areas
from equipoise.metrics.sampling_variance import (
    auroc_interval,
    auroc_variance,
    detectable_auroc,
)

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

N_FOLDS = 5
PENALTY = 0.01  # C of scikit-learn: strong, as there are often more features than images

IsFake = NDArray[np.bool_]  # (n,)


@dataclass(frozen=True)
class TwoSample:
    """How well a classifier distinguishes two sets; 0.5 is chance.

    Attributes:
        accuracy: Share of images that are assigned to the right set.
        auroc: Probability that of a pair, one of each set, the fake image has the higher score.
        low: Lower end of the 95 % interval of `auroc`.
        high: Upper end.
        p: One-sided p value of the hypothesis that both sets have the same distribution.
        detectable: Smallest true area that so many patients show to be above chance, with p below
            0.05, in 80 % of the cases.
    """

    accuracy: float
    auroc: float
    low: float
    high: float
    p: float
    detectable: float


@dataclass(frozen=True)
class _Fold:
    """A fold of both sets: (n, d) features and (n,) truth of the training and of the test part."""

    train: Features
    train_fake: IsFake
    test: Features
    test_fake: IsFake


def two_sample_test(
    real: Features,
    fake: Features,
    *,
    patients: Patients | None = None,
    fake_patients: Patients | None = None,
) -> TwoSample:
    """Train a logistic regression to distinguish the sets, and score it by five-fold validation.

    Features are standardized within each training part. All images of a patient are in one fold,
    and pairs are compared within a fold only, since scores of two regressions have no common scale.
    Interval and p value count patients, not images, and half of them: folds share most of their
    training images, so that their areas vary together, about as much as that of a held-out half.

    Simulated (tests/metrics/test_two_sample.py): 1 to 5 % of the p values of equal sets are below
    0.05; with all patients counted it would be 8 to 11 %.

    Args:
        real: (n, d), images of at least 5 patients.
        fake: (n, d), as many rows as `real`, so that the chance level of the accuracy is 0.5.
        patients: (n,) patient of each row of `real`; None if each row is its own patient.
        fake_patients: The same for `fake`.

    Raises:
        DataError: Wrong shapes, values that are not finite, sets of different sizes, or fewer than
            5 patients.

    Source: Lopez-Paz and Oquab (2017), section 3, who hold one part out; cross-validation, used
    here, scores every image.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> test = two_sample_test(rng.normal(size=(60, 4)), rng.normal(3.0, 1.0, size=(60, 4)))
        >>> test.auroc > 0.99, test.p < 1e-6
        (True, True)

    See Also:
        `equipoise.metrics.fidelity.kid_interval`: how far apart two sets are, without training.
    """
    real, fake = check_features(real, fake)
    if len(real) != len(fake):
        raise DataError(
            f"Expected as many fakes as reals, got {len(fake)} and {len(real)}. Draw equal numbers."
        )
    owners = _patients_of_rows(patients, len(real))
    fake_owners = _patients_of_rows(fake_patients, len(real))
    correct, wins, pairs = 0.0, 0.0, 0.0
    for fold in _folds(real, fake, owners, fake_owners):
        model = regression().fit(fold.train, fold.train_fake)
        score = model.decision_function(fold.test)
        truth = fold.test_fake
        correct += float(np.sum((score > 0) == truth))
        pairs_here = int(truth.sum()) * int((~truth).sum())
        area, _ = areas(score, truth, np.ones((1, len(truth))))
        wins += pairs_here * float(area[0])
        pairs += pairs_here
    auroc = wins / pairs
    size = max(1, len(np.unique(owners)) // 2)
    fake_size = max(1, len(np.unique(fake_owners)) // 2)
    z = (auroc - 0.5) / np.sqrt(auroc_variance(0.5, size, fake_size))
    low, high = auroc_interval(auroc, size, fake_size)
    return TwoSample(
        accuracy=correct / (2 * len(real)),
        auroc=auroc,
        low=low,
        high=high,
        p=float(ndtr(-z)),
        detectable=detectable_auroc(size, fake_size),
    )


def regression() -> "Pipeline":
    """Build a logistic regression on standardized features, both classes of equal weight."""
    from sklearn.linear_model import LogisticRegression  # reading findings takes no scikit-learn
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=2000)
    )


def _patients_of_rows(patients: Patients | None, n: int) -> Patients:
    names = np.arange(n) if patients is None else np.asarray(patients)
    n_patients = len(np.unique(names))
    if len(names) != n or n_patients < N_FOLDS:
        raise DataError(
            f"Expected the patients of {n} rows in each set, at least {N_FOLDS} different ones, "
            f"got {len(names)}, {n_patients} different."
        )
    return names


def _folds(
    real: Features, fake: Features, owners: Patients, fake_owners: Patients
) -> Iterator[_Fold]:
    """Cut each set into folds by its patients, and join the folds of both."""
    from sklearn.model_selection import GroupKFold

    real_cuts = GroupKFold(N_FOLDS).split(real, groups=owners)
    fake_cuts = GroupKFold(N_FOLDS).split(fake, groups=fake_owners)
    for (real_train, real_test), (fake_train, fake_test) in zip(real_cuts, fake_cuts, strict=True):
        yield _Fold(
            train=np.concatenate([real[real_train], fake[fake_train]]),
            train_fake=np.arange(len(real_train) + len(fake_train)) >= len(real_train),
            test=np.concatenate([real[real_test], fake[fake_test]]),
            test_fake=np.arange(len(real_test) + len(fake_test)) >= len(real_test),
        )
