"""`VolumeDataset`: cases of several modalities with label maps, on disk until a patch is drawn."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_magic
from numpy.typing import NDArray

from equipoise.arrays import fingerprint
from equipoise.data.volumes.case_record import CaseRecord
from equipoise.data.volumes.labels import LabelScheme
from equipoise.exceptions import DataError

Positions = NDArray[np.int64]  # (m, 4): row of the case, z, y, x
Parts = tuple[tuple[int, ...], ...]  # for each class of a view, the stored classes it consists of

LEFT_OUT = 255  # code of a voxel whose class is not in a view
IGNORED = -1  # the same in targets
OPEN_FILES = 12  # memory maps that stay open: memory must not grow with the number of cases
CACHED_HEADERS = 65536  # files whose headers are remembered, some hundred bytes each


class Arrays(NamedTuple):
    """One case: images (c, z, y, x) float16, codes (z, y, x) uint8, mask (z, y, x) bool."""

    images: NDArray[np.float16]
    codes: NDArray[np.uint8]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A prepared case; its arrays are in `folder` (see `equipoise.data.volumes.preparing`).

    Attributes:
        id: Stable name of the case.
        folder: images.npy (c, z, y, x) float16, normalized, background 0; codes.npy and mask.npy
            (z, y, x) uint8; class-<code>.npy int32, increasing flat indices of the valid voxels of
            a class; case.json.
        shape: (z, y, x) of the prepared arrays, cropped to the brain.
        spacing_mm: Distance between voxels along z, y and x.
        counts: Valid voxels of each stored class: in the brain mask, or of a foreground class.
        digest: Hash of the source files and of how they were prepared.
    """

    id: str
    folder: Path
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    counts: tuple[int, ...]
    digest: str

    @property
    def record(self) -> CaseRecord:
        """`case.json`: geometry of the source, crop, and what was noticed."""
        return CaseRecord.load(self.folder)

    def array(self, name: str) -> NDArray[Any]:
        """Return one array of the folder, memory-mapped."""
        return _memory_map(self.folder / f"{name}.npy")

    def file(self, name: str) -> str:
        """Return the file of one array, to read parts of it."""
        return os.path.join(self.folder, f"{name}.npy")  # noqa: PTH118 (a Path per patch is slow)


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeDataset:
    """Cases with their patients; class 0 is healthy tissue.

    Attributes:
        volumes: n prepared cases.
        groups: (n,) int64, the patient of each.
        modalities: c names, the channels of every case.
        scheme: Classes and regions.
        parts: For a view (see `merged`) the stored classes of each of its classes; None if all
            classes are as stored.
        names: Names of the classes of a view.

    Example:
        >>> import tempfile
        >>> from equipoise.testing.volumes import volumes_of
        >>> codes = np.zeros((2, 8, 8), dtype=int)
        >>> codes[0, 2:4, 2:4] = 1
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     dataset = volumes_of([codes], Path(folder), k=2)
        ...     positions = dataset.voxels(0, 1, np.arange(4))
        ...     images, targets = dataset.patches(positions, size=4)
        >>> dataset.counts.tolist(), positions[0].tolist()
        ([124, 4], [0, 0, 2, 2])
        >>> images.shape, targets[0].tolist()
        ((4, 2, 4, 4), [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])

    See Also:
        equipoise.data.reading.read_volumes: Read it from NIfTI or MetaImage files.
        equipoise.data.dataset.ImageDataset: For images with one label each.
    """

    volumes: tuple[Volume, ...]
    groups: NDArray[np.int64]
    modalities: tuple[str, ...]
    scheme: LabelScheme
    parts: Parts | None = None
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.groups) != len(self.volumes):
            raise DataError(
                f"Expected {len(self.volumes)} patients, one for each case, got {len(self.groups)}."
            )
        n_times = Counter(volume.id for volume in self.volumes)
        if repeated := sorted(name for name, n in n_times.items() if n > 1):
            raise DataError(
                f"Expected a different name for each case, got {', '.join(repeated)} more than "
                "once. Rename the cases."
            )

    def __len__(self) -> int:
        return len(self.volumes)

    @property
    def ids(self) -> NDArray[np.str_]:
        """(n,) names of the cases."""
        return np.array([volume.id for volume in self.volumes], dtype=str)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the k classes."""
        return self.scheme.class_names if self.names is None else self.names

    @property
    def k(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def regions(self) -> Mapping[str, tuple[int, ...]]:
        """Regions as codes of this dataset's classes; in a view each class but "healthy" is one."""
        if self.parts is None:
            return self.scheme.regions
        regions = {}
        for code, (name, part) in enumerate(zip(self.class_names, self.parts, strict=True)):
            if 0 not in part:
                regions[name] = (code,)
        return regions

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """(n, k) valid voxels of each class in each case."""
        stored = np.empty((len(self), len(self.scheme.values)), dtype=np.int64)
        for row, volume in enumerate(self.volumes):
            stored[row] = volume.counts
        table = np.empty((len(self), self.k), dtype=np.int64)
        for code, part in enumerate(self._parts):
            table[:, code] = stored[:, list(part)].sum(axis=1)
        return table

    @property
    def counts(self) -> NDArray[np.int64]:
        """(k,) valid voxels of each class."""
        total: NDArray[np.int64] = self.table.sum(axis=0)
        return total

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) the rarest class that each case contains, by which patients are stratified."""
        rarity = np.where(self.table > 0, self.counts, np.iinfo(np.int64).max)
        return np.asarray(rarity.argmin(axis=1), dtype=np.int64)

    @property
    def rare_class(self) -> int:
        """The class with the fewest voxels, of those that occur."""
        return int(np.argmin(np.where(self.counts > 0, self.counts, np.iinfo(np.int64).max)))

    @property
    def synthetic(self) -> NDArray[np.bool_]:
        """(n,) False: no case is synthetic."""
        return np.zeros(len(self), dtype=bool)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of cases, patients, classes and modalities."""
        cases = [(volume.id, volume.digest) for volume in self.volumes]
        return fingerprint(cases, self.groups, self.modalities, self.scheme, self.parts, self.names)

    @property
    def needed_in_train(self) -> set[int]:
        """No class: one that a single patient has is missing when that patient is tested."""
        return set()

    def present(self, rows: Any) -> set[int]:
        """Return the classes that occur in some cases."""
        return set(np.flatnonzero(self.table[rows].sum(axis=0)).tolist())

    def subset(self, rows: Any) -> Self:
        """Return the cases `rows` (indices or a boolean mask), in that order."""
        indices = np.arange(len(self))[rows]
        volumes = tuple(map(self.volumes.__getitem__, indices))
        return replace(self, volumes=volumes, groups=self.groups[indices])

    def merged(self, classes: Mapping[str, Sequence[int]]) -> Self:
        """Return a view whose classes are unions of classes; classes not named are never drawn.

        Args:
            classes: Name of each class of the view -> its classes in this dataset.
        """
        parts = []
        for codes in classes.values():
            stored: set[int] = set()
            for code in codes:
                stored.update(self._parts[code])
            parts.append(tuple(sorted(stored)))
        return replace(self, parts=tuple(parts), names=tuple(classes))

    def voxels(self, row: int, code: int, ranks: NDArray[np.int64]) -> Positions:
        """Return the (m, 4) positions of the valid voxels of a class that have these ranks.

        Args:
            row: Case.
            code: Class.
            ranks: (m,) from 0 to `table[row, code]` - 1; the rank of a voxel is its place in the
                list of its class.

        Raises:
            IndexError: A rank is out of range.
        """
        volume = self.volumes[row]
        flat = np.empty(len(ranks), dtype=np.int64)
        start = 0
        for stored in self._parts[code]:
            inside = (ranks >= start) & (ranks < start + volume.counts[stored])
            if inside.any():
                runs = [(int(rank), 1) for rank in ranks[inside] - start]
                indices = read_runs(volume.file(f"class-{stored}"), runs)
                flat[inside] = np.concatenate(list(indices))
            start += volume.counts[stored]
        if len(ranks) and not 0 <= ranks.min() <= ranks.max() < start:
            raise IndexError(
                f"Expected ranks from 0 to {start - 1}, got {ranks.min()} to {ranks.max()}."
            )
        return np.stack([np.full(len(ranks), row), *np.unravel_index(flat, volume.shape)], axis=1)

    def patches(
        self, positions: Positions, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cut axial windows around (m, 4) positions; [size // 2, size // 2] is the position itself.

        Outside the volume images are 0, as the background of the scan is, and targets are healthy.

        Returns:
            Images (m, c, size, size) and targets (m, size, size): classes, -1 where a view leaves
            the class out.
        """
        codes = np.zeros((len(positions), 1, size, size), dtype=np.uint8)
        self._fill_windows("codes", codes, positions)
        return self.images(positions, size), self._targets[codes[:, 0]]

    def images(self, positions: Positions, size: int) -> NDArray[np.float32]:
        """Cut the images of `patches` alone, for networks that need only the center's class."""
        patches = np.zeros((len(positions), len(self.modalities), size, size), dtype=np.float16)
        self._fill_windows("images", patches, positions)
        return patches.astype(np.float32)

    def arrays(self, row: int) -> Arrays:
        """Return one case whole; codes are this dataset's classes, 255 if a view leaves one out."""
        volume = self.volumes[row]
        codes, mask = volume.array("codes"), volume.array("mask")
        if self.parts is not None:
            codes = np.where(self._targets < 0, LEFT_OUT, self._targets).astype(np.uint8)[codes]
        return Arrays(volume.array("images"), codes, mask.astype(bool))

    @property
    def _parts(self) -> Parts:
        if self.parts is not None:
            return self.parts
        return tuple((code,) for code in range(len(self.scheme.values)))

    @cached_property
    def _targets(self) -> NDArray[np.int64]:
        """(stored classes,) the class of this dataset that each belongs to, -1 for none."""
        targets = np.full(len(self.scheme.values), IGNORED, dtype=np.int64)
        for code, part in enumerate(self._parts):
            targets[list(part)] = code
        return targets

    def _fill_windows(self, name: str, patches: NDArray[Any], positions: Positions) -> None:
        """Fill patches (m, channels, s, s) around (m, 4) positions from the files of that name."""
        n_channels, size = patches.shape[1:3]
        for row in np.unique(positions[:, 0]):
            volume = self.volumes[row]
            depth, height, width = volume.shape
            targets: list[tuple[int, int, _Window]] = []  # patch, channel, window
            runs: list[tuple[int, int]] = []  # whole rows of the volume that the windows touch
            for i in np.flatnonzero(positions[:, 0] == row).tolist():
                window = _Window.around(positions[i, 1:].tolist(), size, volume.shape)
                for channel in range(n_channels):
                    first_row = (channel * depth + window.z) * height + window.y.start
                    targets.append((i, channel, window))
                    runs.append((first_row * width, (window.y.stop - window.y.start) * width))
            rows_of_windows = read_runs(volume.file(name), runs)
            for (i, channel, w), rows in zip(targets, rows_of_windows, strict=True):
                patches[i, channel, w.to_y, w.to_x] = rows.reshape(-1, width)[:, w.x]


class _Window(NamedTuple):
    """The part of an axial window inside a volume, as slices of the window and of the volume."""

    to_y: slice  # of the window
    to_x: slice
    z: int  # of the volume
    y: slice
    x: slice

    @classmethod
    def around(cls, center: Sequence[int], size: int, shape: tuple[int, int, int]) -> Self:
        """Return the window of side `size` whose [size // 2, size // 2] is the center (z, y, x)."""
        sides = []
        for axis in (1, 2):
            start = center[axis] - size // 2
            low, high = max(start, 0), min(start + size, shape[axis])
            sides.append((slice(low - start, high - start), slice(low, high)))
        (to_y, y), (to_x, x) = sides
        return cls(to_y, to_x, center[0], y, x)


def load_volume(folder: Path) -> Volume:
    """Open a prepared case by its folder."""
    folder = Path(folder)
    record = CaseRecord.load(folder)
    return Volume(
        id=record.id,
        folder=folder,
        shape=record.shape,
        spacing_mm=record.geometry.spacing_mm,
        counts=record.counts,
        digest=record.digest,
    )


def read_runs(file: str, runs: Iterable[tuple[int, int]]) -> Iterator[NDArray[Any]]:
    """Read runs of neighboring elements of an array in C order.

    Args:
        file: A .npy file (version 1.0).
        runs: Flat index of the first element of each run, and number of elements.

    Raises:
        DataError: The array has objects or is in another order, or the file ends too early.
    """
    dtype, offset = _layout(file)
    with open(file, "rb", buffering=0) as stream:  # noqa: PTH123 (a Path takes as long as the reading)
        for start, n in runs:
            stream.seek(offset + start * dtype.itemsize)
            content = stream.read(n * dtype.itemsize)
            if len(content) < n * dtype.itemsize:
                raise DataError(
                    f"{file} ends too early. Delete its folder, and read the cases again."
                )
            yield np.frombuffer(content, dtype)


@lru_cache(maxsize=CACHED_HEADERS)
def _layout(file: str) -> tuple[np.dtype[Any], int]:
    """Return the type of the elements, and the bytes before the first."""
    with Path(file).open("rb") as stream:
        version = read_magic(stream)
        if version != (1, 0):
            raise DataError(
                f"Expected {file} in version 1.0 of the format, got {version}. "
                "Write it with numpy.save."
            )
        _, is_fortran_order, dtype = read_array_header_1_0(stream)
        if is_fortran_order or dtype.hasobject:
            raise DataError(
                f"Expected numbers in C order in {file}, got {dtype}. "
                "Delete its folder and read again."
            )
        return dtype, stream.tell()


@lru_cache(maxsize=OPEN_FILES)
def _memory_map(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
