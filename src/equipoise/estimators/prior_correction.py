"""Correct logits for the class shares that a patch sampler changed."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.slice_scores import PatchLoss, all_slices, count_pixels, mean_dice
from equipoise.estimators.sliding import SlidingPredictor

TAUS = tuple(round(0.1 * i, 1) for i in range(11))


def prior_offset(prior: ArrayLike, training_shares: ArrayLike) -> NDArray[np.float64]:
    """Return log(prior) - log(training share) of each of k classes; tau times it corrects logits.

    A class without a voxel, or one that was never drawn, gets 0: the network has learned that it
    does not occur.

    Args:
        prior: (k,) shares of the voxels to be segmented.
        training_shares: (k,) shares of the pixels that the network was trained on.

    Source: Saerens et al. (2002); with equal training shares it is logit adjustment (Menon et al.,
    2021), log(prior) - log(1 / k).

    Example:
        >>> prior_offset([0.9, 0.1], [0.5, 0.5]).round(3).tolist()
        [0.588, -1.609]
    """
    prior = np.asarray(prior, dtype=float)
    training_shares = np.asarray(training_shares, dtype=float)
    defined = (prior > 0) & (training_shares > 0)
    ratio = np.divide(prior, training_shares, out=np.ones_like(prior), where=defined)
    return np.asarray(np.log(ratio))


def tune_tau(
    predictor: SlidingPredictor,
    loss: PatchLoss,
    validation: VolumeDataset,
    offset: NDArray[np.float64],
) -> float:
    """Return the tau of 0, 0.1, ..., 1 with the best mean Dice of the regions, on all slices.

    Dice is pooled over the validation cases; ties go to the smallest tau. Returns 1 where no region
    occurs.
    """
    device = next(predictor.network.parameters()).device
    offsets = torch.as_tensor(np.outer(TAUS, offset), dtype=torch.float32, device=device)
    confusions = count_pixels(predictor, loss, validation, all_slices(validation), offsets)
    scores = [mean_dice(confusion, validation.regions) for confusion in confusions]
    return 1.0 if np.isnan(scores).any() else TAUS[int(np.argmax(scores))]
