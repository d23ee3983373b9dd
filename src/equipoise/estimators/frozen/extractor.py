"""Features of images in several views, computed by a frozen network once and cached by content."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.arrays import Rows, ValueRange, fingerprint
from equipoise.data.feature_store import (
    FeatureStore,
    HalfFeatures,
    image_keys,
)
from equipoise.estimators.frozen.feature_network import FeatureDescription, feature_network
from equipoise.estimators.frozen.views import View
from equipoise.exceptions import DataError
from equipoise.image_rows import ImageSource, select
from equipoise.training.batches import resident, to_unit
from equipoise.training.progress import report

VERSION = 2  # raise it when features of the same description change
BATCH = {"cpu": 8}  # images in a pass, always filled up, so that no image depends on the others
BATCH_ELSEWHERE = 64
HALF_MAX = float(np.finfo(np.float16).max)
MOST_REMEMBERED = 2**28  # bytes of features that a process keeps for the next heads of a split

Features = NDArray[np.float32]  # (n, views, d)

_remembered: dict[str, Features] = {}  # the latest last; several heads are trained on each


class FrozenExtractor:
    """Features (n, views, d) of images, computed once per image and view where a folder is given.

    Every image passes the network in a batch of the same size, filled up where too few are left,
    and features are rounded to float16: the features of an image do not depend on the others.

    Args:
        description: Network, weights, layers, side, device.
        shape: (c, h, w) of the images.
        span: Values of black and white.
        workspace: Folder of the caches; None computes everything again.

    Attributes:
        network: The `FeatureNetwork`.
        weights_digest: Hash of its weights.
        digest: Hash of the weights and of everything else that determines the features.
    """

    def __init__(
        self,
        description: FeatureDescription,
        *,
        shape: tuple[int, ...],
        span: ValueRange,
        workspace: str | Path | None,
    ) -> None:
        self.network, self.weights_digest = feature_network(description, shape)
        self.span = span
        self.workspace = None if workspace is None else Path(workspace)
        parts = (description.layers, description.side, (float(span[0]), float(span[1])))
        self.digest = fingerprint(VERSION, description.network, self.weights_digest, *parts)
        self._stores: dict[View, FeatureStore] = {}

    @property
    def dimension(self) -> int:
        """Length of the feature vector of a view."""
        return int(self.network.dimension)

    def __call__(self, images: ImageSource, views: Sequence[View]) -> Features:
        """Return features (n, views, d) of images (n, c, h, w) in storage type.

        The array may be shared with later calls for the same images: it must not be changed.

        Raises:
            DataError: Features are not finite in float16.
        """
        keys = image_keys(images)
        n_missing = self._count_missing(keys, views)
        name = fingerprint(self.workspace, self.digest, views, keys)
        if n_missing == 0 and name in _remembered:
            _remembered[name] = _remembered.pop(name)
            return _remembered[name]
        features = np.empty((len(images), len(views), self.dimension), dtype=np.float16)
        progress = _Progress(n_missing)
        for i, view in enumerate(views):

            def compute(rows: Rows, view: View = view) -> HalfFeatures:
                return self._compute(images[rows], view, progress)

            self._store(view).features(keys, compute, out=features[:, i])
        converted: Features = torch.from_numpy(features).float().numpy()  # faster than NumPy
        if self.workspace is not None:
            _remember(name, converted)
        return converted

    def fill(self, images: ImageSource, views: Sequence[View]) -> int:
        """Store the features of images that the workspace lacks; return how many were missing."""
        keys = image_keys(images)
        progress = _Progress(self._count_missing(keys, views))
        for view in views:
            store = self._store(view)
            missing = store.missing(keys)
            absent = select(images, missing)

            def compute(
                rows: Rows, absent: ImageSource = absent, view: View = view
            ) -> HalfFeatures:
                return self._compute(absent[rows], view, progress)

            store.features([keys[row] for row in missing], compute)
        return progress.done

    def n_missing(self, images: ImageSource, views: Sequence[View]) -> int:
        """Return how many features of images, one for each view, the workspace lacks."""
        return self._count_missing(image_keys(images), views)

    def _count_missing(self, keys: Sequence[str], views: Sequence[View]) -> int:
        return sum(len(self._store(view).missing(keys)) for view in views)

    def _store(self, view: View) -> FeatureStore:
        if view not in self._stores:
            folder = None
            if self.workspace is not None:
                name = fingerprint(self.digest, view)[:24]
                folder = self.workspace / "frozen" / name
            self._stores[view] = FeatureStore(folder, self.dimension)
        return self._stores[view]

    @torch.inference_mode()
    def _compute(self, images: ImageSource, view: View, progress: "_Progress") -> HalfFeatures:
        device = next(self.network.parameters()).device
        size = BATCH.get(device.type, BATCH_ELSEWHERE)
        features = np.empty((len(images), self.dimension), dtype=np.float16)
        for start in range(0, len(images), size):
            chunk = images[start : start + size]
            rows = np.minimum(np.arange(size), len(chunk) - 1)  # the last image fills the batch up
            unit = to_unit(resident(chunk[rows], device), self.span)
            output = self.network(view(unit))[: len(chunk)].cpu()
            features[start : start + size] = output.clamp(-HALF_MAX, HALF_MAX).half().numpy()
            progress.advance(len(chunk))
        if not np.isfinite(features).all():
            raise DataError(
                "Expected finite features of the frozen network, got NaN. Check the weights and "
                "the images."
            )
        return features


def _remember(name: str, features: Features) -> None:
    """Keep features for the next head, and forget the oldest ones beyond `MOST_REMEMBERED`."""
    _remembered.pop(name, None)
    _remembered[name] = features
    while sum(array.nbytes for array in _remembered.values()) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]


class _Progress:
    """Reports features one by one: a listener takes a jump for a resumed fit."""

    def __init__(self, total: int) -> None:
        self.done = 0
        self.total = total

    def advance(self, n: int) -> None:
        for _ in range(n):
            self.done += 1
            report("frozen features", self.done, max(self.total, self.done))
