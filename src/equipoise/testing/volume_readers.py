"""The contract of every reader of volumes, as checks on a small source of its kind.

@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_my_reader(check, tmp_path):
    check(my_source(tmp_path))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.data.volumes.geometry import Geometry
from equipoise.data.volumes.options import LoadedVolumes, VolumeOptions
from equipoise.extras import import_itk
from equipoise.testing.readers import (
    card_is_complete,
    errors_name_the_file,
    groups_are_numbers,
    split_has_valid_parts,
)

SHAPE = (6, 8, 10)
SPACING_MM = (3.0, 1.0, 2.0)
ORIGIN = (5.0, -7.0, 11.0)


@dataclass(frozen=True, kw_only=True)
class VolumeSource:
    """A small source on disk, its contents, and a way to damage it.

    Attributes:
        reader: The module under test, with `CARD`, `recognizes` and `read`.
        path: The path that a user gives; the reader recognizes it.
        options: Options with which it is read; `cache` is in a folder of the test.
        counts: Valid voxels of each class over all cases.
        spoil: Damages a file and returns the name that the error must contain.
    """

    reader: ModuleType
    path: Path
    options: VolumeOptions
    counts: tuple[int, ...]
    spoil: Callable[[], str]

    def read(self) -> LoadedVolumes:
        """Read the source."""
        loaded = self.reader.read(self.path, self.options)
        assert isinstance(loaded, LoadedVolumes)
        return loaded


def write_image(
    path: Path,
    array: NDArray[Any],
    *,
    spacing_mm: Sequence[float] = SPACING_MM,
    origin: Sequence[float] = ORIGIN,
    direction: Sequence[float] = (1, 0, 0, 0, 1, 0, 0, 0, 1),
) -> Path:
    """Write a (z, y, x) array with a geometry in which no two axes are alike."""
    itk = import_itk()

    image = itk.GetImageFromArray(array)
    image.SetSpacing([float(side) for side in spacing_mm[::-1]])
    image.SetOrigin([float(place) for place in origin])
    image.SetDirection([float(cosine) for cosine in direction])
    path.parent.mkdir(parents=True, exist_ok=True)
    itk.WriteImage(image, str(path))
    return path


def plain_geometry(shape: Sequence[int]) -> Geometry:
    """Return a geometry of 1 mm voxels along the axes."""
    return Geometry(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(1.0, 1.0, 1.0),
        origin=(0.0, 0.0, 0.0),
        direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    )


def draw_case(
    seed: int = 0, shape: tuple[int, int, int] = SHAPE
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Draw label values 0 to 4 and one raw image, both (z, y, x): brain surrounded by zeros."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, dtype=np.uint8)
    labels[2, 2:4, 2:6] = [[1, 2, 2, 3], [4, 2, 2, 2]]
    image = np.zeros(shape, dtype=np.int16)
    brain = (slice(1, -1),) * 3
    image[brain] = rng.integers(100, 900, size=image[brain].shape)
    return labels, image


def write_case(
    folder: Path,
    *,
    seed: int = 0,
    modalities: Sequence[str] = ("flair", "t1ce"),
    suffix: str = ".nii.gz",
) -> Path:
    """Write a case of `draw_case` as `<modality><suffix>` and `seg<suffix>`.

    Its classes have 184, 1, 5, 1 and 1 valid voxels.
    """
    labels, image = draw_case(seed)
    for factor, name in enumerate(modalities, start=1):
        write_image(folder / f"{name}{suffix}", image * factor)
    write_image(folder / f"seg{suffix}", labels)
    return folder


def recognizes_its_source(source: VolumeSource) -> None:
    """The reader recognizes its own source, and no missing path."""
    assert source.reader.recognizes(source.path, source.options) is True
    assert source.reader.recognizes(source.path / "nowhere", VolumeOptions()) is False


def ids_are_unique_and_sorted(source: VolumeSource) -> None:
    """Ids are sorted text, unique, and do not contain the folder of the source."""
    ids = source.read().dataset.ids
    assert ids.dtype.kind == "U"
    assert sorted(set(ids.tolist())) == ids.tolist()
    assert not any(str(source.path.parent) in name for name in ids.tolist())


def counts_are_those_of_the_source(source: VolumeSource) -> None:
    """No voxel is lost, added or moved to another class; every listed voxel has its class."""
    dataset = source.read().dataset
    assert tuple(dataset.counts.tolist()) == source.counts
    for row in range(len(dataset)):
        codes = dataset.arrays(row).codes
        for code in range(dataset.k):
            places = dataset.voxels(row, code, np.arange(dataset.table[row, code]))[:, 1:]
            assert (codes[tuple(places.T)] == code).all()


def images_are_normalized(source: VolumeSource) -> None:
    """Every channel has mean 0 and standard deviation 1 in the brain and is exactly 0 outside."""
    dataset = source.read().dataset
    for row in range(len(dataset)):
        images, codes, mask = dataset.arrays(row)
        assert images.dtype == np.float16
        assert images.shape == (len(dataset.modalities), *codes.shape)
        np.testing.assert_allclose(images[:, mask].astype(float).mean(axis=1), 0, atol=1e-3)
        np.testing.assert_allclose(images[:, mask].astype(float).std(axis=1), 1, atol=1e-3)
        assert not images[:, ~mask].any()


def reading_twice_gives_the_same(source: VolumeSource) -> None:
    """The result depends on the source only, not on whether it was cached."""
    first = source.read()
    cached = source.read()
    other_cache = replace(source.options, cache=Path(str(source.options.cache)) / "other")
    uncached = source.reader.read(source.path, other_cache)
    for loaded in (cached, uncached):
        assert loaded.dataset.fingerprint == first.dataset.fingerprint
        assert (loaded.notes, loaded.skipped) == (first.notes, first.skipped)


CHECKS = (
    card_is_complete,
    recognizes_its_source,
    ids_are_unique_and_sorted,
    counts_are_those_of_the_source,
    images_are_normalized,
    groups_are_numbers,
    split_has_valid_parts,
    reading_twice_gives_the_same,
    errors_name_the_file,
)
