"""Methods without a generator: losses, batches, blends, resampling, second stages.

Every row of the tables of losses, mixings, batch samplers, interpolations and second stages is a
method by itself, so that a new row needs no entry here.
"""

from dataclasses import replace
from typing import Any

from equipoise.data.smote import INTERPOLATIONS
from equipoise.discovery import summarize
from equipoise.estimators.second_stage import SECOND_STAGES
from equipoise.experiments.methods.method import Method
from equipoise.experiments.protocol import Budget
from equipoise.losses import LOSSES
from equipoise.resampling.base import Resampler
from equipoise.resampling.random import (
    RandomOversampler,
    RandomUndersampler,
    ReplayOversampler,
)
from equipoise.training.batches import BATCH_SAMPLERS
from equipoise.training.mixing import MIXINGS

BASELINE = Method(name="none", summary="The images as they are: the baseline.")
PLAIN_LOSS = "cross_entropy"  # of the baseline
PLAIN_SAMPLERS = ("natural", "synthetic_mix")  # without synthetic images both are the baseline's


def with_classifier(name: str, summary: str, **settings: Any) -> Method:
    """Return the method that changes settings of the classifier and leaves the images alone."""
    return Method(name=name, summary=summary, classifier=lambda _budget: settings)


def _losses() -> list[Method]:
    """Return a method for each loss.

    One that counts real images only is skipped: without synthetic images it is another one.
    """
    methods = []
    for name, loss in LOSSES.items():
        if name != PLAIN_LOSS and not loss.counts_real:
            methods.append(with_classifier(name, loss.summary, loss=name))
    return methods


def _mixings() -> list[Method]:
    methods = []
    for name, mixing in MIXINGS.items():
        if mixing is not None:
            methods.append(with_classifier(name, summarize(mixing), mixing=name))
    return methods


def _batch_samplers() -> list[Method]:
    methods = []
    for name, sampler in BATCH_SAMPLERS.items():
        if name not in PLAIN_SAMPLERS:
            summary = summarize(sampler)
            methods.append(with_classifier(f"{name}_batches", summary, batch_sampler=name))
    return methods


def _interpolation(kind: str) -> Method:
    def balance(_budget: Budget) -> Resampler:
        from equipoise.resampling.smote import SMOTEOversampler

        return SMOTEOversampler(kind=kind)

    summary = summarize(INTERPOLATIONS[kind])
    return Method(
        name=kind,
        summary=f"Small classes are filled up by blended images. {summary}",
        balance=balance,
    )


def _second_stages() -> list[Method]:
    """Return a method for each second stage, those that blend features first."""
    methods = []
    for name, stage in SECOND_STAGES.items():
        if stage is not None:
            methods.append(with_classifier(name, stage.summary, second_stage=name))
    return sorted(methods, key=lambda method: not method.name.endswith("_features"))


REPLAY = Method(
    name="replay",
    summary="As many copies of real images as a generator adds synthetic ones: its control.",
    balance=lambda _budget: ReplayOversampler(),
)
REPLAYS = (  # a control of each way in which methods of a generator use synthetic images
    REPLAY,
    replace(
        REPLAY,
        name="replay_mix",
        summary="As replay; every batch contains the same number of copies: control of cdcgan_mix.",
        classifier=lambda _budget: {"batch_sampler": "synthetic_mix"},
    ),
    replace(
        REPLAY,
        name="replay_half",
        summary="As replay; a copy counts half in the loss: control of cdcgan_half.",
        classifier=lambda _budget: {"synthetic_weight": 0.5},
    ),
    replace(
        REPLAY,
        name="replay_crt",
        summary="As replay; the last layer is then trained again: control of cdcgan_crt.",
        classifier=lambda _budget: {"second_stage": "crt"},
    ),
)

METHODS: tuple[Method, ...] = (
    BASELINE,
    *_losses(),
    *_mixings(),
    *_batch_samplers(),
    Method(
        name="oversampling",
        summary="Images of small classes are repeated until all classes have the same size.",
        balance=lambda _budget: RandomOversampler(),
    ),
    Method(
        name="undersampling",
        summary="Images of large classes are left out until all classes have the same size.",
        balance=lambda _budget: RandomUndersampler(),
    ),
    *REPLAYS,
    *map(_interpolation, INTERPOLATIONS),
    *_second_stages(),
)
