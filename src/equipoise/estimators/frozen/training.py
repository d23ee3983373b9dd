"""Train a head on features: first stage, then the second stages of `estimators.second_stage`."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from equipoise.arrays import Labels
from equipoise.atomic import JsonObject, JsonValue
from equipoise.estimators.frozen.head import COSINE, FrozenHead
from equipoise.estimators.frozen.row_weights import SampledImages, row_weights
from equipoise.estimators.frozen.settings import FrozenSettings
from equipoise.estimators.frozen.trainer import (
    DECAYS,
    FrozenFeatureSet,
    TrainedHead,
    Trainer,
    rows_of,
)
from equipoise.estimators.relearning import RELEARNED
from equipoise.estimators.scoring import validation_scores
from equipoise.estimators.second_stage import TAUS, fill_up, rescaled
from equipoise.estimators.stages import make_loss
from equipoise.losses import LOSSES
from equipoise.training.chance import isolated_chance

CRT, TAU_NORM = "crt", "tau_norm"


def train_head(
    train: FrozenFeatureSet, validation: FrozenFeatureSet | None, settings: FrozenSettings
) -> TrainedHead:
    """Train a head on all views of the training images, then run its second stage.

    Features are standardized by the real training images. Validation images and second stage have
    been checked.
    """
    device = train.features.device
    counts = np.bincount(train.codes)
    real_counts = np.bincount(train.codes[~train.synthetic], minlength=len(counts))
    loss = make_loss(settings.loss, counts, real_counts).to(device)
    with isolated_chance(settings.seed, "frozen head"):
        head = FrozenHead(
            train.features.shape[2], len(counts), settings.head_kind, scale=settings.head_scale
        )
    head = head.to(device)
    real = train.real if not train.synthetic.all() else train
    head.fit_standardization(real.features.flatten(0, 1), train.blocks)
    images = SampledImages(
        codes=train.codes, synthetic=train.synthetic, synthetic_share=settings.synthetic_share
    )
    weights = row_weights(settings.batch_sampler, images, settings.synthetic_weight)
    rows = rows_of(head.standardized(train.features), train.codes, weights)
    head.start(rows.inputs, rows.codes)
    if LOSSES[settings.loss].head == COSINE:
        head.stretch_cosines(rows.inputs, rows.codes)
    trainer = Trainer(settings=settings, validation=validation)
    trained = trainer.fit(head, head.trained_layers, loss, rows, name="head")
    if settings.second_stage == "none":
        return trained
    if settings.second_stage == TAU_NORM:
        return normalize_weights(trained, validation)
    return retrain_last_layer(trained, train, trainer)


def normalize_weights(trained: TrainedHead, validation: FrozenFeatureSet | None) -> TrainedHead:
    """Run tau-normalization on both heads; see `equipoise.estimators.second_stage.tau_norm`."""
    if validation is None:
        raise ValueError("checked before: tau is chosen on validation images")
    tau = choose_tau(trained.head, validation, trained)
    choose_tau(trained.other, validation, trained)
    return replace(trained, findings={"tau": tau})


def choose_tau(head: FrozenHead, validation: FrozenFeatureSet, trained: TrainedHead) -> float:
    """Rescale the last layer of a head by the best tau on validation; return tau."""
    weight = head.last.weight.detach().clone()
    head.last.bias.zero_()
    inputs = head.view_inputs(validation.features)

    def score(tau: float) -> float:
        head.last.weight.copy_(rescaled(weight, tau))
        logits = head.mean_logits(inputs)
        return validation_scores(logits, validation.codes, trained.loss)["balanced_accuracy"]

    tau = float(max(TAUS, key=score))
    head.last.weight.copy_(rescaled(weight, tau))
    return tau


def retrain_last_layer(
    trained: TrainedHead, train: FrozenFeatureSet, trainer: Trainer
) -> TrainedHead:
    """Train a new linear last layer with cross-entropy on classes that are balanced.

    "crt" weights real images so that every class has the same share; the others fill the classes up
    with points between features, all views of an image as one point.
    """
    settings = trainer.settings
    head = trained.head.relinearized()
    findings: JsonObject = {}
    if settings.second_stage == CRT:
        real = train.real
        inputs, codes = head.last_inputs(real.features), real.codes
        images = SampledImages(codes=codes, synthetic=real.synthetic)
        weights = row_weights("balanced", images, 1.0)
    else:
        method = settings.second_stage.removesuffix("_features")
        inputs, codes, methods = interpolated(
            method, head.last_inputs(train.features), train.codes, settings.seed
        )
        weights = np.ones(len(codes))
        findings = {"interpolation": dict(methods)}
    counts = np.bincount(train.codes)
    loss = make_loss(RELEARNED, counts, counts).to(inputs.device)
    rows = rows_of(inputs.detach(), codes, weights)
    second = trainer.fit(head, head.last, loss, rows, name="head, second stage")
    histories = {**trained.histories, f"head, {DECAYS}": second.histories[DECAYS]}
    return replace(second, histories=histories, findings=findings)


def interpolated(
    method: str, inputs: Tensor, codes: Labels, seed: int
) -> tuple[Tensor, Labels, Mapping[str, JsonValue]]:
    """Fill classes up with points between inputs (n, views, d), all views at once.

    Returns:
        Inputs (m, views, d) with the new ones last, codes (m,), and the method used for each code.
    """
    flat = inputs.detach().flatten(1).cpu().numpy()
    new, new_codes, methods = fill_up(method, flat, codes, seed)
    points = torch.as_tensor(new, device=inputs.device).view(-1, *inputs.shape[1:])
    return torch.cat([inputs, points.to(inputs)]), np.concatenate([codes, new_codes]), methods
