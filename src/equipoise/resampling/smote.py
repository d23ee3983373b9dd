"""`SMOTEOversampler`: blend similar images of a class pixel by pixel (SMOTE and its variants).

The interpolation itself is in `equipoise.data.smote`, which works on rows of numbers; this module
adds the memory check, blending in chunks, rounding to the storage type, and saving.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from equipoise.arrays import Images, LabeledImages, Labels, quantize, value_range
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
from equipoise.image_rows import ImageSource
from equipoise.randomness import RandomState
from equipoise.resampling.base import Oversampler, rng_of
from equipoise.resampling.strategy import Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.resampling.fit_cache import Fitted, Results, Tensors

CHUNK = 64  # images blended at a time
# Arrays of up to `BLOCK_BYTES` that the neighbor search holds at once: two of images, their float
# copies, and two of distances.
N_BLOCKS = 6


class SMOTEOversampler(Oversampler):
    """Add images x + u (x' - x): x an image of the class, x' a near one, u uniform in [0, 1).

    Blends are computed in float32 and converted to the type of the training images; in an integer
    type each pixel is within 0.5 of the exact blend. Nothing is trained: `workspace` and
    `validation` are ignored.

    Args:
        sampling_strategy: See `Oversampler`.
        random_state: Of the images that `fit_resample` adds; see `Resampler`.
        kind: Which images become x: "smote" (all equally often), "borderline_smote" (those of which
            half or more, but not all, of the 10 nearest neighbors are of other classes) or "adasyn"
            (more often the more of their neighbors are of other classes).
        k_neighbors: x' is one of the k nearest images of the same class, by Euclidean distance of
            pixels; in a class of k images or fewer it is any other one.

    Source: Chawla et al. (2002), Section 4.2; Han et al. (2005), Borderline-SMOTE1; He et al.
    (2008), ADASYN; see `equipoise.data.smote` for the differences. A blend of two images that are
    not aligned looks like a double exposure, which is why Sun & Li (paper S2 in docs/methods.md)
    doubt SMOTE on pixels. It is here as the baseline that generators have to beat.

    Example:
        >>> images = np.random.default_rng(0).integers(0, 255, (20, 1, 8, 8)).astype(np.uint8)
        >>> labels = np.repeat([0, 1], [12, 8])
        >>> SMOTEOversampler().fit_resample(images, labels)[0].shape
        (24, 1, 8, 8)

    See Also:
        VAEOversampler: Can interpolate in latent space instead of between pixels.
        equipoise.data.smote.interpolate: The same for points of any kind.
    """

    minimum: ClassVar[int] = MINIMUM

    def __init__(
        self,
        *,
        sampling_strategy: Strategy = "auto",
        random_state: RandomState = 0,
        kind: str = "smote",
        k_neighbors: int = K_NEIGHBORS,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy, random_state=random_state)
        self.kind = kind
        self.k_neighbors = k_neighbors

    def check_settings(self, side: int) -> None:
        """See `Resampler.check_settings`."""
        pick(INTERPOLATIONS, self.kind, "interpolation")
        if not self.k_neighbors >= 1:
            raise SettingError(f"Expected k_neighbors of at least 1, got {self.k_neighbors}.")

    def _fit(
        self,
        X: ImageSource,
        codes: Labels,
        validation: LabeledImages | None,
        workspace: Path | None,
    ) -> None:
        self.check_settings(X.shape[-1])
        X = np.asarray(X)
        wanted_codes = np.sort(self._wanted_codes)
        n_blended = int(np.isin(codes, wanted_codes).sum())
        needed = bytes_needed(X, n_blended, sum(self.sampling_strategy_.values()))
        available = psutil.virtual_memory().available
        if needed > available:
            raise DataError(
                f"SMOTE on these images needs about {needed / 2**30:.1f} GiB of memory, but "
                f"only {available / 2**30:.1f} GiB is available. Read the images at a smaller size "
                "(size), add fewer (sampling_strategy), or blend features instead of pixels."
            )
        self.span_ = value_range(X)
        self.images_: dict[int, Images] = {}
        self.neighborhoods_: dict[int, Neighborhood] = {}
        flat = X.reshape(len(X), -1)
        labels = self.classes_[codes]
        for code in wanted_codes.tolist():
            self.neighborhoods_[code] = find_neighborhood(
                self.kind, flat, labels, self._label(code), k_neighbors=self.k_neighbors
            )
            self.images_[code] = X[codes == code]

    @property
    def generated_classes_(self) -> NDArray[Any]:
        """The labels of which images can be generated: those that needed images in `fit`."""
        self._check_fitted()
        return self.classes_[sorted(self.neighborhoods_)]

    def _generate(self, codes: Labels, seed: int) -> Images:
        return self._generate_by_class(codes, partial(self._images_of, seed=seed))

    def _images_of(self, code: int, rows: NDArray[np.int64], *, seed: int) -> Images:
        """Blend one new image (*shape_) of class `code` for each of `rows`, `CHUNK` at a time."""
        label = self._label(code)
        if code not in self.neighborhoods_:
            raise DataError(
                f"Nothing was learned about class {label}, because that class did not need more "
                "images. Name it in sampling_strategy."
            )
        flat = self.images_[code].reshape(len(self.images_[code]), -1)
        rng = rng_of(seed, f"smote {label}")
        segments = draw_segments(self.neighborhoods_[code], len(rows), rng)
        images = np.empty((len(rows), *self.shape_), dtype=self.dtype_)
        low, high = self.span_
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            unit = (segments[chunk].points(flat) - low) / (high - low)
            images[chunk] = quantize(unit, self.dtype_, self.span_).reshape(-1, *self.shape_)
        return images

    def _state(self) -> "Fitted":
        import torch

        tensors: dict[str, Tensor] = {}
        for code, neighborhood in self.neighborhoods_.items():
            as_bytes = self.images_[code].view(np.uint8)  # older torch versions have no uint16
            tensors[f"{code}/images"] = torch.from_numpy(as_bytes)
            tensors[f"{code}/weights"] = torch.from_numpy(neighborhood.weights)
            tensors[f"{code}/neighbors"] = torch.from_numpy(neighborhood.neighbors)
        return tensors, {"span": self.span_}

    def _set_state(self, tensors: "Tensors", results: "Results") -> None:
        low, high = results["span"]
        self.span_ = float(low), float(high)
        self.images_ = {}
        self.neighborhoods_ = {}
        for code in sorted({int(name.partition("/")[0]) for name in tensors}):
            self.images_[code] = tensors[f"{code}/images"].numpy().view(self.dtype_)
            self.neighborhoods_[code] = Neighborhood(
                tensors[f"{code}/weights"].numpy(), tensors[f"{code}/neighbors"].numpy()
            )


def bytes_needed(X: Images, n_blended: int, n_new: int) -> int:
    """Estimate the memory, in bytes, that `fit_resample` needs in addition to `X`.

    Counted are copies of the images to blend, the new images twice (alone, and appended to the
    originals), a copy of the originals, and the blocks of the neighbor search, of which none is
    larger than all images in float32.

    Args:
        X: (n, c, *spatial) training images.
        n_blended: Training images of the classes that need more.
        n_new: Images to add.
    """
    n_copies = n_blended + 2 * n_new + len(X)
    return X[:1].nbytes * n_copies + N_BLOCKS * min(BLOCK_BYTES, 4 * X.size)
