"""Methods without a generator: repeating, leaving out, interpolating, and training the last layer again."""

from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.resampling.base import Resampler
from equipoise.resampling.random import RandomOversampler, RandomUndersampler


def _smote(name: str, summary: str) -> Method:
    def balance(_budget: Budget) -> Resampler:
        from equipoise.resampling.smote import SMOTEOversampler

        return SMOTEOversampler(kind=name)

    return Method(name=name, summary=summary, balance=balance)


def _second_stage(name: str, summary: str) -> Method:
    return Method(name=name, summary=summary, classifier=lambda _budget: {"second_stage": name})


METHODS = (
    Method(
        name="oversampling",
        summary="Images of small classes are repeated until all classes are as large.",
        balance=lambda _budget: RandomOversampler(),
    ),
    Method(
        name="undersampling",
        summary="Images of large classes are left out until all classes are as small.",
        balance=lambda _budget: RandomUndersampler(),
    ),
    _smote("smote", "Small classes are filled up by blends of neighboring images, pixel by pixel."),
    _smote("borderline_smote", "The same, only from images that lie close to other classes."),
    _smote("adasyn", "The same, the more the more other classes are near."),
    _second_stage(
        "smote_features",
        "Features are blended, not pixels, and the last layer learns from them again.",
    ),
    _second_stage(
        "borderline_smote_features", "The same, from features that lie close to other classes."
    ),
    _second_stage("adasyn_features", "The same, the more the more other classes are near."),
    _second_stage(
        "crt", "The last layer is trained again on balanced batches (classifier retraining)."
    ),
    _second_stage(
        "tau_norm", "The last layer's weights are made as long for every class (tau-normalization)."
    ),
)
