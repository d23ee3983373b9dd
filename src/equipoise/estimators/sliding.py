"""Logits of whole slices from a network that was trained on patches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.scoring import channels_last, evaluating
from equipoise.networks.patch_networks import PatchNetwork

CHUNK = 2**18  # pixels (patches x s x s) per forward pass, which bounds the memory

Box = tuple[slice, slice]  # along y and x
Corner = NDArray[np.int64]  # (2,): y, x
Plane = NDArray[Any]  # (c, y, x), one slice of the modalities


class SliceLogits(NamedTuple):
    """Logits of one slice within the smallest box around its mask.

    Attributes:
        z: Number of the slice.
        box: Position of the logits in it.
        logits: (k, h, w) float32, on the device of the network.
    """

    z: int
    box: Box
    logits: Tensor


@dataclass(frozen=True, eq=False)
class SlidingPredictor:
    """Applies a patch network to slices, one at a time: memory does not grow with the volume.

    Outside of the volume images are 0, like the background of the scan, and are not mirrored:
    volumes are cropped to the brain, and the network has never seen a mirrored brain.

    Attributes:
        architecture: Properties of the network.
        network: Switched to evaluation mode for every prediction, and back afterwards.
        size: Side of its patches in px.
        stride: Pixels between two patches for networks that label the center pixel. Logits in
            between are bilinear, those of the patch centers exact. Dense networks see windows of
            the size of a patch that overlap by half (Gaussian weights, MONAI), since instance norms
            of a whole slice differ from those of a patch.
    """

    architecture: PatchNetwork
    network: nn.Module
    size: int
    stride: int

    def slices(
        self, images: NDArray[Any], mask: NDArray[np.bool_], zs: Iterable[int] | None = None
    ) -> Iterator[SliceLogits]:
        """Yield the logits of slices of images (c, z, y, x) where the mask (z, y, x) is not empty.

        Args:
            images: Modalities of a case.
            mask: Its brain.
            zs: Slices; None for all.
        """
        for z in range(len(mask)) if zs is None else zs:
            box = bounding_box(mask[z])
            if box is not None:
                yield SliceLogits(z, box, self._logits(images[:, z], mask[z], box))

    @torch.no_grad()
    def at(self, dataset: VolumeDataset, positions: Positions) -> Tensor:
        """Return the logits (m, k) of voxels at (m, 4) positions, from the patches around them."""
        center = self.size // 2
        logits = []
        with evaluating(self.network):
            for start in range(0, len(positions), self._patches_per_chunk):
                rows = positions[start : start + self._patches_per_chunk]
                patches = torch.from_numpy(dataset.images(rows, self.size)).to(self._device)
                output: Tensor = self.network(channels_last(patches))
                if self.architecture.dense:
                    output = output[:, :, center, center]
                logits.append(output)
        return torch.cat(logits).float()

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def _patches_per_chunk(self) -> int:
        return max(1, CHUNK // self.size**2)

    @torch.no_grad()
    def _logits(self, plane: Plane, mask: NDArray[np.bool_], box: Box) -> Tensor:
        starts = np.array([part.start for part in box])  # (2,): y, x
        stops = np.array([part.stop for part in box])
        with evaluating(self.network):
            if self.architecture.dense:
                logits, offset = self._dense(plane, starts, stops)
            else:
                logits, offset = self._from_grid(plane, mask, starts, stops)
        (y, x), (height, width) = offset, stops - starts
        return logits[:, y : y + height, x : x + width]

    def _dense(self, plane: Plane, starts: Corner, stops: Corner) -> tuple[Tensor, Corner]:
        """Return the logits of a window that is at least a patch, and the box's corner in it."""
        from monai.inferers.utils import sliding_window_inference

        lengths = np.maximum(stops - starts, self.size)
        margins = (lengths - (stops - starts)) // 2
        logits = sliding_window_inference(
            self._crop(plane, starts - margins, lengths),
            roi_size=(self.size, self.size),
            sw_batch_size=self._patches_per_chunk,
            predictor=self.network,
            overlap=0.5,
            mode="gaussian",
        )
        return logits[0].float(), margins

    def _from_grid(
        self, plane: Plane, mask: NDArray[np.bool_], starts: Corner, stops: Corner
    ) -> tuple[Tensor, Corner]:
        """Predict the pixels of a grid and interpolate between them.

        Grid points are multiples of the stride, so that they do not depend on the box.

        Returns:
            Logits of a window around the box, and the corner of the box in it.
        """
        first = starts // self.stride * self.stride
        lengths = -(-(stops - 1 - first) // self.stride) * self.stride
        image = self._crop(plane, first - self.size // 2, lengths + self.size)
        if self.architecture.slides:
            step = self.stride // self.architecture.stride
            every_logit: Tensor = self.network.grid(image, self.size)  # type: ignore[operator]
            grid = every_logit[:, :, ::step, ::step].float()
        else:
            needed = grid_points_in(mask, first, lengths, self.stride)
            grid = self._patch_by_patch(image, needed)
        pixels = interpolate(grid, size=(lengths + 1).tolist(), mode="bilinear", align_corners=True)
        return pixels[0], starts - first

    def _patch_by_patch(self, image: Tensor, needed: Tensor) -> Tensor:
        """Return the logits (1, k, gy, gx) of the grid points that are needed (gy, gx), else 0."""
        windows = image[0].unfold(1, self.size, self.stride).unfold(2, self.size, self.stride)
        patches = windows.movedim(0, 2)  # (gy, gx, c, s, s)
        rows, columns = torch.nonzero(needed.to(image.device), as_tuple=True)
        chunks = []
        for start in range(0, len(rows), self._patches_per_chunk):
            part = slice(start, start + self._patches_per_chunk)
            chunk: Tensor = self.network(channels_last(patches[rows[part], columns[part]]))
            chunks.append(chunk.float())
        logits = torch.cat(chunks)
        grid = logits.new_zeros((logits.shape[1], *needed.shape))
        grid[:, rows, columns] = logits.T
        return grid.unsqueeze(0)

    def _crop(self, plane: Plane, starts: Corner, lengths: Corner) -> Tensor:
        """Crop a window, 0 beyond the border: (1, c, h, w) on the device of the network."""
        window = np.zeros((1, len(plane), *lengths), dtype=np.float32)
        low = np.maximum(starts, 0)
        high = np.minimum(starts + lengths, plane.shape[1:])
        (y, x), (to_y, to_x) = low - starts, high - starts
        window[0, :, y:to_y, x:to_x] = plane[:, low[0] : high[0], low[1] : high[1]]
        return channels_last(torch.from_numpy(window).to(self._device))


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around a mask (y, x); None where it is empty."""
    if not mask.any():
        return None
    y = np.flatnonzero(mask.any(axis=1))
    x = np.flatnonzero(mask.any(axis=0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def grid_points_in(mask: NDArray[np.bool_], first: Corner, lengths: Corner, stride: int) -> Tensor:
    """Return (gy, gx) True for the grid points that contribute to a pixel of the mask."""
    height, width = lengths + 1
    field = np.zeros((height, width), dtype=np.float32)
    part = mask[first[0] : first[0] + height, first[1] : first[1] + width]
    field[: part.shape[0], : part.shape[1]] = part
    near = max_pool2d(torch.from_numpy(field)[None], 2 * stride - 1, stride, padding=stride - 1)
    return near[0] > 0
