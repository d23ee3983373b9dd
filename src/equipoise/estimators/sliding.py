"""Logits of whole slices from a network that learned from patches (methods A.7)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from equipoise.data.volume_dataset import Positions, VolumeDataset
from equipoise.estimators.scoring import channels_last
from equipoise.networks.patch_networks import PatchNetwork

CHUNK = (
    2**18
)  # pixels (patches x s x s) that pass the network at once, so that memory does not grow with the work
Box = tuple[slice, slice]  # along y and x
Plane = NDArray[Any]  # (c, y, x), one slice of the modalities


class SeenSlice(NamedTuple):
    """Logits of one slice within the smallest box that holds its mask.

    Attributes:
        z: The slice.
        box: Where the logits lie in it.
        logits: (k, h, w) float32, on the device of the network.
    """

    z: int
    box: Box
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Slider:
    """Shows slices to a patch network, one after another: memory does not grow with the volume.

    What lies outside of the volume is 0, as the background of the scan is. Methods A.7 mirrors the border; the
    volumes are cropped to the brain, and a mirrored brain is nothing the network has seen.

    Attributes:
        kind: What is known of the network.
        network: It; switched to evaluation for every look.
        size: Side of its patches in px.
        stride: Pixels between two patches for networks that judge the center pixel. Logits in between are bilinear,
            those of the patches' centers stay as they are. Dense networks see windows of the size of a patch that
            overlap by half (Gaussian weights, MONAI): instance norms of a whole slice are not those of a patch.
    """

    kind: PatchNetwork
    network: nn.Module
    size: int
    stride: int

    def slices(
        self, images: NDArray[Any], mask: NDArray[np.bool_], zs: Iterable[int] | None = None
    ) -> Iterator[SeenSlice]:
        """Look at the slices (some, or all) of images (c, z, y, x) where the mask (z, y, x) holds a pixel."""
        for z in range(len(mask)) if zs is None else zs:
            if (box := _box(mask[z])) is not None:
                yield SeenSlice(z, box, self._logits(images[:, z], mask[z], box))

    @torch.no_grad()
    def at(self, dataset: VolumeDataset, positions: Positions) -> Tensor:
        """Give the logits (m, k) of the voxels at (m, 4) positions of a dataset, from the patches around them."""
        device, step = _device(self.network), max(1, CHUNK // self.size**2)
        found = []
        with evaluating(self.network):
            for start in range(0, len(positions), step):
                patches = torch.from_numpy(
                    dataset.images(positions[start : start + step], self.size)
                )
                logits = self.network(channels_last(patches.to(device)))
                found.append(
                    logits[:, :, self.size // 2, self.size // 2] if self.kind.dense else logits
                )
        return torch.cat(found).float()

    @torch.no_grad()
    def _logits(self, plane: Plane, mask: NDArray[np.bool_], box: Box) -> Tensor:
        with evaluating(self.network):
            return self._dense(plane, box) if self.kind.dense else self._from_grid(plane, mask, box)

    def _dense(self, plane: Plane, box: Box) -> Tensor:
        from monai.inferers.utils import sliding_window_inference

        lengths = [max(part.stop - part.start, self.size) for part in box]
        margins = [
            (length - part.stop + part.start) // 2
            for length, part in zip(lengths, box, strict=True)
        ]
        starts = [part.start - margin for margin, part in zip(margins, box, strict=True)]
        logits = sliding_window_inference(
            self._cut(plane, starts, lengths),
            roi_size=(self.size, self.size),
            sw_batch_size=max(1, CHUNK // self.size**2),
            predictor=self.network,
            overlap=0.5,
            mode="gaussian",
        )
        return _inside(logits[0].float(), margins, box)

    def _from_grid(self, plane: Plane, mask: NDArray[np.bool_], box: Box) -> Tensor:
        """Judge the points of a grid and fill in the pixels between them; they are multiples of the stride."""
        first = [part.start // self.stride * self.stride for part in box]
        lengths = [
            -(-(part.stop - 1 - low) // self.stride) * self.stride
            for low, part in zip(first, box, strict=True)
        ]
        image = self._cut(
            plane, [low - self.size // 2 for low in first], [n + self.size for n in lengths]
        )
        if self.kind.slides:
            step = self.stride // self.kind.stride
            grid: Tensor = self.network.grid(image, self.size)[:, :, ::step, ::step].float()  # type: ignore[operator]
        else:
            grid = self._patch_by_patch(image, _needed(mask, first, lengths, self.stride))
        pixels = interpolate(
            grid, size=[n + 1 for n in lengths], mode="bilinear", align_corners=True
        )
        return _inside(
            pixels[0], [part.start - low for low, part in zip(first, box, strict=True)], box
        )

    def _patch_by_patch(self, image: Tensor, needed: Tensor) -> Tensor:
        """Crop the patches whose logits are needed (gy, gx); the others get 0."""
        patches = (
            image[0]
            .unfold(1, self.size, self.stride)
            .unfold(2, self.size, self.stride)
            .movedim(0, 2)
        )
        rows, columns = (index.to(image.device) for index in torch.nonzero(needed, as_tuple=True))
        step = max(1, CHUNK // self.size**2)
        logits = torch.cat(
            [
                self.network(
                    channels_last(patches[rows[i : i + step], columns[i : i + step]])
                ).float()
                for i in range(0, len(rows), step)
            ]
        )
        grid = logits.new_zeros((logits.shape[1], *needed.shape))
        grid[:, rows, columns] = logits.T
        return grid.unsqueeze(0)

    def _cut(self, plane: Plane, starts: list[int], lengths: list[int]) -> Tensor:
        """Cut a window that may reach over the border, (1, c, h, w) on the device of the network."""
        window = np.zeros((1, len(plane), *lengths), dtype=np.float32)
        stops = [
            min(start + n, side)
            for start, n, side in zip(starts, lengths, plane.shape[1:], strict=True)
        ]
        (y, x), (to_y, to_x) = [max(start, 0) for start in starts], stops
        window[0, :, y - starts[0] : to_y - starts[0], x - starts[1] : to_x - starts[1]] = plane[
            :, y:to_y, x:to_x
        ]
        return channels_last(torch.from_numpy(window).to(_device(self.network)))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode for a while."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _box(mask: NDArray[np.bool_]) -> Box | None:
    if not mask.any():
        return None
    (y, x) = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)


def _inside(logits: Tensor, starts: list[int], box: Box) -> Tensor:
    (y, x), (height, width) = starts, (part.stop - part.start for part in box)
    return logits[:, y : y + height, x : x + width]


def _needed(mask: NDArray[np.bool_], first: list[int], lengths: list[int], stride: int) -> Tensor:
    """Say (gy, gx) which points of the grid take part in a pixel of the mask."""
    field = np.zeros([n + 1 for n in lengths], dtype=np.float32)
    part = mask[first[0] : first[0] + field.shape[0], first[1] : first[1] + field.shape[1]]
    field[: part.shape[0], : part.shape[1]] = part
    near = max_pool2d(torch.from_numpy(field)[None], 2 * stride - 1, stride, padding=stride - 1)
    return near[0] > 0
