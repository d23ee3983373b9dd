"""Classification metrics: the table `METRICS`, and the same quantities for each class.

Rules (methods 7.1): hard predictions are the largest score; a fraction whose denominator is empty because nothing
was predicted is 0; a metric that needs a class without a test image is NaN, because a mean over other classes
in other folds would not be comparable (paper S1's code counts it as 0).
"""

import numpy as np

from equipoise.discovery import Family
from equipoise.metrics.base import Metric, Predictions, Values
from equipoise.metrics.calibration import ece


def recalls(p: Predictions) -> Values:
    """(b, k) share of each class that is found: sensitivity."""
    return _over(_hits(p), _support(p), empty=np.nan)


def precisions(p: Predictions) -> Values:
    """(b, k) share of the images called a class that are of it; NaN where the class is absent."""
    return np.where(_support(p) > 0, _over(_hits(p), _called(p)), np.nan)


def specificities(p: Predictions) -> Values:
    """(b, k) share of the other classes' images that are not called this class."""
    others = _others(_support(p))
    false_alarms = _called(p) - _hits(p)
    return _over(others - false_alarms, others, empty=np.nan)


def f1_scores(p: Predictions) -> Values:
    """(b, k) harmonic mean of precision and recall of each class."""
    return _over(2 * _hits(p), _called(p) + _support(p), empty=np.nan) + 0 * recalls(p)


def aurocs(p: Predictions) -> Values:
    """(b, k) one-vs-rest area under the ROC curve of each class."""
    return p.areas[0]


def auprcs(p: Predictions) -> Values:
    """(b, k) one-vs-rest average precision of each class."""
    return p.areas[1]


PER_CLASS = {
    "precision": precisions,
    "recall": recalls,
    "specificity": specificities,
    "f1": f1_scores,
    "auroc": aurocs,
    "auprc": auprcs,
}


def _accuracy(p: Predictions) -> Values:
    return _over(_sum(_hits(p), 1), _total(p))


def _npv(p: Predictions) -> Values:
    """Divide those rightly not called positive by all who were not; NaN where no image is of another class."""
    missed, others = _support(p) - _hits(p), _others(_support(p))
    cleared = others - (_called(p) - _hits(p))
    return np.where(others > 0, _over(cleared, cleared + missed), np.nan)[:, p.positive]


def _mcc(p: Predictions) -> Values:
    support, called = _support(p), _called(p)
    covariance = _sum(_hits(p), 1) * _total(p) - _sum(support * called, 1)
    spread = _sum(support * _others(support), 1) * _sum(called * _others(called), 1)
    return np.where(
        _sum(support * _others(support), 1) > 0, _over(covariance, np.sqrt(spread)), np.nan
    )


def _auroc(p: Predictions) -> Values:
    return aurocs(p)[:, p.positive] if p.n_classes == 2 else np.asarray(aurocs(p).mean(axis=1))


def _g_mean(p: Predictions) -> Values:
    return np.asarray(np.prod(recalls(p), axis=1) ** (1 / p.n_classes))


def _brier(p: Predictions) -> Values:
    error = ((p.y_score - np.eye(p.n_classes)[p.y_true]) ** 2).sum(axis=1) / 2
    return _over(p.weighting @ error, _sum(p.weighting, 1))


def _hits(p: Predictions) -> Values:
    return np.diagonal(p.confusion, axis1=1, axis2=2)


def _support(p: Predictions) -> Values:
    return _sum(p.confusion, 2)


def _called(p: Predictions) -> Values:
    return _sum(p.confusion, 1)


def _total(p: Predictions) -> Values:
    return _sum(p.weighting, 1)


def _others(counts: Values) -> Values:
    """Add the other classes' counts; not total minus own, whose rounding would hide an exact 0."""
    return np.asarray(counts @ (1.0 - np.eye(counts.shape[1])))


def _sum(values: Values, axis: int) -> Values:
    return np.asarray(values.sum(axis=axis))


def _over(top: Values, bottom: Values, *, empty: float = 0.0) -> Values:
    """Divide; `empty` where there is nothing to divide by."""
    result = np.full(top.shape, empty)
    np.divide(top, bottom, out=result, where=bottom > 0)
    return result


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            label="accuracy",
            rule=_accuracy,
            summary="share of images called right; a constant answer already reaches the majority's share",
            source="methods 7.1",
        ),
        Metric(
            name="balanced_accuracy",
            label="balanced accuracy",
            rule=lambda p: recalls(p).mean(axis=1),
            summary="mean recall over the classes; a constant answer gives 1/k",
            source="paper S0 eq. 2; methods 7.1",
        ),
        Metric(
            name="macro_f1",
            label="macro F1",
            rule=lambda p: f1_scores(p).mean(axis=1),
            summary="mean F1 over the classes",
            source="methods 7.1",
        ),
        Metric(
            name="mcc",
            label="MCC",
            rule=_mcc,
            bounds=(-1.0, 1.0),
            summary="Matthews correlation of truth and prediction; a constant answer gives 0",
            source="Gorodkin 2004 (k classes); methods 7.1",
        ),
        Metric(
            name="auroc",
            label="AUROC",
            rule=_auroc,
            summary="area under the ROC curve, no threshold: positive class of two, else macro one-vs-rest",
            source="methods 7.1",
        ),
        Metric(
            name="auprc",
            label="AUPRC",
            rule=lambda p: auprcs(p)[:, p.positive],
            summary="average precision of the positive class, no threshold; chance gives its prevalence",
            source="methods 7.1",
        ),
        Metric(
            name="macro_auprc",
            label="macro AUPRC",
            rule=lambda p: auprcs(p).mean(axis=1),
            summary="mean one-vs-rest average precision over the classes",
            source="methods 7.1",
        ),
        Metric(
            name="worst_class_recall",
            label="worst-class recall",
            rule=lambda p: recalls(p).min(axis=1),
            summary="recall of the class that fares worst",
            source="methods 7.1",
        ),
        Metric(
            name="rare_recall",
            label="rare-class recall",
            rule=lambda p: recalls(p)[:, p.positive],
            summary="share of the positive class that is found (sensitivity)",
            source="methods 7.1",
        ),
        Metric(
            name="rare_precision",
            label="rare-class precision",
            rule=lambda p: precisions(p)[:, p.positive],
            summary="share of the positive calls that are right",
            source="methods 7.1",
        ),
        Metric(
            name="rare_specificity",
            label="rare-class specificity",
            rule=lambda p: specificities(p)[:, p.positive],
            summary="share of the other images that are not called positive",
            source="methods 7.1",
        ),
        Metric(
            name="rare_npv",
            label="rare-class NPV",
            rule=_npv,
            summary="negative predictive value: share of the images not called positive that are indeed not",
            source="methods 7.1",
        ),
        Metric(
            name="rare_f1",
            label="rare-class F1",
            rule=lambda p: f1_scores(p)[:, p.positive],
            summary="harmonic mean of the positive class's precision and recall",
            source="methods 7.1",
        ),
        Metric(
            name="g_mean",
            label="G-mean",
            rule=_g_mean,
            summary="geometric mean of the recalls; 0 as soon as one class is never found",
            source="methods 7.1",
        ),
        Metric(
            name="brier",
            label="Brier score",
            rule=_brier,
            higher_is_better=False,
            summary="half the squared distance of the probabilities from the truth (two classes: the usual Brier)",
            source="Brier 1950; methods 7.1, halved so that it ends at 1 for every k",
        ),
        Metric(
            name="ece",
            label="calibration error",
            rule=ece,
            higher_is_better=False,
            summary="mean distance of the positive class's probability from its observed share, in 15 bins",
            source="methods 7.1; of the positive class, where Guo et al. 2017 take the predicted one",
        ),
    )
}
FAMILY = Family(
    name="metrics",
    summary="Metrics of a study of images: --metric.",
    members=METRICS,
    line=lambda metric: metric.source,
)
