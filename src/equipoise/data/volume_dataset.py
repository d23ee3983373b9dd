"""`VolumeDataset`: cases of several modalities with label maps, on disk until a patch of them is wanted."""

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
from equipoise.atomic import read_json
from equipoise.data.volumes.labels import LABEL_SCHEMES, LabelScheme, plain
from equipoise.exceptions import DataError

KNOWN = 65536  # files whose headers are remembered, some hundred bytes each


class Layout(NamedTuple):
    """Type of the elements, and bytes before the first."""

    dtype: np.dtype[Any]
    offset: int


def read_runs(file: str, runs: Iterable[tuple[int, int]]) -> Iterator[NDArray[Any]]:
    """Read runs of neighboring elements of an array in C order.

    Args:
        file: A .npy file (version 1.0).
        runs: Flat index of the first element of each, and number of elements.

    Raises:
        DataError: The array holds objects or is in another order, or the file ends too early.
    """
    layout = _layout(file)
    width = layout.dtype.itemsize
    with open(file, "rb", buffering=0) as opened:  # noqa: PTH123 (a Path takes as long as the reading)
        for start, n in runs:
            opened.seek(layout.offset + start * width)
            content = opened.read(n * width)
            if len(content) < n * width:
                raise DataError(
                    f"{file} ends too early. Delete its folder, and read the cases again."
                )
            yield np.frombuffer(content, layout.dtype)


@lru_cache(maxsize=KNOWN)
def _layout(file: str) -> Layout:
    with Path(file).open("rb") as opened:
        version = read_magic(opened)
        if version != (1, 0):
            raise DataError(
                f"Expected {file} in version 1.0 of the format, got {version}. Write it with numpy.save."
            )
        _, by_columns, dtype = read_array_header_1_0(opened)
        if by_columns or dtype.hasobject:
            raise DataError(
                f"Expected numbers in C order in {file}, got {dtype}. Delete its folder and read again."
            )
        return Layout(dtype, opened.tell())


Positions = NDArray[np.int64]  # (m, 4): row of the case, z, y, x
Parts = tuple[
    tuple[int, ...], ...
]  # for each class of a view the stored classes that it is made of

LEFT_OUT = 255  # code of a voxel whose class is not in a view
IGNORED = -1  # the same in targets
OPEN_FILES = 12  # memory maps that stay open: memory must not grow with the number of cases


class Arrays(NamedTuple):
    """One case: images (c, z, y, x) float16, codes (z, y, x) uint8, mask (z, y, x) bool."""

    images: NDArray[np.float16]
    codes: NDArray[np.uint8]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A prepared case, described; its arrays lie in `folder` (see `equipoise.data.volumes.preparing`).

    Attributes:
        id: Stable name of the case.
        folder: images.npy (c, z, y, x) float16, normalized, background 0; codes.npy and mask.npy (z, y, x) uint8;
            class-<code>.npy int32, increasing flat indices of the valid voxels of a class; case.json.
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
    def facts(self) -> dict[str, Any]:
        """`case.json`: geometry of the source, crop, and what was noticed."""
        return dict(read_json(self.folder / "case.json"))

    def array(self, name: str) -> NDArray[Any]:
        """Map one array of the folder."""
        return _mapped(self.folder / f"{name}.npy")

    def file(self, name: str) -> str:
        """Name the file of one array, to read parts of it."""
        return os.path.join(self.folder, f"{name}.npy")  # noqa: PTH118 (a Path for each patch takes its time)


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeDataset:
    """Cases with their patients; class 0 is healthy tissue.

    Attributes:
        volumes: n prepared cases.
        groups: (n,) int64, the patient of each.
        modalities: c names, the channels of every case.
        scheme: Classes and regions.
        parts: For a view (see `merged`) the stored classes of each of its classes; None where all are as stored.
        names: Names of the classes of a view.
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
        if twice := sorted(name for name, n in n_times.items() if n > 1):
            raise DataError(
                f"Expected a different name for each case, got {', '.join(twice)} more than once."
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
        """Regions as codes of this dataset's classes; in a view every class but "healthy" is a region."""
        if self.parts is None:
            return self.scheme.regions
        return {
            name: (code,) for code, name in enumerate(self.class_names) if 0 not in self.parts[code]
        }

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """(n, k) valid voxels of each class in each case."""
        shape = len(self), len(self.scheme.values)
        stored = np.array([volume.counts for volume in self.volumes], dtype=np.int64).reshape(shape)
        return np.stack([stored[:, list(part)].sum(axis=1) for part in self._parts], axis=1)

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
        """Nothing: a class that one patient alone has is missing where that patient is tested, and this is said."""
        return set()

    def present(self, rows: Any) -> set[int]:
        """Say which classes occur in some cases."""
        return set(np.flatnonzero(self.table[rows].sum(axis=0)).tolist())

    def subset(self, rows: Any) -> Self:
        """Keep `rows` (indices or a boolean mask), in that order."""
        picked = np.arange(len(self))[rows]
        return replace(
            self, volumes=tuple(self.volumes[row] for row in picked), groups=self.groups[picked]
        )

    def merged(self, classes: Mapping[str, Sequence[int]]) -> Self:
        """Make a view whose classes are unions of classes; those that are named nowhere are never drawn."""
        parts = tuple(
            tuple(sorted(c for code in codes for c in self._parts[code]))
            for codes in classes.values()
        )
        return replace(self, parts=parts, names=tuple(classes))

    def voxels(self, row: int, code: int, ranks: NDArray[np.int64]) -> Positions:
        """Find the (m, 4) positions of the valid voxels of a class of a case that have these ranks.

        Args:
            row: Case.
            code: Class.
            ranks: (m,) from 0 to `table[row, code]` - 1; a voxel's rank is its place in the list of its class.
        """
        volume = self.volumes[row]
        flat = np.empty(len(ranks), dtype=np.int64)
        start = 0
        for stored in self._parts[code]:
            inside = (ranks >= start) & (ranks < start + volume.counts[stored])
            if inside.any():
                places = [(int(rank), 1) for rank in ranks[inside] - start]
                flat[inside] = np.concatenate(
                    list(read_runs(volume.file(f"class-{stored}"), places))
                )
            start += volume.counts[stored]
        if len(ranks) and not 0 <= ranks.min() <= ranks.max() < start:
            raise IndexError(
                f"Expected ranks from 0 to {start - 1}, got {ranks.min()} to {ranks.max()}."
            )
        return np.stack([np.full(len(ranks), row), *np.unravel_index(flat, volume.shape)], axis=1)

    def patches(
        self, positions: Positions, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cut axial windows around (m, 4) positions, whose pixel is [size // 2, size // 2] of its window.

        Outside the volume images are 0, as the background of the scan is, and targets are healthy.

        Returns:
            Images (m, c, size, size) and targets (m, size, size): classes, -1 where a view leaves the class out.
        """
        codes = self._windows(
            "codes", np.zeros((len(positions), 1, size, size), dtype=np.uint8), positions
        )
        return self.images(positions, size), self._targets[codes[:, 0]]

    def images(self, positions: Positions, size: int) -> NDArray[np.float32]:
        """Cut the images of `patches` alone, for networks that need only the class of the center."""
        patches = np.zeros((len(positions), len(self.modalities), size, size), dtype=np.float16)
        return self._windows("images", patches, positions).astype(np.float32)

    def _windows(self, name: str, patches: NDArray[Any], positions: Positions) -> NDArray[Any]:
        """Fill patches (m, channels, s, s) around (m, 4) positions from the files of that name."""
        for row in np.unique(positions[:, 0]):
            volume, members = self.volumes[row], np.flatnonzero(positions[:, 0] == row)
            centers = positions[members, 1:].tolist()
            windows = [Window.around(center, patches.shape[-1], volume.shape) for center in centers]
            _cut(volume.file(name), volume.shape, windows, members, patches)
        return patches

    def arrays(self, row: int) -> Arrays:
        """Give one case whole; codes are those of this dataset's classes, 255 where a view leaves the class out."""
        volume = self.volumes[row]
        codes, mask = volume.array("codes"), volume.array("mask")
        if self.parts is not None:
            codes = np.where(self._targets < 0, LEFT_OUT, self._targets).astype(np.uint8)[codes]
        return Arrays(volume.array("images"), codes, mask.astype(bool))

    @property
    def _parts(self) -> Parts:
        return (
            tuple((code,) for code in range(len(self.scheme.values)))
            if self.parts is None
            else self.parts
        )

    @cached_property
    def _targets(self) -> NDArray[np.int64]:
        """(stored classes,) the class of this dataset that each belongs to, -1 for none."""
        targets = np.full(len(self.scheme.values), IGNORED, dtype=np.int64)
        for code, part in enumerate(self._parts):
            targets[list(part)] = code
        return targets


def load_volume(folder: Path) -> Volume:
    """Describe a prepared case from its folder."""
    facts = read_json(Path(folder) / "case.json")
    return Volume(
        id=facts["id"],
        folder=Path(folder),
        shape=tuple(facts["shape"]),
        spacing_mm=tuple(facts["spacing_mm"]),
        counts=tuple(facts["counts"]),
        digest=facts["digest"],
    )


def find_scheme(name: str, values: Sequence[int]) -> LabelScheme:
    """Give a scheme by its stored name and values; "plain" ones are made again."""
    return LABEL_SCHEMES[name] if name in LABEL_SCHEMES else plain(values)


class Window(NamedTuple):
    """The part of an axial window inside a volume: rows and columns of the window, then slice, rows and columns."""

    to_y: slice
    to_x: slice
    z: int
    y: slice
    x: slice

    @classmethod
    def around(cls, center: Sequence[int], size: int, shape: tuple[int, int, int]) -> Self:
        """Give the window of side `size` whose pixel [size // 2, size // 2] is the center (z, y, x)."""
        (to_y, y), (to_x, x) = (_inside(center[axis], size, shape[axis]) for axis in (1, 2))
        return cls(to_y, to_x, center[0], y, x)


def _inside(center: int, size: int, length: int) -> tuple[slice, slice]:
    """Give the part of a window that lies inside, as a slice of the window and as one of the volume."""
    start = center - size // 2
    low, high = max(start, 0), min(start + size, length)
    return slice(low - start, high - start), slice(low, high)


def _cut(
    file: str,
    shape: tuple[int, int, int],
    windows: Sequence[Window],
    members: NDArray[np.intp],
    patches: NDArray[Any],
) -> None:
    """Fill the patches (m, c, s, s) of some members from the file of a case, (c, z, y, x) or (z, y, x)."""
    depth, height, width = shape
    channels = range(patches.shape[1])
    wanted = [
        (i, channel, window)
        for i, window in zip(members, windows, strict=True)
        for channel in channels
    ]
    places = [
        (((channel * depth + w.z) * height + w.y.start) * width, (w.y.stop - w.y.start) * width)
        for _, channel, w in wanted
    ]
    for (i, channel, w), rows in zip(wanted, read_runs(file, places), strict=True):
        patches[i, channel, w.to_y, w.to_x] = rows.reshape(-1, width)[:, w.x]


@lru_cache(maxsize=OPEN_FILES)
def _mapped(path: Path) -> NDArray[Any]:
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
