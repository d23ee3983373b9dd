"""How a patch network does on slices of volumes that it does not learn from."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipoise.data.volume_dataset import VolumeDataset
from equipoise.estimators.sliding import SeenSlice, Slider
from equipoise.losses.base import ImbalanceLoss
from equipoise.losses.regions import DenseLoss
from equipoise.metrics.segmentation import dice

Confusion = NDArray[np.int64]  # (k, k) pixels by true class (row) and predicted class (column)
PatchLoss = ImbalanceLoss | DenseLoss
Places = Mapping[int, Iterable[int]]  # slices of cases, by row


def all_slices(dataset: VolumeDataset) -> dict[int, range]:
    """List every slice of every case."""
    return {row: range(volume.shape[0]) for row, volume in enumerate(dataset.volumes)}


def some_slices(dataset: VolumeDataset, n: int) -> dict[int, list[int]]:
    """Choose n slices evenly over the brains of all cases, and for each region the slice that shows most of it.

    Without the latter a small tumor might lie in none of them, and no weights could be told better than others.
    """
    brain, shown = [], []
    for row in range(len(dataset)):
        _, codes, mask = dataset.arrays(row)
        brain += [(row, int(z)) for z in np.flatnonzero(mask.any(axis=(1, 2)))]
        areas = [np.isin(codes, classes).sum(axis=(1, 2)) for classes in dataset.regions.values()]
        shown.append([(int(area.max()), row, int(area.argmax())) for area in areas])
    places = {brain[(2 * i + 1) * len(brain) // (2 * n)] for i in range(n)} if brain else set()
    places |= {(row, z) for area, row, z in map(max, zip(*shown, strict=True)) if area}
    return {row: sorted(z for r, z in places if r == row) for row in range(len(dataset))}


def count(
    slider: Slider, loss: PatchLoss, dataset: VolumeDataset, places: Places, offsets: Tensor
) -> NDArray[np.int64]:
    """Count (t, k, k) pixels by true and predicted class over slices, for each of (t, k) offsets of the logits.

    Pixels outside the mask are predicted 0, as `Segmenter.predict` does. Those whose class a view of the data
    leaves out do not count.
    """
    total = np.zeros((len(offsets), dataset.k, dataset.k), dtype=np.int64)
    for row, zs in places.items():
        images, codes, mask = dataset.arrays(row)
        kept = codes[list(zs)]
        total[:, :, 0] += np.bincount(
            kept[kept < dataset.k], minlength=dataset.k
        )  # 0 until it has been looked at
        for seen in slider.slices(images, mask, zs):
            total += _moved(seen, loss, codes[seen.z], mask[seen.z], offsets)
    return total


def region_dice(confusion: Confusion, regions: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Give the Dice of each region that occurs in the truth, over all pixels counted."""
    found = {}
    for name, codes in regions.items():
        inside = np.isin(np.arange(len(confusion)), codes)
        tp, fn = confusion[inside][:, inside].sum(), confusion[inside][:, ~inside].sum()
        if tp + fn:
            found[name] = float(dice(tp, confusion[~inside][:, inside].sum(), fn))
    return found


def mean_dice(confusion: Confusion, regions: Mapping[str, Sequence[int]]) -> float:
    """Average the Dice of the regions that occur; NaN where none does."""
    values = list(region_dice(confusion, regions).values())
    return float(np.mean(values)) if values else float("nan")


def decide(logits: Tensor, loss: PatchLoss) -> Tensor:
    """Give the most probable class (n, *spatial) for logits (n, k, *spatial), as the loss means them."""
    return loss.probabilities(logits).argmax(dim=1)


def _moved(
    seen: SeenSlice,
    loss: PatchLoss,
    codes: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    offsets: Tensor,
) -> NDArray[np.int64]:
    """Count the pixels of the mask as they are predicted, and take them away from those predicted 0."""
    t, k = offsets.shape
    inside = mask[seen.box] & (codes[seen.box] < k)
    truth = codes[seen.box][inside].astype(np.int64)
    logits = seen.logits[:, torch.from_numpy(inside).to(seen.logits.device)].T
    moved = np.empty((t, k, k), dtype=np.int64)
    for i, offset in enumerate(offsets):
        predicted = decide(logits + offset, loss).cpu().numpy()
        moved[i] = np.bincount(k * truth + predicted, minlength=k * k).reshape(k, k)
    moved[:, :, 0] -= np.bincount(truth, minlength=k)
    return moved
