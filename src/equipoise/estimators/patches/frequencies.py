"""How often each class was drawn, against how often it was asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.estimators.patches.base import Classes, Shares


class Frequencies:
    """Counts drawn voxels and pixels of patches by class; pixels that a view leaves out (-1) are not counted.

    A balanced sampler balances the drawn voxels only: around a tumor voxel most pixels of a patch are healthy, so
    in dense mode a network still sees few tumor pixels (methods 6.2).

    Args:
        class_names: k names.
        asked: (k,) shares that the sampler aims at (`PatchSampler.shares`).
    """

    def __init__(self, class_names: Sequence[str], asked: Shares) -> None:
        self.class_names = tuple(class_names)
        self.asked = np.asarray(asked, dtype=np.float64)
        self.drawn = np.zeros(len(self.class_names), dtype=np.int64)
        self.pixels = np.zeros(len(self.class_names), dtype=np.int64)

    def add(self, classes: Classes, targets: NDArray[np.int64] | None = None) -> None:
        """Count the drawn voxels (n,) of a step and, where targets (n, s, s) are given, pixels of its patches."""
        self.drawn += self._count(classes)
        if targets is not None:
            self.pixels += self._count(targets)

    def merge(self, other: "Frequencies") -> None:
        """Add what another one counted."""
        self.drawn += other.drawn
        self.pixels += other.pixels

    @property
    def shares(self) -> Shares:
        """Achieved shares (k,) of drawn voxels; NaN before the first."""
        return _shares(self.drawn)

    def rows(self) -> list[dict[str, Any]]:
        """Give a row per class for a CSV: class, asked_share, drawn, drawn_share, pixels, pixel_share.

        Shares are NaN where nothing was counted.
        """
        columns = {
            "class": self.class_names,
            "asked_share": self.asked.tolist(),
            "drawn": self.drawn.tolist(),
            "drawn_share": self.shares.tolist(),
            "pixels": self.pixels.tolist(),
            "pixel_share": _shares(self.pixels).tolist(),
        }
        return [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Give the counts."""
        return {
            "drawn": torch.from_numpy(self.drawn.copy()),
            "pixels": torch.from_numpy(self.pixels.copy()),
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from stored counts."""
        self.drawn, self.pixels = (state[name].cpu().numpy().copy() for name in ("drawn", "pixels"))

    def _count(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(classes.ravel() + 1, minlength=len(self.class_names) + 1)[1:]


def _shares(counts: NDArray[np.int64]) -> Shares:
    total = int(counts.sum())
    return np.asarray(counts / total if total else np.full(len(counts), np.nan))
