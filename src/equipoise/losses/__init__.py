"""Losses for imbalanced classes, by name; a new loss is its file and a row of `LOSSES`."""

from equipoise.discovery import Family
from equipoise.losses.base import ImbalanceLoss, LossFactory
from equipoise.losses.class_balanced import CLASS_BALANCED
from equipoise.losses.cross_entropy import CLASS_WEIGHTS, CROSS_ENTROPY, CrossEntropy
from equipoise.losses.focal import CLASS_BALANCED_FOCAL, FOCAL, Focal
from equipoise.losses.ldam import LDAM, LDAM_DRW, LDAM_LOSS, DeferredLDAM
from equipoise.losses.logit_adjustment import (
    BALANCED_SOFTMAX,
    POSTHOC_LOGIT_ADJUSTMENT,
    LogitAdjustment,
    PosthocLogitAdjustment,
)
from equipoise.losses.rwwce import RWWCE, RWWCE_REAL, RealWorldWeightCrossEntropy
from equipoise.losses.two_sigmoid import TWO_SIGMOID, TwoSigmoid

__all__ = [
    "LDAM",
    "LOSSES",
    "CrossEntropy",
    "DeferredLDAM",
    "Focal",
    "ImbalanceLoss",
    "LogitAdjustment",
    "LossFactory",
    "PosthocLogitAdjustment",
    "RealWorldWeightCrossEntropy",
    "TwoSigmoid",
]

LOSSES: dict[str, LossFactory] = {
    factory.name: factory
    for factory in (
        CROSS_ENTROPY,
        CLASS_WEIGHTS,
        RWWCE,
        RWWCE_REAL,
        FOCAL,
        CLASS_BALANCED,
        CLASS_BALANCED_FOCAL,
        LDAM_LOSS,
        LDAM_DRW,
        BALANCED_SOFTMAX,
        POSTHOC_LOGIT_ADJUSTMENT,
        TWO_SIGMOID,
    )
}
FAMILY = Family(
    name="losses",
    summary="Losses of a classifier.",
    members=LOSSES,
)
