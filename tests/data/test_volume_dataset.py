"""Prepared cases: patches, ranks, views and runs of elements against whole arrays in memory."""

import gc
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.data.volume_dataset import OPEN_FILES, VolumeDataset, load_volume, read_runs
from equipoise.data.volumes.labels import BRATS_2013
from equipoise.exceptions import DataError
from equipoise.testing.volumes import volumes_of

SHAPES = ((3, 7, 9), (2, 12, 5))
CASES = [np.random.default_rng(i).integers(0, 4, size=shape) for i, shape in enumerate(SHAPES)]
MASKS = [np.random.default_rng(9).random(shape) < 0.7 for shape in SHAPES]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> VolumeDataset:
    """Two cases of one patient each, of four classes of scheme brats2013, which has five."""
    return volumes_of(
        CASES, tmp_path_factory.mktemp("volumes"), masks=MASKS, groups=[4, 7], scheme=BRATS_2013
    )


def expected_patch(images: Any, codes: Any, center: list[int], size: int) -> tuple[Any, Any]:
    """Cut by padding the whole volume with zeros."""
    z, y, x = center
    part = np.s_[y : y + size, x : x + size]
    before, after = size // 2, size
    around = ((before, after), (before, after))
    return (
        np.pad(np.asarray(images[:, z], dtype=np.float32), ((0, 0), *around))[:, *part],
        np.pad(codes[z].astype(np.int64), around)[part],
    )


@pytest.mark.parametrize("size", [1, 2, 5, 8, 32])
def test_patches_are_those_of_the_padded_volume(dataset: VolumeDataset, size: int) -> None:
    """At every voxel of both cases, in mixed order; 32 is larger than the volumes."""
    positions = np.concatenate(
        [np.insert(np.argwhere(np.ones(shape)), 0, row, axis=1) for row, shape in enumerate(SHAPES)]
    )
    positions = np.random.default_rng(0).permutation(positions)
    images, targets = dataset.patches(positions, size)
    assert images.dtype == np.float32
    assert targets.dtype == np.int64
    whole = [dataset.arrays(row) for row in range(2)]
    for i, (row, *center) in enumerate(positions.tolist()):
        image, target = expected_patch(whole[row].images, CASES[row], center, size)
        np.testing.assert_array_equal(images[i], image)
        np.testing.assert_array_equal(targets[i], target)
        assert targets[i, size // 2, size // 2] == CASES[row][tuple(center)]


def test_no_patch_at_all(dataset: VolumeDataset) -> None:
    images, targets = dataset.patches(np.empty((0, 4), dtype=np.int64), 8)
    assert images.shape == (0, 2, 8, 8)
    assert targets.shape == (0, 8, 8)


def test_valid_voxels_are_those_of_the_brain_and_of_tumors(dataset: VolumeDataset) -> None:
    for row in range(2):
        for code in range(5):
            valid = (CASES[row] == code) & (MASKS[row] | (code > 0))
            assert dataset.table[row, code] == valid.sum()
            ranks = np.arange(valid.sum())
            positions = dataset.voxels(row, code, ranks)
            np.testing.assert_array_equal(positions[:, 1:], np.argwhere(valid))
            assert set(positions[:, 0]) <= {row}
    np.testing.assert_array_equal(dataset.counts, dataset.table.sum(axis=0))


def test_ranks_may_repeat_in_any_order(dataset: VolumeDataset) -> None:
    ranks = np.array([5, 0, 5, 3])
    np.testing.assert_array_equal(
        dataset.voxels(0, 2, ranks), dataset.voxels(0, 2, np.arange(6))[ranks]
    )


@pytest.mark.parametrize("wrong", [-1, 10_000])
def test_ranks_outside_are_refused(dataset: VolumeDataset, wrong: int) -> None:
    with pytest.raises(IndexError, match=rf"got 0 to {wrong}|got {wrong} to 0"):
        dataset.voxels(0, 1, np.array([0, wrong]))


def test_a_view_unites_classes_and_leaves_others_out(dataset: VolumeDataset) -> None:
    view = dataset.merged({"ring": (3, 1), "edema": (2,)})
    assert (view.class_names, view.k) == (("ring", "edema"), 2)
    assert view.regions == {"ring": (0,), "edema": (1,)}
    np.testing.assert_array_equal(
        view.table, dataset.table[:, [1, 2]] + [[dataset.table[0, 3], 0], [dataset.table[1, 3], 0]]
    )
    positions = view.voxels(1, 0, np.arange(view.table[1, 0]))
    united = np.argwhere(np.isin(CASES[1], (1, 3)))
    assert sorted(map(tuple, positions[:, 1:])) == sorted(map(tuple, united))
    _, targets = view.patches(positions[:3], 32)
    truth = np.select([np.isin(CASES[1], (1, 3)), CASES[1] == 2], [0, 1], -1)
    _, height, width = SHAPES[1]
    z, y, x = positions[0, 1:]
    inside = targets[0, 16 - y : 16 - y + height, 16 - x : 16 - x + width]
    np.testing.assert_array_equal(inside, truth[z])
    assert targets[0, 0, 0] == -1  # outside the volume is healthy, which this view leaves out
    np.testing.assert_array_equal(view.arrays(1).codes, np.where(truth < 0, 255, truth))
    assert view.arrays(1).mask.dtype == bool


def test_views_of_views_and_of_healthy_tissue(dataset: VolumeDataset) -> None:
    view = dataset.merged({"healthy": (0,), "tumor": (1, 2, 3, 4)})
    assert view.regions == {"tumor": (1,)}
    _, targets = view.patches(np.array([[0, 0, 0, 0]]), 32)
    assert targets[0, 0, 0] == 0
    again = dataset.merged({"rest": (0, 2), "ring": (1, 3)}).merged({"ring": (1,)})
    assert again.parts == ((1, 3),)
    assert again.counts.tolist() == [dataset.counts[1] + dataset.counts[3]]


def test_rarest_classes(dataset: VolumeDataset) -> None:
    """Class 4 does not occur, so it is never the rare one."""
    assert dataset.counts[4] == 0
    assert dataset.rare_class == int(np.argmin(dataset.counts[:4]))
    assert set(dataset.labels.tolist()) == {dataset.rare_class}  # both cases have it
    assert dataset.present(slice(None)) == {0, 1, 2, 3}
    assert not dataset.synthetic.any()


def test_a_subset_keeps_order_patients_and_view(dataset: VolumeDataset) -> None:
    view = dataset.merged({"healthy": (0,), "tumor": (1, 2, 3)})
    turned = view.subset([1, 0])
    assert turned.ids.tolist() == ["case-1", "case-0"]
    assert turned.groups.tolist() == [7, 4]
    np.testing.assert_array_equal(turned.table, view.table[::-1])
    assert len(view.subset(np.array([False, True]))) == 1
    np.testing.assert_array_equal(
        turned.patches(np.array([[0, 1, 2, 3]]), 5)[0], view.patches(np.array([[1, 1, 2, 3]]), 5)[0]
    )


def test_the_fingerprint_changes_with_all_that_matters(
    dataset: VolumeDataset, tmp_path: Path
) -> None:
    same = replace(dataset)
    assert same.fingerprint == dataset.fingerprint
    other_pixels = volumes_of(
        CASES, tmp_path, masks=MASKS, groups=[4, 7], scheme=BRATS_2013, seed=1
    )
    variants = (
        dataset.subset([1, 0]),
        dataset.merged({"healthy": (0,), "tumor": (1, 2, 3, 4)}),
        other_pixels,
        replace(dataset, groups=np.array([4, 4])),
        replace(dataset, modalities=("T2", "T1")),
    )
    assert len({variant.fingerprint for variant in (dataset, *variants)}) == 6


def test_a_case_is_described_by_its_folder(dataset: VolumeDataset) -> None:
    volume = dataset.volumes[1]
    assert load_volume(volume.folder) == volume
    assert volume.shape == SHAPES[1]
    assert volume.record.id == "case-1"


def test_cases_and_patients_must_match(dataset: VolumeDataset) -> None:
    with pytest.raises(DataError, match=r"2 patients.* got 1"):
        replace(dataset, groups=np.array([0]))
    with pytest.raises(DataError, match="case-0 more than once"):
        dataset.subset([0, 0])


def test_few_files_stay_open_however_many_cases_are_drawn_from(tmp_path: Path) -> None:
    """Patches and ranks leave no file open, whole cases at most `OPEN_FILES` maps."""
    many = volumes_of([np.ones((1, 4, 4), dtype=int)] * 30, tmp_path, k=2)
    gc.collect()
    before = open_below(tmp_path)
    positions = np.concatenate([many.voxels(row, 1, np.arange(16)) for row in range(30)])
    many.patches(positions, 3)
    assert open_below(tmp_path) == before == 0
    for row in range(30):
        many.arrays(row)
    gc.collect()
    assert 0 < open_below(tmp_path) <= OPEN_FILES


def open_below(folder: Path) -> int:
    """Count the files of a folder that this process has open or mapped."""
    maps = {entry.path for entry in psutil.Process(os.getpid()).memory_maps()}
    opened = {entry.path for entry in psutil.Process(os.getpid()).open_files()}
    return sum(path.startswith(str(folder)) for path in maps | opened)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_drawn_voxel_is_the_center_of_its_patch(
    dataset: VolumeDataset, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, 1))
    code = data.draw(st.sampled_from([c for c in range(4) if dataset.table[row, c]]))
    rank = data.draw(st.integers(0, int(dataset.table[row, code]) - 1))
    size = data.draw(st.integers(1, 20))
    _, targets = dataset.patches(dataset.voxels(row, code, np.array([rank])), size)
    assert targets[0, size // 2, size // 2] == code


# ---- runs of elements of .npy files ----


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int32"])
def test_runs_are_those_of_the_flat_array(tmp_path: Path, dtype: str) -> None:
    array = np.arange(5 * 6 * 7).reshape(5, 6, 7).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    runs = [(0, 210), (209, 1), (17, 30), (3, 0)]
    for run, (start, n) in zip(read_runs(str(tmp_path / "a.npy"), runs), runs, strict=True):
        assert run.dtype == array.dtype
        np.testing.assert_array_equal(run, array.ravel()[start : start + n])


def test_arrays_that_cannot_be_read_in_runs_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.arange(10))
    np.save(tmp_path / "columns.npy", np.asfortranarray(np.ones((3, 4))))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with (tmp_path / "new.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(3), version=(2, 0))
    for name, words in {
        "short": "ends too early",
        "columns": "C order",
        "objects": "C order",
        "new": "version 1.0",
    }.items():
        with pytest.raises(DataError, match=rf"{name}.*{words}|{words}.*{name}"):
            list(read_runs(str(tmp_path / f"{name}.npy"), [(8, 5)]))
