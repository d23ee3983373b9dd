"""Validation of a patch network: confusion matrices and Dice of whole slices."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.sliding import SliceLogits, SlidingPredictor
from equipoise.losses.base import ImbalanceLoss
from equipoise.losses.regions import DenseLoss
from equipoise.metrics.segmentation import dice

Confusion = NDArray[np.int64]  # (k, k) pixels by true class (row) and predicted class (column)
PatchLoss = ImbalanceLoss | DenseLoss
SlicesOfCases = Mapping[int, Iterable[int]]  # row of the case -> its slices


def all_slices(dataset: VolumeDataset) -> dict[int, range]:
    """Return every slice of every case."""
    return {row: range(volume.shape[0]) for row, volume in enumerate(dataset.volumes)}


def validation_slices(dataset: VolumeDataset, n: int) -> dict[int, list[int]]:
    """Choose n slices evenly over the brains of all cases, and for each region its largest slice.

    Without the latter, no slice might show a small tumor, and all weights would get the same score.
    """
    brain_slices: list[tuple[int, int]] = []  # (row, z)
    largest: dict[str, tuple[int, int, int]] = {}  # region -> (area, row, z)
    for row in range(len(dataset)):
        _, codes, mask = dataset.arrays(row)
        for z in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
            brain_slices.append((row, z))
        for name, classes in dataset.regions.items():
            areas = np.isin(codes, classes).sum(axis=(1, 2))  # (z,)
            z = int(areas.argmax())
            candidate = (int(areas[z]), row, z)
            largest[name] = max(largest.get(name, candidate), candidate)
    chosen: set[tuple[int, int]] = set()
    if brain_slices:
        for i in range(n):
            chosen.add(brain_slices[(2 * i + 1) * len(brain_slices) // (2 * n)])
    for area, row, z in largest.values():
        if area:
            chosen.add((row, z))
    slices: dict[int, list[int]] = {row: [] for row in range(len(dataset))}
    for row, z in sorted(chosen):
        slices[row].append(z)
    return slices


def count_pixels(
    predictor: SlidingPredictor,
    loss: PatchLoss,
    dataset: VolumeDataset,
    slices: SlicesOfCases,
    offsets: Tensor,
) -> NDArray[np.int64]:
    """Count (t, k, k) pixels by true and predicted class, for each of (t, k) offsets of the logits.

    Pixels outside the mask are predicted 0, as in `Segmenter.predict`. Those whose class a view of
    the data leaves out do not count.
    """
    total = np.zeros((len(offsets), dataset.k, dataset.k), dtype=np.int64)
    for row, zs in slices.items():
        images, codes, mask = dataset.arrays(row)
        true = codes[list(zs)]
        # everything counts as predicted 0 until its slice is predicted
        total[:, :, 0] += np.bincount(true[true < dataset.k], minlength=dataset.k)
        for part in predictor.slices(images, mask, zs):
            total += _corrections(part, loss, codes[part.z], mask[part.z], offsets)
    return total


def region_dice(confusion: Confusion, regions: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return the Dice of each region that occurs in the truth, over all pixels counted."""
    scores = {}
    for name, codes in regions.items():
        inside = np.isin(np.arange(len(confusion)), codes)
        tp = confusion[inside][:, inside].sum()
        fn = confusion[inside][:, ~inside].sum()
        fp = confusion[~inside][:, inside].sum()
        if tp + fn:
            scores[name] = float(dice(tp, fp, fn))
    return scores


def mean_dice(confusion: Confusion, regions: Mapping[str, Sequence[int]]) -> float:
    """Return the mean Dice of the regions that occur; NaN where none does."""
    scores = list(region_dice(confusion, regions).values())
    return float(np.mean(scores)) if scores else float("nan")


def most_probable(logits: Tensor, loss: PatchLoss) -> Tensor:
    """Return the class (n, *spatial) with the largest probability, for logits (n, k, *spatial)."""
    return loss.probabilities(logits).argmax(dim=1)


def _corrections(
    part: SliceLogits,
    loss: PatchLoss,
    codes: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    offsets: Tensor,
) -> NDArray[np.int64]:
    """Count the masked pixels of a slice by predicted class, minus what was counted as 0."""
    t, k = offsets.shape
    inside = mask[part.box] & (codes[part.box] < k)
    truth = codes[part.box][inside].astype(np.int64)
    logits = part.logits[:, torch.from_numpy(inside).to(part.logits.device)].T  # (pixels, k)
    counts = np.empty((t, k, k), dtype=np.int64)
    for i, offset in enumerate(offsets):
        predicted = most_probable(logits + offset, loss).cpu().numpy()
        counts[i] = np.bincount(k * truth + predicted, minlength=k * k).reshape(k, k)
    counts[:, :, 0] -= np.bincount(truth, minlength=k)
    return counts
