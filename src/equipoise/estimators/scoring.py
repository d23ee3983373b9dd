"""How a network does on images that it does not learn from."""

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Images, Labels, Scores, ValueRange
from equipoise.exceptions import DivergedError
from equipoise.metrics.base import Predictions
from equipoise.metrics.classification import aurocs, recalls
from equipoise.training.batches import resident, to_unit

CHUNK = 2**18  # pixels (images x h x w) that pass the network at once, so that memory does not grow with n


@torch.no_grad()
def logits_of(network: nn.Module, images: Images, span: ValueRange) -> Tensor:
    """Pass images (n, c, h, w) in storage type through a network in evaluation mode; (n, k) on its device."""
    device = next(network.parameters()).device
    training = network.training
    network.eval()
    rows = max(1, CHUNK // (images.shape[2] * images.shape[3]))
    chunks = (images[start : start + rows] for start in range(0, len(images), rows))
    logits = torch.cat([network(channels_last(to_unit(resident(chunk, device), span))) for chunk in chunks])
    network.train(training)
    return logits


def channels_last(images: Tensor) -> Tensor:
    """Lay a batch out pixel by pixel, which convolutions are faster on."""
    return images.contiguous(memory_format=torch.channels_last)


def probabilities(logits: Tensor) -> Scores:
    """Turn logits (n, k) into float64 rows that sum to 1."""
    scores: Scores = logits.cpu().double().softmax(dim=1).numpy()
    return scores


def held_out_scores(logits: Tensor, codes: Labels, loss: nn.Module) -> dict[str, float]:
    """Give the loss, the balanced accuracy over the classes that occur and, if all do, the mean AUROC.

    Raises:
        DivergedError: The logits are not finite.
    """
    if not torch.isfinite(logits).all():
        raise DivergedError("The logits of the validation images are not finite. Lower the learning rate.")
    predictions = Predictions(y_true=codes, y_score=probabilities(logits), positive=0)
    found = {
        "loss": float(loss(logits, torch.as_tensor(codes, device=logits.device))),
        "balanced_accuracy": float(np.nanmean(recalls(predictions))),
        "auroc": float(aurocs(predictions).mean()),
    }
    return {name: value for name, value in found.items() if not np.isnan(value)}
