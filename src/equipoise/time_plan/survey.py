"""What can be known of images before their pixels are read: how many, how large."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.options import ReadOptions
from equipoise.data.reading import image_shapes


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Images of a source, from their headers.

    Attributes:
        n_images: Number of images.
        side: Median of their smaller sides in px.
        channels: 1, or 3 where any has color.
    """

    n_images: int
    side: int
    channels: int


def survey_images(path: Path | str, options: ReadOptions) -> Survey:
    """Survey the images that `equipoise.data.reading.read` would read.

    Raises:
        DataError: See `equipoise.data.reading.read`.
    """
    shapes = image_shapes(path, options)  # (n, 3)
    channels = 1 if options.channels == "gray" else int(shapes[:, 0].max())
    return Survey(
        n_images=len(shapes),
        side=int(np.median(shapes[:, 1:].min(axis=1))),
        channels=3 if options.channels == "rgb" else channels,
    )


def survey_dataset(dataset: ImageDataset) -> Survey:
    """Survey images that are in memory."""
    channels, *sides = dataset.images.shape[1:]
    return Survey(n_images=len(dataset), side=min(sides), channels=channels)
