"""Blends of near images of one class, pixel by pixel: SMOTE, Borderline-SMOTE and ADASYN as baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from equipoise.arrays import Images, Labels, quantize, value_range
from equipoise.data.smote import (
    BLOCK_BYTES,
    INTERPOLATIONS,
    K_NEIGHBORS,
    MINIMUM,
    Neighborhood,
    draw_segments,
    find_neighborhood,
)
from equipoise.discovery import pick
from equipoise.exceptions import DataError, SettingError
from equipoise.resampling.base import LabeledImages, Oversampler, Strategy, rng_of

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 64  # images blended at a time
N_BLOCKS = 6  # of `BLOCK_BYTES` that a search holds at once: two of images, their conversions and distances


class SMOTEOversampler(Oversampler):
    """Adds images x + u (x' - x): x an image of the class, x' a near one of the class, u uniform in [0, 1).

    All blending is in float32, rounded to the training images' type: an image of whole numbers lies within 0.5 of
    the segment. Nothing is trained, so a fit that is killed starts anew; the same images need no workspace.

    Args:
        sampling_strategy: See `Oversampler`.
        seed: Seed of the images that `fit_resample` adds.
        kind: Which images are blended: "smote" (all alike), "borderline_smote" (those among other classes) or
            "adasyn" (the more, the more neighbors are of other classes).
        k_neighbors: Images of the same class that may be x', by Euclidean distance of pixels; all others where a
            class has fewer.

    Source: methods 2.6 and `data.interpolation`. Paper S2 doubts SMOTE in pixel space rightly: a blend of two
    images that are not aligned is a double exposure. It is here as the baseline that generators have to beat.
    """

    minimum: ClassVar[int] = MINIMUM

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        seed: int = 0,
        kind: str = "smote",
        k_neighbors: int = K_NEIGHBORS,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, seed=seed)
        self.kind = kind
        self.k_neighbors = k_neighbors

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        pick(INTERPOLATIONS, self.kind, "interpolation")
        if not self.k_neighbors >= 1:
            raise SettingError(f"Expected k_neighbors of at least 1, got {self.k_neighbors}.")

    def _fit(
        self, X: Images, codes: Labels, validation: LabeledImages | None, workspace: Path | None
    ) -> None:
        self.check_settings(X.shape[-1])
        growing = np.flatnonzero(np.isin(self.classes_, list(self.wanted_)))
        _check_memory(
            bytes_needed(X, int(np.isin(codes, growing).sum()), sum(self.wanted_.values()))
        )
        self.span_ = value_range(X)
        self.images_: dict[int, Images] = {}
        self.neighborhoods_: dict[int, Neighborhood] = {}
        flat = X.reshape(len(X), -1)
        labels = self.classes_[codes]
        for code in growing.tolist():
            self.neighborhoods_[code] = find_neighborhood(
                self.kind, flat, labels, int(self.classes_[code]), k_neighbors=self.k_neighbors
            )
            self.images_[code] = X[codes == code]

    def _generate(self, codes: Labels, seed: int) -> Images:
        images = np.empty((len(codes), *self.shape_), dtype=self.dtype_)
        for code in np.unique(codes).tolist():
            self._blend(code, images, np.flatnonzero(codes == code), seed)
        return images

    def _blend(self, code: int, images: Images, rows: Labels, seed: int) -> None:
        """Fill those rows of `images` with new ones of one class."""
        label = int(self.classes_[code])
        if code not in self.neighborhoods_:
            raise DataError(
                f"Nothing was learned about class {label}, which had not to grow. Name it in sampling_strategy."
            )
        flat = self.images_[code].reshape(len(self.images_[code]), -1)
        lines = draw_segments(self.neighborhoods_[code], len(rows), rng_of(seed, f"smote {label}"))
        low, high = self.span_
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            unit = (lines[part].points(flat) - low) / (high - low)
            images[rows[part]] = quantize(unit, self.dtype_, self.span_).reshape(-1, *self.shape_)

    def _state(self) -> tuple[Mapping[str, "Tensor"], Mapping[str, Any]]:
        import torch

        arrays: dict[str, NDArray[Any]] = {}
        for code, neighborhood in self.neighborhoods_.items():
            arrays[f"{code}/images"] = self.images_[code].view(
                np.uint8
            )  # bytes: not every torch knows uint16
            arrays[f"{code}/weights"] = neighborhood.weights
            arrays[f"{code}/neighbors"] = neighborhood.neighbors
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, {
            "span": self.span_
        }

    def _set_state(self, tensors: Mapping[str, "Tensor"], facts: Mapping[str, Any]) -> None:
        low, high = facts["span"]
        self.span_ = float(low), float(high)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        codes = sorted({int(name.partition("/")[0]) for name in arrays})
        self.images_ = {code: arrays[f"{code}/images"].view(self.dtype_) for code in codes}
        self.neighborhoods_ = {
            code: Neighborhood(arrays[f"{code}/weights"], arrays[f"{code}/neighbors"])
            for code in codes
        }


def bytes_needed(X: Images, n_growing: int, n_new: int) -> int:
    """Estimate the memory of a fit and its result beyond `X`: copies of the images that are blended, the new images
    twice (alone, and behind the originals), the originals again, and the blocks of the search for neighbors.
    """  # noqa: D205
    return X[:1].nbytes * (n_growing + 2 * n_new + len(X)) + N_BLOCKS * min(BLOCK_BYTES, 4 * X.size)


def _check_memory(needed: int) -> None:
    """Refuse before anything is computed what would not fit."""
    available = psutil.virtual_memory().available
    if needed > available:
        raise DataError(
            f"SMOTE on these images needs about {needed / 2**30:.1f} GiB and {available / 2**30:.1f} GiB of memory "
            "are free. Read the images smaller (size), ask for fewer new ones (sampling_strategy), or blend "
            "features instead of pixels."
        )
