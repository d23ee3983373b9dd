"""The classifier two-sample test: power, false alarms, patients."""

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from equipoise.exceptions import DataError
from equipoise.metrics.two_sample import PENALTY, two_sample_test

Array = NDArray[np.float64]


def normal(n: int, *, seed: int = 0, mean: float = 0.0, d: int = 6) -> Array:
    return np.random.default_rng(seed).normal(mean, 1, size=(n, d))


def test_equal_sets_are_not_distinguished_and_distant_ones_are() -> None:
    same = [two_sample_test(normal(30, seed=i), normal(30, seed=100 + i)) for i in range(16)]
    assert abs(np.mean([test.auroc for test in same]) - 0.5) < 0.1
    assert np.mean([test.p < 0.05 for test in same]) <= 0.125  # see the slow test
    far = two_sample_test(normal(30), normal(30, seed=1, mean=2))
    assert far.auroc > 0.98
    assert far.accuracy > 0.95
    assert far.p < 1e-4
    assert far.low > 0.75


@pytest.mark.slow
@pytest.mark.parametrize(("n", "per_patient", "d"), [(20, 1, 64), (40, 4, 64), (100, 1, 16)])
def test_false_alarms_and_coverage(n: int, per_patient: int, d: int) -> None:
    rng, owners = np.random.default_rng(0), np.repeat(np.arange(n // per_patient), per_patient)
    mix = normal(8, d=d, seed=3) / 2

    def draw(patients: int) -> Array:
        of_patient = np.repeat(rng.normal(size=(patients, 8)), n // patients, axis=0)
        return np.asarray(np.maximum((of_patient + 0.5 * rng.normal(size=(n, 8))) @ mix, 0))

    tests = [two_sample_test(draw(n // per_patient), draw(n), patients=owners) for _ in range(150)]
    assert np.mean([test.p < 0.05 for test in tests]) <= 0.08
    assert np.mean([test.low <= 0.5 <= test.high for test in tests]) >= 0.91


def test_the_score_is_that_of_folds_written_out() -> None:
    """Pooled by hand over the five folds of scikit-learn: 30 single images of each set."""
    real, fake = normal(30), normal(30, seed=1, mean=0.5)
    test = two_sample_test(real, fake)
    x, y = np.concatenate([real, fake]), np.arange(60) >= 30
    fold = np.concatenate([_folds(30), _folds(30)])
    areas, right = [], 0
    for k in range(5):
        scaler = StandardScaler().fit(x[fold != k])
        model = LogisticRegression(C=PENALTY, max_iter=2000).fit(
            scaler.transform(x[fold != k]), y[fold != k]
        )
        score = model.decision_function(scaler.transform(x[fold == k]))
        areas.append(roc_auc_score(y[fold == k], score))
        right += int(((score > 0) == y[fold == k]).sum())
    assert test.auroc == pytest.approx(np.mean(areas))
    assert test.accuracy == pytest.approx(right / 60)


def _folds(n: int) -> NDArray[np.int64]:
    """Return the fold of each of n single images, from scikit-learn's own class."""
    from sklearn.model_selection import GroupKFold

    fold = np.empty(n, dtype=np.int64)
    for k, (_, test) in enumerate(GroupKFold(5).split(np.zeros(n), groups=np.arange(n))):
        fold[test] = k
    return fold


def test_a_patient_is_in_one_fold_only() -> None:
    """Eight equal images of each patient: a leak would distinguish every pair of sets."""
    rng, owners = np.random.default_rng(2), np.repeat(np.arange(6), 8)
    pairs = [[np.repeat(rng.normal(size=(6, 40)), 8, axis=0) for _ in range(2)] for _ in range(5)]
    grouped = [two_sample_test(a, b, patients=owners, fake_patients=owners).auroc for a, b in pairs]
    leaking = [two_sample_test(a, b).auroc for a, b in pairs]
    assert np.mean(leaking) > 0.95
    assert np.mean(grouped) < 0.7


def test_fewer_patients_give_a_wider_interval() -> None:
    real, fake = normal(40), normal(40, seed=1, mean=0.5)
    alone, together = (
        two_sample_test(real, fake),
        two_sample_test(real, fake, patients=np.arange(40) // 4),
    )
    assert together.high - together.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(two_sample_test, normal(10), normal(9)), "9 and 10"),
        (
            partial(two_sample_test, normal(10), normal(10), patients=np.arange(10) // 3),
            "at least 5.*10, 4 different",
        ),
        (partial(two_sample_test, normal(10), normal(10), patients=np.arange(9)), "10 rows.*got 9"),
    ],
)
def test_bad_input_is_refused(call: partial[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
