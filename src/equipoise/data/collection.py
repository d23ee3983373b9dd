"""Images that are looked at together and never split: any number of classes, or none at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from equipoise.data.dataset import ImageDataset
from equipoise.data.listing import SPLIT_NAMES, find_patients
from equipoise.data.reading import read
from equipoise.data.source import Loaded, ReadOptions
from equipoise.data.unlabeled import read_unlabeled
from equipoise.exceptions import DataError

ONE_CLASS = "images"  # name of the class where there are no class folders


def read_collection(path: Path | str, options: ReadOptions) -> Loaded:
    """Read images that nothing is trained on, so that a class of one image will do.

    In a folder the first level names the classes, the second where the first is train, val and test; images that
    lie in the folder itself are one class. Everything else is read by `equipoise.data.reading.read`.

    Args:
        path: A folder, or anything that `read` takes.
        options: How to read.

    Raises:
        DataError: There are no images, some lie in class folders and some beside them, or they cannot be decoded.
    """
    path = Path(path).expanduser()
    if not path.is_dir() or options.table is not None:
        return read(path, options)
    found = read_unlabeled(path, options)
    folders = [Path(file).parts[:-1] for file in found.files]
    splits = np.array([SPLIT_NAMES.get(folder[0].lower(), "") if folder else "" for folder in folders])
    inner = [folder[1:] if split else folder for folder, split in zip(folders, splits, strict=True)]
    names = [folder[0] if folder else ONE_CLASS for folder in inner]
    if all(inner) != any(inner):
        raise DataError(
            f"Expected in {path} either class folders or images, got both. Sort all into class folders."
        )
    class_names, labels = np.unique(names, return_inverse=True)
    patients = find_patients(found.files, options.groups) if options.groups else found.files
    dataset = ImageDataset(
        images=found.images,
        labels=labels.astype(np.int64),
        class_names=tuple(class_names.tolist()),
        groups=np.unique(patients, return_inverse=True)[1].astype(np.int64),
        ids=np.array(found.files),
    )
    return Loaded(
        dataset=dataset, source_split=splits if splits.any() else None, skipped=found.skipped, notes=found.notes
    )


def in_classes_of(dataset: ImageDataset, reference: ImageDataset, *, name: str) -> ImageDataset:
    """Number the classes of a dataset as another one does; where both have one class, their names do not matter.

    Raises:
        DataError: It has a class that the other does not have.
    """
    known = reference.class_names
    if len(known) == len(dataset.class_names) == 1:
        return replace(dataset, class_names=known)
    if strange := sorted(set(dataset.class_names) - set(known)):
        raise DataError(
            f"Expected the {name} images in the classes of the real ones ({', '.join(known)}), got also "
            f"{', '.join(strange)}. Give their folders the same names."
        )
    codes = np.array([known.index(one) for one in dataset.class_names])
    return replace(dataset, class_names=known, labels=codes[dataset.labels])
