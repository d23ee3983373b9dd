"""How often each class was drawn, compared with the sampler's target shares."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.estimators.patches.base import Classes, Shares

FrequencyRow = TypedDict(  # a row of frequencies.csv
    "FrequencyRow",
    {
        "class": str,
        "asked_share": float,
        "drawn": int,
        "drawn_share": float,
        "pixels": int,
        "pixel_share": float,
    },
)


class Frequencies:
    """Counts sampled voxels and patch pixels by class, except pixels that a view leaves out (-1).

    A balanced sampler balances the sampled voxels only: around a tumor voxel most pixels of a patch
    are healthy, so that a dense network still sees few tumor pixels.

    Args:
        class_names: k names.
        targets: (k,) target shares (`PatchSampler.shares`).

    Attributes:
        voxels: (k,) sampled voxels.
        pixels: (k,) pixels of the patches around them; 0 where only centers have labels.
    """

    def __init__(self, class_names: Sequence[str], targets: Shares) -> None:
        self.class_names = tuple(class_names)
        self.targets = np.asarray(targets, dtype=np.float64)
        self.voxels = np.zeros(len(self.class_names), dtype=np.int64)
        self.pixels = np.zeros(len(self.class_names), dtype=np.int64)

    def add(self, classes: Classes, labels: NDArray[np.int64] | None = None) -> None:
        """Count the sampled voxels (n,) of a step, and the pixels of labels (n, s, s) if any."""
        self.voxels += self._count(classes)
        if labels is not None:
            self.pixels += self._count(labels)

    def merge(self, other: "Frequencies") -> None:
        """Add the counts of another one."""
        self.voxels += other.voxels
        self.pixels += other.pixels

    @property
    def shares(self) -> Shares:
        """Observed shares (k,) of the sampled voxels; NaN before the first."""
        return _shares(self.voxels)

    def rows(self) -> list[FrequencyRow]:
        """Return one CSV row per class.

        The columns are class, asked_share, drawn, drawn_share, pixels, pixel_share; shares are NaN
        where nothing was counted.
        """
        voxel_shares = self.shares
        pixel_shares = _shares(self.pixels)
        rows: list[FrequencyRow] = []
        for code, name in enumerate(self.class_names):
            row: FrequencyRow = {
                "class": name,
                "asked_share": float(self.targets[code]),
                "drawn": int(self.voxels[code]),
                "drawn_share": float(voxel_shares[code]),
                "pixels": int(self.pixels[code]),
                "pixel_share": float(pixel_shares[code]),
            }
            rows.append(row)
        return rows

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return copies of the counts."""
        return {
            "drawn": torch.from_numpy(self.voxels.copy()),
            "pixels": torch.from_numpy(self.pixels.copy()),
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from stored counts."""
        self.voxels = state["drawn"].cpu().numpy().copy()
        self.pixels = state["pixels"].cpu().numpy().copy()

    def _count(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(classes.ravel() + 1, minlength=len(self.class_names) + 1)[1:]


def _shares(counts: NDArray[np.int64]) -> Shares:
    total = int(counts.sum())
    return np.asarray(counts / total if total else np.full(len(counts), np.nan))
