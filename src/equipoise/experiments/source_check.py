"""Check images before their pixels are decoded: classes, patients, splits, headers, damage."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from imblearn.pipeline import Pipeline

from equipoise.data.dataset import ImageDataset
from equipoise.data.images.listing import Listing
from equipoise.data.images.options import Loaded, ReadOptions
from equipoise.data.images.outline import Outline, pixel_faults
from equipoise.data.reading import outline as outline_images
from equipoise.exceptions import DataError, LeakageError, ListingError, SettingError
from equipoise.experiments.image_plan import class_fault, make_splits, refuse_small_classes
from equipoise.experiments.methods.catalogue import build_methods
from equipoise.experiments.protocol import Budget, Protocol
from equipoise.experiments.study_summary import loaded_lines


def check_source(
    path: Path | str, options: ReadOptions, protocol: Protocol, budget: Budget
) -> Outline | None:
    """Check what can be checked of images before their pixels are decoded, all faults together.

    Args:
        path: Where the images are.
        options: How they are read.
        protocol: How methods are compared; its class has to be one of theirs, and they have to be
            many enough for its split.
        budget: What each method may spend.

    Returns:
        What is known of the images; None where they are no single files.

    Raises:
        DataError: The files are not as expected, or too few for the split or a method; and perhaps
            the class is unknown.
        LeakageError: Patients cross the source's own split, and nothing else is wrong.
        SettingError: The class alone is unknown.
    """
    source = Path(path).expanduser()
    try:
        outline = outline_images(source, options)
    except ListingError as error:
        fault = class_fault(error.class_names, protocol.rare_class)
        if not fault:
            raise
        raise DataError(f"{error}\n{fault}") from error
    if outline is None:
        return None
    listing = outline.listing
    fault = class_fault(listing.class_names, protocol.rare_class)
    images = without_pixels(listing)
    unsplittable = split_error(images, protocol, budget)
    is_damaged = bool(outline.unreadable) and options.on_error == "stop"
    if outline.faults or fault or unsplittable or is_damaged:
        faults = [
            *outline.faults,
            *pixel_faults(listing.root, listing.files, options, listing.class_of),
        ]
        if not faults and unsplittable is None:
            raise SettingError(fault)
        if fault:
            faults.append(fault)
        if unsplittable is not None:
            lines = [*faults, str(unsplittable), *loaded_lines(images, decoded=False)]
            error_type = DataError if faults else type(unsplittable)
            raise error_type("\n".join(lines)) from unsplittable
        raise DataError("\n".join(faults))
    return outline


def without_pixels(listing: Listing) -> Loaded:
    """Return the images of a listing as if each had one black pixel; splits need no more.

    Example:
        >>> listing = Listing(
        ...     root=Path("films"),
        ...     files=("a/1.png", "b/2.png"),
        ...     labels=np.array([0, 1]),
        ...     class_names=("a", "b"),
        ...     groups=np.array([0, 1]),
        ...     splits=None,
        ...     notes=(),
        ... )
        >>> without_pixels(listing).dataset.counts.tolist()
        [1, 1]
    """
    dataset = ImageDataset(
        images=np.zeros((len(listing.files), 1, 1, 1), dtype=np.uint8),
        labels=listing.labels,
        class_names=listing.class_names,
        groups=listing.groups,
        ids=np.array(listing.files),
    )
    return Loaded(dataset=dataset, source_split=listing.splits, notes=listing.notes)


def split_error(
    loaded: Loaded, protocol: Protocol, budget: Budget
) -> DataError | LeakageError | None:
    """Return why images cannot be split, or a method cannot be trained on the first split.

    None where they can.
    """
    methods: Mapping[str, Pipeline] = build_methods(protocol.methods, budget)
    try:
        splits = make_splits(loaded, loaded.dataset, replace(protocol, n_splits=1))
        refuse_small_classes(loaded.dataset, splits, methods)
    except (DataError, LeakageError) as error:
        return error
    return None
