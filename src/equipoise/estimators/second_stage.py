"""A second stage on the features of a trained network: its last layer is retrained or rescaled.

Features are the inputs of the last layer, with the network in evaluation mode: batch norm and all
other layers stay as the first stage left them, and dropout is off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import LabeledImages, Labels
from equipoise.atomic import JsonObject, JsonValue
from equipoise.data.smote import ALTERNATIVES, MINIMUM, Points, interpolate
from equipoise.discovery import Family, pick, summarize
from equipoise.estimators.fit_request import FitRequest
from equipoise.estimators.relearning import pool_of, relearn
from equipoise.estimators.scoring import channels_last, features_in_chunks, validation_scores
from equipoise.estimators.settings import ClassifierSettings
from equipoise.exceptions import DataError, NoStartError, SettingError
from equipoise.image_rows import select
from equipoise.losses import LOSSES
from equipoise.losses.base import ImbalanceLoss
from equipoise.marked_images import Mask
from equipoise.training.augmentation import augmented
from equipoise.training.batches import ResidentBatches, balanced, natural
from equipoise.training.loop import Batch, History
from equipoise.validation import check_class_sizes

TAUS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True)
class SecondStageResult:
    """The result of a second stage, apart from the network's new last layer.

    Attributes:
        histories: Training histories by name; none where nothing is trained.
        findings: What was chosen or done, as JSON values.
    """

    histories: Mapping[str, History] = field(default_factory=dict)
    findings: JsonObject = field(default_factory=dict)


class StageInputs(Protocol):
    """What a second stage checks before any training: classes, origin, validation images."""

    @property
    def codes(self) -> Labels: ...  # noqa: D102
    @property
    def synthetic(self) -> Mask: ...  # noqa: D102
    @property
    def validation(self) -> LabeledImages | None: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class SecondStage:
    """A second stage.

    Attributes:
        summary: One line for lists.
        run: Changes the last layer of the network, which is in evaluation mode.
        check: Raises for data that it cannot work with, before the first stage begins.
        relearns: Whether the last layer is a new linear one, trained with `relearning.RELEARNED`.
    """

    summary: str
    run: Callable[[nn.Module, ImbalanceLoss, FitRequest], SecondStageResult]
    check: Callable[[StageInputs], object]
    relearns: bool


def crt(network: nn.Module, _loss: ImbalanceLoss, request: FitRequest) -> SecondStageResult:
    """Retrain the last layer on class-balanced batches of real images, augmented as before.

    Source: classifier retraining (cRT), Kang et al. (2020). Ours takes `second_stage_steps` steps
    instead of 10 epochs, and Nesterov's momentum.
    """
    real = ~request.synthetic
    codes = request.codes[real]
    images = ResidentBatches(
        select(request.images, real),
        codes,
        balanced(pool_of(request, codes)),
        span=request.span,
        device=request.device,
    )

    def features(batch: Tensor) -> Tensor:
        with torch.no_grad():
            return request.backbone.features(network, channels_last(batch))

    batches = augmented(images, request.settings.augmentation)
    return SecondStageResult({"head": relearn(network, batches, features, request)})


def tau_norm(network: nn.Module, loss: ImbalanceLoss, request: FitRequest) -> SecondStageResult:
    """Divide the weights of each class by their norm to the power tau, and drop the biases.

    tau is the first of 0, 0.05, ..., 1 with the largest balanced accuracy on the validation images;
    0 only drops the biases. Of two classes the weights are nearly mirror images and equally long,
    so that little else happens.

    Source: tau-normalization, Kang et al. (2020).
    """
    images, codes = validation_of(request)
    head = request.backbone.head_of(network)
    features = features_in_chunks(request.backbone, network, images, request.span)

    def score(tau: float) -> float:
        logits = features @ rescaled(head.weight.detach(), tau).T
        return validation_scores(logits, codes, loss)["balanced_accuracy"]

    tau = float(max(TAUS, key=score))
    with torch.no_grad():
        head.weight.copy_(rescaled(head.weight, tau))
        head.bias.zero_()
    return SecondStageResult(findings={"tau": tau})


def rescaled(weight: Tensor, tau: float) -> Tensor:
    """Return weights (k, d) with each row divided by its norm to the power tau."""
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    return weight / lengths**tau


def interpolated_features(
    method: str, network: nn.Module, _loss: ImbalanceLoss, request: FitRequest
) -> SecondStageResult:
    """Balance the classes with points between features, and retrain the last layer on all.

    The features are those of the unaugmented images, synthetic ones included. A class in whose
    features the method finds no point to start from (on the training images a network separates the
    classes well) is filled up with plain SMOTE; the findings name the method of each class, by its
    code.

    Args:
        method: "smote" (Chawla et al., 2002), "borderline_smote" (Han et al., 2005) or "adasyn" (He
            et al., 2008), here in the space of features.
        network: The network after the first stage.
        request: The fit.
    """
    features = features_in_chunks(request.backbone, network, request.images, request.span).float()
    seed = request.settings.seed
    new, new_codes, methods = fill_up(method, features.cpu().numpy(), request.codes, seed)
    points = torch.cat([features, torch.as_tensor(new, device=request.device)])
    codes = np.concatenate([request.codes, new_codes])
    sampler = natural(pool_of(request, codes))
    codes_on_device = torch.as_tensor(codes, device=request.device)

    def batch(step: int) -> Batch:
        rows = torch.as_tensor(sampler(step), device=request.device)
        return points[rows], codes_on_device[rows]

    history = relearn(network, batch, lambda rows: rows, request)
    return SecondStageResult({"head": history}, {"interpolation": methods})


def fill_up(
    method: str, points: Points, codes: Labels, seed: int
) -> tuple[Points, Labels, dict[str, JsonValue]]:
    """Interpolate points (n, d) until all classes are as large as the largest.

    Returns:
        New points (m, d), their codes (m,), and the method used for each code.
    """
    counts = np.bincount(codes)
    new_points = [points[:0]]
    new_codes = [codes[:0]]
    methods: dict[str, JsonValue] = {}
    for code, n in enumerate(counts.max() - counts):
        if n == 0:
            continue
        used = method
        try:
            class_points, class_codes = interpolate(method, points, codes, {code: n}, seed)
        except NoStartError:
            used = "smote"
            class_points, class_codes = interpolate("smote", points, codes, {code: n}, seed)
        new_points.append(class_points)
        new_codes.append(class_codes)
        methods[str(code)] = used
    return np.concatenate(new_points), np.concatenate(new_codes), methods


def check_second_stage(settings: ClassifierSettings) -> None:
    """Raise unless the second stage is known and can follow the loss.

    Raises:
        SettingError: No such second stage, or one that needs a linear last layer.
    """
    pick(SECOND_STAGES, settings.second_stage, "second stage")
    if settings.second_stage == "tau_norm" and LOSSES[settings.loss].head != "linear":
        raise SettingError(
            "Expected a loss with a linear last layer for second_stage='tau_norm', got "
            f"'{settings.loss}', whose weights have one norm already. Use second_stage='crt'."
        )


def check_real_images(request: StageInputs) -> None:
    """Raise unless every class has a real training image.

    Raises:
        DataError: Says how many classes have none.
    """
    classes = np.unique(request.codes)
    missing = np.setdiff1d(classes, request.codes[~request.synthetic])
    if len(missing):
        raise DataError(
            "Expected real training images of every class for second_stage='crt', which is trained "
            f"on them alone, got none of {len(missing)} classes. Use second_stage='none'."
        )


def validation_of(request: StageInputs) -> LabeledImages:
    """Return the validation images and their codes.

    Raises:
        DataError: There are none.
    """
    if request.validation is None:
        raise DataError(
            "Expected validation images for second_stage='tau_norm', which chooses tau by them, "
            "got none. Hold some out, or use second_stage='crt'."
        )
    return request.validation


def check_class_points(request: StageInputs) -> None:
    """Raise unless every class has enough images to interpolate between.

    Raises:
        DataError: Names the class.
    """
    check_class_sizes(
        request.codes, MINIMUM, method="interpolation of features", alternatives=ALTERNATIVES
    )


SECOND_STAGES: dict[str, SecondStage | None] = {
    "none": None,
    "crt": SecondStage(
        summary="The last layer is retrained on balanced batches of real images.",
        run=crt,
        check=check_real_images,
        relearns=True,
    ),
    "tau_norm": SecondStage(
        summary="The weights of the last layer are rescaled toward equal norms.",
        run=tau_norm,
        check=validation_of,
        relearns=False,
    ),
    "smote_features": SecondStage(
        summary="The last layer is retrained with SMOTE on the features.",
        run=partial(interpolated_features, "smote"),
        check=check_class_points,
        relearns=True,
    ),
    "borderline_smote_features": SecondStage(
        summary="The last layer is retrained with Borderline-SMOTE on the features.",
        run=partial(interpolated_features, "borderline_smote"),
        check=check_class_points,
        relearns=True,
    ),
    "adasyn_features": SecondStage(
        summary="The last layer is retrained with ADASYN on the features.",
        run=partial(interpolated_features, "adasyn"),
        check=check_class_points,
        relearns=True,
    ),
}
FAMILY = Family(
    name="second_stages",
    summary="What follows the training of a classifier.",
    members=SECOND_STAGES,
    line=lambda stage: summarize(stage) or "Nothing follows.",
)
