"""A second stage on the features of a trained network: its last layer is learned again, or rescaled.

Features are what goes into the last layer, with the network in evaluation: batch norm and all other layers stay as
the first stage left them, and dropout is off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Labels
from equipoise.data.smote import ALTERNATIVES, MINIMUM, Points, interpolate
from equipoise.discovery import Family
from equipoise.estimators.fit_request import Held, Task
from equipoise.estimators.relearning import pool_of, relearn
from equipoise.estimators.scoring import channels_last, features_in_chunks, held_out_scores
from equipoise.exceptions import DataError, NoStartError
from equipoise.losses.base import ImbalanceLoss
from equipoise.training.augmentation import augmented
from equipoise.training.batches import BatchSampler, ResidentBatches, balanced, natural
from equipoise.training.loop import Batch, Batches, History
from equipoise.validation import check_class_sizes

TAUS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True)
class Second:
    """What a second stage leaves behind, apart from the network's new last layer.

    Attributes:
        histories: What its training recorded, where it trains, by name.
        facts: What it found, as JSON values.
    """

    histories: Mapping[str, History] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SecondStage:
    """A second stage.

    Attributes:
        summary: One line for lists.
        run: Changes the last layer of the network, which is in evaluation.
        check: Refuses data that it cannot work with, before the first stage begins.
        relearns: Whether the last layer is a new linear one, learned by `relearning.RELEARNED`.
    """

    summary: str
    run: Callable[[nn.Module, ImbalanceLoss, Task], Second]
    check: Callable[[Task], object]
    relearns: bool


def crt(network: nn.Module, _loss: ImbalanceLoss, task: Task) -> Second:
    """Learn a new last layer on class-balanced batches of real images, augmented as in the first stage.

    Source: methods 2.7 and A.8; Kang et al. 2020 (arXiv 1910.09217). Steps are those of `second_stage_steps`
    instead of 10 epochs, and the momentum is Nesterov's.
    """
    real = ~task.synthetic
    sampler = balanced(pool_of(task, task.codes[real]))
    images = ResidentBatches(
        task.images[real], task.codes[real], sampler, span=task.span, device=task.device
    )

    def features(batch: Tensor) -> Tensor:
        with torch.no_grad():
            return task.backbone.features(network, channels_last(batch))

    return Second(
        {"head": relearn(network, augmented(images, task.asked["augmentation"]), features, task)}
    )


def tau_norm(network: nn.Module, loss: ImbalanceLoss, task: Task) -> Second:
    """Divide the weights of each class by their length to the power tau, and drop the biases.

    tau is the first of 0, 0.05, ..., 1 with the largest balanced accuracy on the validation images; 0 only drops
    the biases. Of two classes the weights are nearly mirror images and of one length, so that little else happens.

    Source: methods 2.7; Kang et al. 2020.
    """
    images, codes = _held(task)
    head = task.backbone.head_of(network)
    features = features_in_chunks(task.backbone, network, images, task.span)

    def score(tau: float) -> float:
        logits = features @ rescaled(head.weight.detach(), tau).T
        return held_out_scores(logits, codes, loss)["balanced_accuracy"]

    tau = float(max(TAUS, key=score))
    with torch.no_grad():
        head.weight.copy_(rescaled(head.weight, tau))
        head.bias.zero_()
    return Second(facts={"tau": tau})


def rescaled(weight: Tensor, tau: float) -> Tensor:
    """Divide the rows of weights (k, d) by their lengths to the power tau."""
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    return weight / lengths**tau


def interpolated_features(
    name: str, network: nn.Module, _loss: ImbalanceLoss, task: Task
) -> Second:
    """Fill the classes up with points between features of their images, then learn a new last layer on all.

    The features are those of the images as they are, synthetic ones included, without augmentation. A class whose
    features lie where the method finds no point to start from (on the training images a network tells classes
    apart well) is filled up with plain SMOTE; `facts` say which way each class, by its code, went.

    Source: methods 2.6 (embedding space).
    """
    features = features_in_chunks(task.backbone, network, task.images, task.span).float()
    new, new_codes, ways = _new_points(name, features.cpu().numpy(), task.codes, task.asked["seed"])
    points = torch.cat([features, torch.as_tensor(new, device=task.device)])
    codes = np.concatenate([task.codes, new_codes])
    batches = _rows_of(
        points, torch.as_tensor(codes, device=task.device), natural(pool_of(task, codes))
    )
    return Second(
        {"head": relearn(network, batches, lambda batch: batch, task)}, {"interpolation": ways}
    )


def _new_points(
    name: str, flat: Points, codes: Labels, seed: int
) -> tuple[Points, Labels, dict[str, str]]:
    counts = np.bincount(codes)
    found, ways = [(flat[:0], codes[:0])], {}
    for code, n in enumerate(counts.max() - counts):
        if n == 0:
            continue
        try:
            found.append(interpolate(name, flat, codes, {code: n}, seed))
            ways[str(code)] = name
        except NoStartError:
            found.append(interpolate("smote", flat, codes, {code: n}, seed))
            ways[str(code)] = "smote"
    points, labels = zip(*found, strict=True)
    return np.concatenate(points), np.concatenate(labels), ways


def _rows_of(points: Tensor, codes: Tensor, sampler: BatchSampler) -> Batches:
    def batch(step: int) -> Batch:
        rows = torch.as_tensor(sampler(step), device=points.device)
        return points[rows], codes[rows]

    return batch


def _check_real(task: Task) -> None:
    if missing := set(task.codes.tolist()) - set(task.codes[~task.synthetic].tolist()):
        raise DataError(
            f"Expected real training images of every class for second_stage='crt', which learns from no others, "
            f"got none of {len(missing)} classes. Use second_stage='none'."
        )


def _held(task: Task) -> Held:
    if task.held is None:
        raise DataError(
            "Expected validation images for second_stage='tau_norm', which chooses tau by them, got none. Hold "
            "some out, or use second_stage='crt'."
        )
    return task.held


def _check_points(task: Task) -> None:
    check_class_sizes(
        task.codes, MINIMUM, method="interpolation of features", alternatives=ALTERNATIVES
    )


def _features(name: str, summary: str) -> SecondStage:
    run = partial(interpolated_features, name)
    return SecondStage(summary=summary, run=run, check=_check_points, relearns=True)


SECOND_STAGES: dict[str, SecondStage | None] = {
    "none": None,
    "crt": SecondStage(
        summary="The last layer is learned again on balanced batches of real images.",
        run=crt,
        check=_check_real,
        relearns=True,
    ),
    "tau_norm": SecondStage(
        summary="The weights of the last layer are brought nearer to one length.",
        run=tau_norm,
        check=_held,
        relearns=False,
    ),
    "smote_features": _features(
        "smote", "The last layer is learned again with SMOTE on the features."
    ),
    "borderline_smote_features": _features(
        "borderline_smote", "The last layer is learned again with Borderline-SMOTE on the features."
    ),
    "adasyn_features": _features(
        "adasyn", "The last layer is learned again with ADASYN on the features."
    ),
}
FAMILY = Family(
    name="second_stages",
    summary="What follows the training of a classifier.",
    members=SECOND_STAGES,
)
