"""Every metric obeys the contract and agrees with scikit-learn or imbalanced-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from imblearn.metrics import geometric_mean_score, specificity_score
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from equipoise.arrays import Labels, Scores
from equipoise.metrics.base import Metric
from equipoise.metrics.classification import METRICS
from equipoise.testing.metrics import METRIC_CONTRACT, Reference, agrees_with


def called(y_score: Scores) -> Labels:
    return np.asarray(y_score.argmax(axis=1))


def binary(function: Callable[..., float], **settings: object) -> Reference:
    """Build a reference for the positive class from a scikit-learn function of hard predictions."""
    return lambda y, s, p: float(function(y == p, called(s) == p, **settings))


def expected_calibration_error(y: Labels, score: Scores, positive: int) -> float:
    """Weigh the bins of scikit-learn, which have the same edges, by our own counts."""
    p = score[:, positive]
    observed, predicted = calibration_curve(y == positive, p, n_bins=15)
    counts = [((p > low / 15) & (p <= (low + 1) / 15)).sum() for low in range(15)]
    return float(np.average(np.abs(observed - predicted), weights=[n for n in counts if n]))


REFERENCES: dict[str, Reference] = {
    "accuracy": lambda y, s, p: sk.accuracy_score(y, called(s)),
    "balanced_accuracy": lambda y, s, p: sk.balanced_accuracy_score(y, called(s)),
    "macro_f1": lambda y, s, p: sk.f1_score(y, called(s), average="macro"),
    "mcc": lambda y, s, p: sk.matthews_corrcoef(y, called(s)),
    "auroc": lambda y, s, p: (
        sk.roc_auc_score(y == p, s[:, p])
        if s.shape[1] == 2
        else sk.roc_auc_score(y, s, multi_class="ovr")
    ),
    "rare_auroc": lambda y, s, p: sk.roc_auc_score(y == p, s[:, p]),
    "auprc": lambda y, s, p: sk.average_precision_score(y == p, s[:, p]),
    "macro_auprc": lambda y, s, p: sk.average_precision_score(
        np.eye(s.shape[1])[y], s, average="macro"
    ),
    "worst_class_recall": lambda y, s, p: min(sk.recall_score(y, called(s), average=None)),
    "rare_recall": binary(sk.recall_score),
    "rare_precision": binary(sk.precision_score, zero_division=0),
    "rare_specificity": binary(specificity_score),
    "rare_npv": lambda y, s, p: sk.precision_score(y != p, called(s) != p, zero_division=0),
    "rare_f1": binary(sk.f1_score),
    "g_mean": lambda y, s, p: geometric_mean_score(y, called(s), average="multiclass"),
    "brier": lambda y, s, p: sk.brier_score_loss(
        y, s, scale_by_half=True, labels=np.arange(s.shape[1])
    ),
    "ece": expected_calibration_error,
}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("check", METRIC_CONTRACT, ids=lambda check: check.__name__)
def test_contract(check: Callable[[Metric], None], metric: Metric) -> None:
    check(metric)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_agrees_with_an_independent_reference(metric: Metric) -> None:
    agrees_with(metric, REFERENCES[metric.name])
