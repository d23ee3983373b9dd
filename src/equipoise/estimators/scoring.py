"""Predictions of a network in bounded memory, and its scores on validation images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Labels, Scores, ValueRange
from equipoise.exceptions import DivergedError
from equipoise.image_rows import ImageSource
from equipoise.losses.base import ImbalanceLoss
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import aurocs, recalls
from equipoise.networks.backbone import Backbone
from equipoise.training.batches import resident, to_unit

CHUNK = 2**18  # pixels (images x h x w) per forward pass, which bounds the memory


def logits_of(network: nn.Module, images: ImageSource, span: ValueRange) -> Tensor:
    """Return the logits (n, k) of images (n, c, h, w) in storage type, on the network's device.

    The network is in evaluation mode meanwhile.
    """
    return _in_chunks(network, network, images, span)


def features_in_chunks(
    backbone: Backbone, network: nn.Module, images: ImageSource, span: ValueRange
) -> Tensor:
    """Return the inputs (n, d) of the last layer of a network, on its device; see `logits_of`."""
    return _in_chunks(network, partial(backbone.features, network), images, span)


@torch.no_grad()
def _in_chunks(
    network: nn.Module, function: Callable[[Tensor], Tensor], images: ImageSource, span: ValueRange
) -> Tensor:
    device = next(network.parameters()).device
    rows = max(1, CHUNK // (images.shape[2] * images.shape[3]))
    outputs = []
    with evaluating(network):
        for start in range(0, len(images), rows):
            chunk = to_unit(resident(images[start : start + rows], device), span)
            outputs.append(function(channels_last(chunk)))
    return torch.cat(outputs)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Switch a network to evaluation mode inside the context; then each layer to its mode before.

    Layers may differ: frozen batch norms stay in evaluation mode while the others are trained.
    """
    in_training = [layer for layer in network.modules() if layer.training]
    network.eval()
    try:
        yield
    finally:
        for layer in in_training:
            layer.training = True


def channels_last(images: Tensor) -> Tensor:
    """Return a batch in the memory layout in which convolutions are faster."""
    return images.contiguous(memory_format=torch.channels_last)


def probabilities(logits: Tensor, loss: ImbalanceLoss) -> Scores:
    """Return the probabilities (n, k) of logits by the loss: float64, computed on the CPU."""
    scores: Scores = deepcopy(loss).cpu().probabilities(logits.cpu().double()).numpy()
    return scores


def validation_scores(logits: Tensor, codes: Labels, loss: ImbalanceLoss) -> dict[str, float]:
    """Return loss, accuracy, balanced accuracy and, if two classes occur, AUROC.

    Balanced accuracy and AUROC are means over the classes that occur. A metric of `metrics` is NaN
    without a class, because runs with different classes are not comparable; here all evaluations of
    one fit see the same classes, and weights have to be chosen in any case.

    Args:
        logits: (n, k) of validation images.
        codes: (n,) their classes.
        loss: Training loss.

    Raises:
        DivergedError: The logits are not finite.
    """
    if not torch.isfinite(logits).all():
        raise DivergedError(
            "The logits of the validation images are not finite. Lower the learning rate."
        )
    predictions = Predictions(y_true=codes, y_score=probabilities(logits, loss), positive=0)
    scores = {
        "loss": float(loss(logits, torch.as_tensor(codes, device=logits.device))),
        "balanced_accuracy": float(np.nanmean(recalls(predictions))),
        "accuracy": float((predictions.y_score.argmax(axis=1) == codes).mean()),
    }
    ranking = aurocs(predictions)
    if not np.isnan(ranking).all():
        scores["auroc"] = float(np.nanmean(ranking))
    return scores
