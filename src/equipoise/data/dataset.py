"""`ImageDataset`: images, labels, patients and names that travel together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from equipoise.arrays import Images, LabeledImages, Labels, fingerprint
from equipoise.atomic import (
    PRIVATE_FILE,
    atomic_folder,
    read_arrays,
    read_json,
    reading,
    write_json,
)
from equipoise.checksums import check_folder
from equipoise.exceptions import DataError
from equipoise.image_rows import (
    MOST_COPIED,
    ImageArray,
    ImageRows,
    ImageSource,
    StoredFile,
    blocks,
    by_reference,
    joined,
    most_copied,
    select,
)
from equipoise.marked_images import unmarked
from equipoise.validation import check_images, check_labels

SYNTHETIC = -1  # the "patient" of a synthetic image


class SupportsResample(Protocol):
    """What `ImageDataset.resample` needs of a resampler."""

    def fit_resample(self, X: ImageSource, y: Labels, **settings: Any) -> LabeledImages:
        """Return rebalanced images and labels."""


@dataclass(frozen=True, kw_only=True)
class ImageDataset:
    """Images in their storage type with labels, patients and stable names.

    Attributes:
        images: (n, c, *spatial), uint8, uint16 or float32, c = 1 or 3; may be an `np.memmap`, or
            rows of one by reference (`equipoise.image_rows.ImageRows`).
        labels: (n,) int64, indices into `class_names`.
        class_names: k names.
        groups: (n,) int64, the patient (slide, lesion); -1 marks a synthetic image.
        ids: (n,) stable names, written into stored predictions.
        masks: (n, *spatial) int64, or None.

    Raises:
        DataError: Arrays of another shape or type, or labels out of range.

    Example:
        >>> dataset = ImageDataset(
        ...     images=np.zeros((5, 1, 8, 8), dtype=np.uint8),
        ...     labels=np.array([0, 0, 0, 1, 1]),
        ...     class_names=("normal", "abnormal"),
        ...     groups=np.array([7, 7, 8, 8, 9]),
        ...     ids=np.array(["a", "b", "c", "d", "e"]),
        ... )
        >>> dataset.counts.tolist(), dataset.rare_class, dataset.imbalance_ratio
        ([3, 2], 1, 1.5)
        >>> dataset.subset(dataset.groups == 8).ids.tolist()
        ['c', 'd']

    See Also:
        equipoise.data.reading.read: Read a dataset from files.
        equipoise.data.volume_dataset.VolumeDataset: For volumes with label maps.
    """

    images: ImageSource
    labels: Labels
    class_names: tuple[str, ...]
    groups: NDArray[np.int64]
    ids: NDArray[np.str_]
    masks: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        """Return what the images are in one line; arrays would fill pages of a notebook."""
        counts = []
        for name, n in zip(self.class_names, self.counts.tolist(), strict=True):
            counts.append(f"{name} {n:,}")
        shape = " x ".join(map(str, self.images.shape[1:]))
        return (
            f"ImageDataset({len(self):,} images, {shape} {self.images.dtype}: {', '.join(counts)})"
        )

    def __post_init__(self) -> None:
        images = check_images(self.images)
        if images.shape[1] not in (1, 3):
            raise DataError(
                f"Expected images of a study with 1 or 3 channels on axis 1, got {images.shape}. "
                "Estimators take 1 to 4 channels; a study draws gray and color images alone."
            )
        images = np.asarray(images, dtype=np.float32) if images.dtype == np.int16 else images
        object.__setattr__(self, "images", unmarked(images))
        for name in ("labels", "groups"):
            object.__setattr__(self, name, check_labels(getattr(self, name), len(self), name=name))
        for name in ("ids", "masks"):
            array = getattr(self, name)
            if array is not None and len(array) != len(self):
                raise DataError(
                    f"Expected {len(self)} {name}, one for each image, got {len(array)}."
                )
        k = len(self.class_names)
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < k:
            raise DataError(
                f"Expected labels from 0 to {k - 1} for {k} class names, "
                f"got {self.labels.min()} to {self.labels.max()}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixels(self) -> Images:
        """The images as an array, in memory if they were by reference."""
        return np.asanyarray(self.images)

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """(n,) True where the image is synthetic."""
        return np.equal(self.groups, SYNTHETIC)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(k,) number of images of each class."""
        return np.bincount(self.labels, minlength=len(self.class_names)).astype(np.int64)

    @property
    def rare_class(self) -> int:
        """The class with the fewest images (the first on a tie)."""
        return int(np.argmin(np.where(self.counts > 0, self.counts, np.iinfo(np.int64).max)))

    @property
    def imbalance_ratio(self) -> float:
        """Largest class count divided by the smallest one that is not zero."""
        counts = self.counts[self.counts > 0]
        return float(counts.max() / counts.min())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, labels, groups, class names, pixels and masks."""
        ids = list(map(str, self.ids))  # the type of an array depends on the longest string
        return fingerprint(ids, self.labels, self.groups, self.class_names, self.images, self.masks)

    @property
    def digests(self) -> NDArray[np.uint8]:
        """(n, 16) hash of the pixels of each image, computed once; see `ImageArray.digests`."""
        return self._rows.digests

    @cached_property
    def _rows(self) -> ImageRows:
        """The images by reference, with hashes that all subsets share."""
        return by_reference(self.images)

    @property
    def needed_in_train(self) -> set[int]:
        """Every class that occurs: one that is not learned cannot be tested."""
        return self.present(slice(None))

    def present(self, rows: Any) -> set[int]:
        """Return the classes that occur in some rows."""
        return set(self.labels[rows].tolist())

    def subset(self, rows: Any) -> Self:
        """Return images in the order of `rows`: indices, which may repeat, or a boolean mask.

        More than `most_copied()` bytes of images are not copied; see `equipoise.image_rows`.
        """
        images = self.images
        if len(np.arange(len(self))[rows]) * images[:1].nbytes > most_copied():
            images = self._rows
        return replace(
            self,
            images=select(images, rows),
            labels=self.labels[rows],
            groups=self.groups[rows],
            ids=self.ids[rows],
            masks=None if self.masks is None else self.masks[rows],
        )

    def resample(self, resampler: SupportsResample, **settings: Any) -> Self:
        """Rebalance with a resampler; patients and names travel along.

        A resampler that selects rows has them in `sample_indices_`. Rows that another one appends
        to the originals are synthetic: they get the patient -1 and the names synthetic-000000,
        synthetic-000001, ...

        Raises:
            DataError: The dataset has synthetic images already.

        Example:
            >>> from equipoise.data.phantoms.datasets import cells
            >>> from equipoise.resampling.random import RandomOversampler
            >>> cells((8, 3), size=28).resample(RandomOversampler()).counts.tolist()
            [8, 8]
        """
        if self.synthetic.any():
            raise DataError(
                "Expected real images only, got synthetic ones. "
                "Resample the original training split."
            )
        images, labels = resampler.fit_resample(self.images, self.labels, **settings)
        if hasattr(resampler, "sample_indices_"):
            return self.subset(resampler.sample_indices_)
        n_new = len(images) - len(self)
        names = np.array([f"synthetic-{i:06d}" for i in range(n_new)], dtype=str)
        return replace(
            self,
            images=images,
            labels=labels,
            groups=np.concatenate([self.groups, np.full(n_new, SYNTHETIC, dtype=np.int64)]),
            ids=np.concatenate([self.ids.astype(str), names]),
            masks=None,
        )

    def save(self, folder: Path) -> None:
        """Write images.npy, columns.npz, dataset.json, and masks.npy if there are masks.

        More than `MOST_COPIED` bytes of images are hashed for later fits (digests.npy). Where
        `load` has mapped them all from a file of the same file system, images.npy is a second name
        of it.
        """
        about: dict[str, Any] = {"class_names": self.class_names, "version": 1}
        with atomic_folder(Path(folder)) as temporary:
            _save_images(temporary / "images.npy", self.images)
            if self.images.nbytes > MOST_COPIED:
                np.save(temporary / "digests.npy", self.digests)
                about["fingerprint"] = self.fingerprint
            if self.masks is not None:
                np.save(temporary / "masks.npy", self.masks)
            ids = self.ids.astype(str)
            np.savez(temporary / "columns.npz", labels=self.labels, groups=self.groups, ids=ids)
            write_json(temporary / "dataset.json", about)

    @classmethod
    def load(cls, folder: Path, *, memory_map: bool = False) -> Self:
        """Load a dataset that `save` wrote; `memory_map` leaves pixels on disk until they are used.

        Raises:
            DataError: There is no saved dataset in the folder, or a damaged one.
        """
        folder = Path(folder)
        if not (folder / "dataset.json").is_file():
            raise DataError(f"Expected a saved dataset in {folder}, found no dataset.json.")
        check_folder(folder)
        mode: Literal["r"] | None = "r" if memory_map else None
        with reading(folder / "dataset.json"):
            about = read_json(folder / "dataset.json")
            masks = None
            if (folder / "masks.npy").is_file():
                masks = np.load(folder / "masks.npy", mmap_mode=mode, allow_pickle=False)
            columns = read_arrays(folder / "columns.npz")
            dataset = cls(
                images=_load_images(folder, mode),
                labels=columns["labels"],
                class_names=tuple(about["class_names"]),
                groups=columns["groups"],
                ids=columns["ids"],
                masks=masks,
            )
        if "fingerprint" in about:
            vars(dataset)["fingerprint"] = about["fingerprint"]  # the checksums vouch for it
        return dataset


def _save_images(path: Path, images: ImageSource) -> None:
    """Write images with `np.save`, those by reference block by block or as a link."""
    if isinstance(images, np.ndarray):
        np.save(path, images)
        return
    if images.file is not None and images.file.linked_as(path, mode=PRIVATE_FILE):
        return
    stored = open_memmap(path, mode="w+", dtype=images.dtype, shape=images.shape)
    start = 0
    for block in blocks(images):
        stored[start : start + len(block)] = block
        start += len(block)
    stored.flush()


def _load_images(folder: Path, mode: Literal["r"] | None) -> ImageSource:
    """Load an array, or, of more than `most_copied()` bytes, the rows of a mapped file."""
    path = folder / "images.npy"
    file = StoredFile.of(path)
    images: NDArray[Any] = np.load(path, mmap_mode=mode, allow_pickle=False)
    if mode is None or images.nbytes <= most_copied():
        return images
    digests = None
    if (folder / "digests.npy").is_file():
        digests = np.load(folder / "digests.npy", allow_pickle=False)
    return by_reference(ImageArray(images, digests=digests, file=file))


def concatenate(datasets: Sequence[ImageDataset]) -> ImageDataset:
    """Join datasets of the same classes, shape and storage type, in order; all with masks or none.

    Raises:
        DataError: Class names, image shapes or storage types differ, only some have masks, or
            `datasets` is empty.

    Example:
        >>> from equipoise.data.phantoms.datasets import cells
        >>> dataset = cells((4, 2), size=28)
        >>> len(concatenate([dataset, dataset.subset([0, 1])]))
        8
    """
    kinds = set()
    masks = []
    for dataset in datasets:
        has_masks = dataset.masks is not None
        shape, dtype = dataset.images.shape[1:], dataset.images.dtype.str
        kinds.add((dataset.class_names, shape, dtype, has_masks))
        if dataset.masks is not None:
            masks.append(dataset.masks)
    if len(kinds) != 1:
        raise DataError(
            f"Expected datasets of one kind (classes, shape, type, masks), got {len(kinds)}: "
            f"{sorted(kinds)}."
        )
    return ImageDataset(
        images=joined([dataset.images for dataset in datasets]),
        labels=np.concatenate([dataset.labels for dataset in datasets]),
        class_names=datasets[0].class_names,
        groups=np.concatenate([dataset.groups for dataset in datasets]),
        ids=np.concatenate([dataset.ids for dataset in datasets]),
        masks=np.concatenate(masks) if masks else None,
    )
