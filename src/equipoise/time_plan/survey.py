"""What can be known of images before their pixels are read: how many, how large."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.reading import read
from equipoise.experiments.image_plan import find_class
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.source_check import check_source, split_error


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


def survey_images(
    path: Path | str, options: ReadOptions, protocol: Protocol, budget: Budget
) -> Survey:
    """Survey the images that `equipoise.data.reading.read` would read, and check what it shows.

    Raises:
        DataError: See `equipoise.experiments.source_check.check_source`.
        LeakageError: See there.
        SettingError: See there.
    """
    outline = check_source(path, options, protocol, budget)
    if outline is None:
        return survey_loaded(read(path, replace(options, size=None)), protocol, budget)
    shapes = outline.shapes
    channels = 1 if options.channels == "gray" else int(shapes[:, 0].max())
    return Survey(
        n_images=len(shapes),
        side=int(np.median(shapes[:, 1:].min(axis=1))),
        channels=3 if options.channels == "rgb" else channels,
    )


def survey_loaded(loaded: Loaded, protocol: Protocol, budget: Budget) -> Survey:
    """Survey images that are in memory, and check what they show.

    Raises:
        DataError: They cannot be split, or a class is too small for a method.
        LeakageError: Patients cross the source's own split.
        SettingError: There is no such positive class.
    """
    dataset = loaded.dataset
    find_class(dataset.class_names, dataset.counts, protocol.rare_class)
    error = split_error(loaded, protocol, budget)
    if error is not None:
        raise error
    channels, *sides = dataset.images.shape[1:]
    return Survey(n_images=len(dataset), side=min(sides), channels=channels)
