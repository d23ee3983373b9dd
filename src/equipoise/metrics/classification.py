"""Classification metrics: the table `METRICS`, and the same quantities for each class.

Hard predictions are the class with the largest score. A fraction with nothing predicted in its
denominator is 0. A metric that needs a class without a test image is NaN, because a mean over the
remaining classes would not be comparable between folds (the code of Sharma et al., CSC2516,
counts such a class as 0).

Example:
    >>> import numpy as np
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.2, 0.8]])
    >>> predictions = Predictions(y_true=np.array([0, 0, 1, 1]), y_score=scores, positive=1)
    >>> METRICS["balanced_accuracy"].rule(predictions).tolist()
    [0.5]
    >>> for name, function in PER_CLASS.items():  # of class 0, then of class 1
    ...     print(name, function(predictions).round(3).tolist())
    precision [[0.5, 0.5]]
    recall [[0.5, 0.5]]
    specificity [[0.5, 0.5]]
    f1 [[0.5, 0.5]]
    auroc [[0.75, 0.75]]
    auprc [[0.833, 0.833]]

See Also:
    `equipoise.metrics.operating`: the same measures of calls at a threshold.
"""

import numpy as np

from equipoise.discovery import Family
from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.calibration import ece


def recalls(p: Predictions) -> Values:
    """Compute (b, k) TP / (TP + FN) of each class, its sensitivity; NaN if the class is absent."""
    return _over(p.hits, p.support, empty=np.nan)


def precisions(p: Predictions) -> Values:
    """Compute (b, k) TP / (TP + FP) of each class; NaN if the class is absent."""
    return np.where(p.support > 0, _over(p.hits, p.called), np.nan)


def specificities(p: Predictions) -> Values:
    """Compute (b, k) TN / (TN + FP) of each class; NaN if no other class is present."""
    negatives = _of_other_classes(p.support)
    false_alarms = p.called - p.hits
    return _over(negatives - false_alarms, negatives, empty=np.nan)


def f1_scores(p: Predictions) -> Values:
    """Compute (b, k) harmonic means of precision and recall; NaN if the class is absent."""
    return _over(2 * p.hits, p.called + p.support, empty=np.nan) + 0 * recalls(p)


def aurocs(p: Predictions) -> Values:
    """Compute (b, k) one-vs-rest areas under the ROC curve; NaN if either side is absent."""
    return p.areas[0]


def auprcs(p: Predictions) -> Values:
    """Compute (b, k) one-vs-rest average precisions; NaN if the class is absent."""
    return p.areas[1]


PER_CLASS = {
    "precision": precisions,
    "recall": recalls,
    "specificity": specificities,
    "f1": f1_scores,
    "auroc": aurocs,
    "auprc": auprcs,
}


def _npv(p: Predictions) -> Values:
    """Compute (b,) TN / (TN + FN) of the positive class; NaN if no image is of another class."""
    missed = p.support - p.hits
    negatives = _of_other_classes(p.support)
    cleared = negatives - (p.called - p.hits)
    return np.where(negatives > 0, _over(cleared, cleared + missed), np.nan)[:, p.positive]


def _mcc(p: Predictions) -> Values:
    support, called = p.support, p.called  # (b, k) images of each class, and calls
    covariance = _sum(p.hits, 1) * p.total - _sum(support * called, 1)
    true_spread = _sum(support * _of_other_classes(support), 1)
    called_spread = _sum(called * _of_other_classes(called), 1)
    correlation = _over(covariance, np.sqrt(true_spread * called_spread))
    return np.where(true_spread > 0, correlation, np.nan)


def _auroc(p: Predictions) -> Values:
    return p.areas_of(p.positive)[0] if p.n_classes == 2 else np.asarray(aurocs(p).mean(axis=1))


def _brier(p: Predictions) -> Values:
    return _over(p.weighting @ p.per_image(_squared_errors), p.total)


def _squared_errors(p: Predictions) -> Values:
    return np.asarray(((p.y_score - np.eye(p.n_classes)[p.y_true]) ** 2).sum(axis=1) / 2)


def _of_other_classes(counts: Values) -> Values:
    """Sum the counts of the other classes; total minus own would round an exact 0 away."""
    return np.asarray(counts @ (1.0 - np.eye(counts.shape[1])))


def _sum(values: Values, axis: int) -> Values:
    return np.asarray(values.sum(axis=axis))


def _over(top: Values, bottom: Values, *, empty: float = 0.0) -> Values:
    """Divide; `empty` where the denominator is 0."""
    result = np.full(top.shape, empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            label="accuracy",
            rule=lambda p: _over(_sum(p.hits, 1), p.total),
            summary="share of correct calls; a constant answer reaches the majority's share",
            source="correct calls over all calls",
        ),
        Metric(
            name="balanced_accuracy",
            label="balanced accuracy",
            rule=lambda p: recalls(p).mean(axis=1),
            summary="mean recall over the classes; a constant answer gives 1/k",
            source="Brodersen et al. (2010); Kupas and Harangi, Eq. 2",
        ),
        Metric(
            name="macro_f1",
            label="macro F1",
            rule=lambda p: f1_scores(p).mean(axis=1),
            summary="mean F1 over the classes",
            source="van Rijsbergen (1979), averaged over classes",
        ),
        Metric(
            name="mcc",
            label="MCC",
            rule=_mcc,
            bounds=(-1.0, 1.0),
            summary="Matthews correlation of truth and prediction; a constant answer gives 0",
            source="Matthews (1975); Gorodkin (2004) for k classes",
        ),
        Metric(
            name="auroc",
            label="AUROC",
            rule=_auroc,
            summary="area under the ROC curve: positive class of two, else macro one-vs-rest",
            source="Hanley and McNeil (1982); macro one-vs-rest for more than two classes",
        ),
        Metric(
            name="rare_auroc",
            label="positive-class AUROC",
            rule=lambda p: p.areas_of(p.positive)[0],
            summary="area under the ROC curve of the positive class against all others",
            source="Hanley and McNeil (1982)",
        ),
        Metric(
            name="auprc",
            label="AUPRC",
            rule=lambda p: p.areas_of(p.positive)[1],
            summary="average precision of the positive class; random scores give its prevalence",
            source="average precision, sum of (R_i - R_(i-1)) P_i; not interpolated",
        ),
        Metric(
            name="macro_auprc",
            label="macro AUPRC",
            rule=lambda p: auprcs(p).mean(axis=1),
            summary="mean one-vs-rest average precision over the classes",
            source="as auprc, averaged over classes",
        ),
        Metric(
            name="worst_class_recall",
            label="worst-class recall",
            rule=lambda p: recalls(p).min(axis=1),
            summary="recall of the class with the lowest recall",
            source="minimum of TP / (TP + FN)",
        ),
        Metric(
            name="rare_recall",
            label="positive-class recall",
            rule=lambda p: recalls(p)[:, p.positive],
            summary="share of the positive class that is detected (sensitivity)",
            source="TP / (TP + FN)",
        ),
        Metric(
            name="rare_precision",
            label="positive-class precision",
            rule=lambda p: precisions(p)[:, p.positive],
            summary="share of the positive calls that are correct",
            source="TP / (TP + FP)",
        ),
        Metric(
            name="rare_specificity",
            label="positive-class specificity",
            rule=lambda p: specificities(p)[:, p.positive],
            summary="share of the other images that are not called positive",
            source="TN / (TN + FP)",
        ),
        Metric(
            name="rare_npv",
            label="positive-class NPV",
            rule=_npv,
            summary="negative predictive value: share of the negative calls that are correct",
            source="TN / (TN + FN)",
        ),
        Metric(
            name="rare_f1",
            label="positive-class F1",
            rule=lambda p: f1_scores(p)[:, p.positive],
            summary="harmonic mean of the positive class's precision and recall",
            source="2 TP / (2 TP + FP + FN)",
        ),
        Metric(
            name="g_mean",
            label="G-mean",
            rule=lambda p: np.asarray(np.prod(recalls(p), axis=1) ** (1 / p.n_classes)),
            summary="geometric mean of the recalls; 0 as soon as one class is never detected",
            source="Kubat and Matwin (1997), over k classes",
        ),
        Metric(
            name="brier",
            label="Brier score",
            rule=_brier,
            higher_is_better=False,
            summary="half the squared distance of probabilities and truth (usual for two classes)",
            source="Brier (1950), halved so that it ends at 1 for every k",
        ),
        Metric(
            name="ece",
            label="calibration error",
            rule=ece,
            higher_is_better=False,
            summary="mean distance of the positive class's probability and observed share, 15 bins",
            source="Guo et al. (2017), Eq. 3, of the positive class instead of the predicted one",
        ),
    )
}
FAMILY = Family(
    name="metrics",
    summary="Metrics of a study of images: --metric.",
    members=METRICS,
    line=lambda metric: metric.source,
)
