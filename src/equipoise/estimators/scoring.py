"""How a network does on images that it does not learn from."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Images, Labels, Scores, ValueRange
from equipoise.exceptions import DivergedError
from equipoise.losses.base import ImbalanceLoss
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import aurocs, recalls
from equipoise.networks.backbone import Backbone
from equipoise.training.batches import resident, to_unit

CHUNK = (
    2**18
)  # pixels (images x h x w) that pass the network at once, so that memory does not grow with n


def logits_of(network: nn.Module, images: Images, span: ValueRange) -> Tensor:
    """Pass images (n, c, h, w) in storage type through a network in evaluation mode; (n, k) on its device."""
    return _in_chunks(network, network, images, span)


def features_in_chunks(
    backbone: Backbone, network: nn.Module, images: Images, span: ValueRange
) -> Tensor:
    """Give what goes into the last layer of a network in evaluation mode, (n, d) on its device."""
    return _in_chunks(network, partial(backbone.features, network), images, span)


@torch.no_grad()
def _in_chunks(
    network: nn.Module, through: Callable[[Tensor], Tensor], images: Images, span: ValueRange
) -> Tensor:
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    rows = max(1, CHUNK // (images.shape[2] * images.shape[3]))
    chunks = (images[start : start + rows] for start in range(0, len(images), rows))
    found = torch.cat(
        [through(channels_last(to_unit(resident(chunk, device), span))) for chunk in chunks]
    )
    network.train(training)
    return found


def channels_last(images: Tensor) -> Tensor:
    """Lay a batch out pixel by pixel, which convolutions are faster on."""
    return images.contiguous(memory_format=torch.channels_last)


def probabilities(logits: Tensor, loss: ImbalanceLoss) -> Scores:
    """Turn logits (n, k) into float64 rows that sum to 1, as the loss means them; computed on the processor."""
    scores: Scores = deepcopy(loss).cpu().probabilities(logits.cpu().double()).numpy()
    return scores


def held_out_scores(logits: Tensor, codes: Labels, loss: ImbalanceLoss) -> dict[str, float]:
    """Give the loss, both accuracies (balanced over the classes that occur) and, if all do, the mean AUROC.

    A metric of `metrics` is NaN without a class, because runs with other classes are not to be compared. Here the
    looks of one fit are, which all see the same classes, and weights have to be chosen without the class too.

    Raises:
        DivergedError: The logits are not finite.
    """
    if not torch.isfinite(logits).all():
        raise DivergedError(
            "The logits of the validation images are not finite. Lower the learning rate."
        )
    predictions = Predictions(y_true=codes, y_score=probabilities(logits, loss), positive=0)
    found = {
        "loss": float(loss(logits, torch.as_tensor(codes, device=logits.device))),
        "balanced_accuracy": float(np.nanmean(recalls(predictions))),
        "accuracy": float((predictions.y_score.argmax(axis=1) == codes).mean()),
        "auroc": float(aurocs(predictions).mean()),
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}
