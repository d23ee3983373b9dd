"""Undo what a patch sampler did to the class shares: methods 6.6."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.slice_scores import PatchLoss, all_slices, count, mean_dice
from equipoise.estimators.sliding import Slider

TAUS = tuple(round(0.1 * i, 1) for i in range(11))


def prior_offset(prior: ArrayLike, drawn: ArrayLike) -> NDArray[np.float64]:
    """Give log prior - log drawn of each of k classes, what is added to logits times tau.

    A class that has no voxel or was never drawn gets 0: the network has learned that it does not occur.

    Args:
        prior: (k,) shares of the voxels that are to be judged.
        drawn: (k,) shares of the pixels that the network was trained on.

    Source: methods 6.6, there for equal shares of all classes, log prior - log(1 / k).
    """
    prior, drawn = np.asarray(prior, dtype=float), np.asarray(drawn, dtype=float)
    known = (prior > 0) & (drawn > 0)
    ratio = np.divide(prior, drawn, out=np.ones_like(prior), where=known)
    return np.asarray(np.log(ratio))


def tune_tau(
    slider: Slider, loss: PatchLoss, held: VolumeDataset, offset: NDArray[np.float64]
) -> float:
    """Find the tau of 0, 0.1, ..., 1 with the best mean Dice of the regions, over all slices of all held-out cases.

    Dice is pooled over the patients; of equal ones the smallest tau. Returns 1 where no region occurs.
    """
    device = next(slider.network.parameters()).device
    offsets = torch.as_tensor(np.outer(TAUS, offset), dtype=torch.float32, device=device)
    confusions = count(slider, loss, held, all_slices(held), offsets)
    values = [mean_dice(confusion, held.regions) for confusion in confusions]
    return 1.0 if np.isnan(values).any() else TAUS[int(np.argmax(values))]
